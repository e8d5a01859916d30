import { contentHash } from './content-hash.ts';
import type { Judge } from './judge.ts';

/** The fixed header of a client frame as docs/reference/client-protocol.md has it. */
const headerBytes = 64;
const kindOffset = 1;
const streamOffset = 28;
const clientOffset = 32;
const seqOffset = 48;
const resultKind = 16;
const lengthBytes = 4;

/** A take that found nothing: nothing was applied, so a later answer may differ. */
const emptyTake = [0x92, 2, 0x90];

/** Q6: every answer to one request is the same, through any node, leader and restart. */
export class AnswerChecker {
  readonly #judge: Judge;
  readonly #answers = new Map<string, number>();

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** A message that a node sent to a client: frames, each behind its length. */
  sent(message: Uint8Array): void {
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    let at = 0;
    while (at + lengthBytes + headerBytes <= message.length) {
      const length = view.getUint32(at);
      this.#frame(message.subarray(at + lengthBytes, at + lengthBytes + length));
      at += lengthBytes + length;
    }
  }

  #frame(frame: Uint8Array): void {
    if (frame.length < headerBytes || frame[kindOffset] !== resultKind) return;
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const seq = view.getUint32(seqOffset) * 2 ** 32 + view.getUint32(seqOffset + 4);
    const body = frame.subarray(headerBytes);
    if (seq === 0 || isEmptyTake(body)) return;
    const client = Array.from(frame.subarray(clientOffset, clientOffset + 16)).join('.');
    const key = `${client}/${view.getUint32(streamOffset)}/${seq}`;
    const answer = contentHash(0, [], body);
    const known = this.#answers.get(key);
    this.#answers.set(key, answer);
    if (known === undefined) return;
    this.#judge.reached('Q6');
    if (known !== answer) this.#judge.violated('Q6', `request ${key} was answered in two ways`);
  }
}

function isEmptyTake(body: Uint8Array): boolean {
  return body.length === emptyTake.length && emptyTake.every((byte, place) => body[place] === byte);
}
