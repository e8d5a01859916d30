import msgpack from 'msgpack-lite';
import type { Judge } from './judge.ts';

/** The fixed header of a client frame as docs/reference/client-protocol.md has it. */
const headerBytes = 64;
const kindOffset = 1;
const streamOffset = 28;
const clientOffset = 32;
const seqOffset = 48;
const resultKind = 16;
const lengthBytes = 4;
const refusedCode = 0;
const takenCode = 2;
/** Refusal codes as docs/reference/client-protocol.md numbers them: REQUEST_SETTLED, CLIENT_EXPIRED. */
const beyondTheWindow: ReadonlySet<number> = new Set([7, 8]);

const codec = msgpack.createCodec({});

/** Q6: every answer to one request is the same, through any node, leader and restart. */
export class AnswerChecker {
  readonly #judge: Judge;
  readonly #answers = new Map<string, Uint8Array>();

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
    const content = seq === 0 ? undefined : contentOf(body);
    if (content === undefined) return;
    const client = Array.from(frame.subarray(clientOffset, clientOffset + 16)).join('.');
    const key = `${client}/${view.getUint32(streamOffset)}/${seq}`;
    const known = this.#answers.get(key);
    this.#answers.set(key, content);
    if (known === undefined) return;
    this.#judge.reached('Q6');
    if (!Buffer.from(known).equals(content)) {
      this.#judge.violated(
        'Q6',
        `request ${key} was answered with ${textOf(known)} and with ${textOf(content)}`,
      );
    }
  }
}

/**
 * What an answer says; undefined for the explicit errors beyond the window: the request was settled, or its client was
 * forgotten. A copy of it that was under way meanwhile gets those, and nothing is applied.
 */
function contentOf(body: Uint8Array): Uint8Array | undefined {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  if (body[1] === refusedCode) return beyondTheWindow.has(body[2] ?? -1) ? undefined : body;
  if (body[1] !== takenCode) return body;
  const answer: unknown = msgpack.decode(bytes, { codec });
  if (!Array.isArray(answer) || !Array.isArray(answer[1])) return body;
  // The last field is the log time at which it was answered, this time.
  return msgpack.encode(answer[1], { codec });
}

function textOf(answer: Uint8Array): string {
  return JSON.stringify(msgpack.decode(Buffer.from(answer), { codec })).slice(0, 200);
}
