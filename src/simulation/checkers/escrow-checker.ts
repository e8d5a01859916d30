import msgpack from 'msgpack-lite';
import type { Judge } from './judge.ts';

/** The fixed header of a client frame, and the code of an ack, as docs/reference/client-protocol.md has them. */
const headerBytes = 64;
const kindOffset = 1;
const requestKind = 2;
const lengthBytes = 4;
const ackCode = 3;

const codec = msgpack.createCodec({});

/** Part of A1: an answer of the provider is in the escrow, durable, before the ack that carries it leaves the worker. */
export class EscrowChecker {
  readonly #judge: Judge;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** A message of a worker to a node: frames, each behind its length. `isKept` tells what the escrow's disk holds. */
  sent(worker: string, message: Uint8Array, isKept: (id: string, fence: number) => boolean): void {
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    let at = 0;
    while (at + lengthBytes + headerBytes <= message.length) {
      const length = view.getUint32(at);
      this.#frame(worker, message.subarray(at + lengthBytes, at + lengthBytes + length), isKept);
      at += lengthBytes + length;
    }
  }

  #frame(worker: string, frame: Uint8Array, isKept: (id: string, fence: number) => boolean): void {
    if (frame[kindOffset] !== requestKind) return;
    const body = frame.subarray(headerBytes);
    const operation: unknown = msgpack.decode(Buffer.from(body.buffer, body.byteOffset, body.length), {
      codec,
    });
    if (!Array.isArray(operation) || operation[0] !== ackCode) return;
    const [, , id, fence] = operation;
    if (typeof id !== 'string' || typeof fence !== 'number') return;
    this.#judge.reached('A1 escrow');
    if (!isKept(id, fence)) {
      this.#judge.violated(
        'A1',
        `${worker} sent the ack of ${id} under fence ${fence} before its escrow had the answer`,
      );
    }
  }
}
