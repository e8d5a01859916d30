import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../src/base/errors.ts';
import { clientId } from '../../src/base/ids.ts';
import { Bundler, encodeBundle, splitBundle } from '../../src/wire/client-bundle.ts';
import {
  encodeAttach,
  encodeAttachments,
  encodeDetach,
  encodeGet,
  encodeLeader,
  encodeLeaseLost,
  encodeQueueName,
  encodeRefused,
  encodeSession,
  leaseEnds,
  readAttach,
  readAttachmentList,
  readDetach,
  readGet,
  readLeader,
  readLeaseLost,
  readQueueName,
  readRefused,
  readSessionEnded,
  serviceRefusals,
} from '../../src/wire/client-frame.ts';
import {
  bodyOf,
  type ClientHeader,
  clientHeaderBytes,
  decodeHeader,
  encodeFrame,
  type FrameKind,
  frameKinds,
  hopsMax,
  patchHeader,
} from '../../src/wire/client-header.ts';
import { encodeTuple } from '../../src/wire/msgpack.ts';
import { hex16, id, nodes, safeInt, sessions } from './queue-values.ts';

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const isKind = (text: string): text is FrameKind => text in frameKinds;

const headers: fc.Arbitrary<ClientHeader> = fc.record({
  kind: fc.constantFrom(...Object.keys(frameKinds).filter(isKind)),
  hops: fc.integer({ min: 0, max: hopsMax }),
  marked: fc.boolean(),
  any: fc.boolean(),
  group: uint32,
  bucket: uint32,
  mapVersion: uint32,
  correlation: uint32,
  remainingMs: uint32,
  waitMs: uint32,
  client: hex16.map(clientId),
  stream: uint32,
  seq: safeInt,
  settledUpTo: safeInt,
});

describe('the fixed header of a client frame', () => {
  it('comes back as it was written, body untouched', () => {
    fc.assert(
      fc.property(headers, fc.uint8Array({ maxLength: 300 }), (header, body) => {
        const frame = encodeFrame(header, body);
        expect(frame.length).toBe(clientHeaderBytes + body.length);
        expect(decodeHeader(frame)).toEqual(header);
        expect(Uint8Array.from(bodyOf(frame))).toEqual(body);
      }),
    );
  });

  it('of any bytes is read or refused with ProtocolError, nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeHeader(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
    );
  });

  it('changes in place only what is patched', () => {
    fc.assert(
      fc.property(headers, headers, fc.uint8Array({ maxLength: 30 }), (header, other, body) => {
        const frame = encodeFrame(header, body);
        const { hops, marked, any, correlation, group, mapVersion, remainingMs, waitMs } = other;
        const patch = { hops, marked, any, correlation, group, mapVersion, remainingMs, waitMs };
        patchHeader(frame, patch);
        expect(decodeHeader(frame)).toEqual({ ...header, ...patch });
        expect(bodyOf(frame)).toEqual(Buffer.from(body));
      }),
    );
  });
});

describe('a bundle', () => {
  it('comes back as the frames it was made of', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: clientHeaderBytes, maxLength: 200 }), { minLength: 1 }),
        (frames) => {
          expect(splitBundle(encodeBundle(frames)).map((frame) => Uint8Array.from(frame))).toEqual(frames);
        },
      ),
    );
  });

  it('cut anywhere is refused whole', () => {
    const bundle = encodeBundle([new Uint8Array(70), new Uint8Array(80)]);
    for (let length = 0; length < bundle.length; length++) {
      if (length === 74) continue;
      expect(() => splitBundle(bundle.subarray(0, length)), `${length}`).toThrow(ProtocolError);
    }
  });

  it('holds what one turn had to send', async () => {
    const sent: Uint8Array[] = [];
    const bundler = new Bundler((message) => sent.push(message));
    for (let i = 0; i < 3; i++) bundler.add(new Uint8Array(64));
    expect(sent).toEqual([]);
    await Promise.resolve();
    expect(sent.map((message) => splitBundle(message).length)).toEqual([3]);
    bundler.add(new Uint8Array(300_000));
    expect(sent).toHaveLength(2);
  });
});

describe('the bodies of client frames', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(
        sessions,
        id,
        id,
        safeInt,
        safeInt,
        fc.boolean(),
        nodes,
        (session, queue, task, fence, n, any, leaderId) => {
          const attach = { session, workerId: queue, registration: n };
          expect(readAttach(encodeAttach(attach))).toEqual(attach);
          // Of clients from before a registration was named.
          const old = encodeTuple([Buffer.from(session, 'hex'), queue]);
          expect(readAttach(old)).toEqual({ ...attach, registration: 0 });
          for (const maxAgeMs of [undefined, n]) {
            const get = { queue, id: task, any, maxAgeMs };
            expect(readGet(encodeGet(get))).toEqual(get);
          }
          expect(readQueueName(encodeQueueName(queue))).toBe(queue);
          for (const leader of [undefined, leaderId]) {
            expect(readLeader(encodeLeader({ leaderId: leader, term: n }))).toEqual({
              leaderId: leader,
              term: n,
            });
          }
          for (const why of leaseEnds) {
            const lost = { session, queue, id: task, fence, why };
            expect(readLeaseLost(encodeLeaseLost(lost))).toEqual(lost);
          }
          expect(readSessionEnded(encodeSession(session))).toBe(session);
          expect(readDetach(encodeDetach({ session, attachment: n }))).toEqual({ session, attachment: n });
          const attachments = [{ session, attachment: n }];
          expect(readAttachmentList(encodeAttachments(attachments))).toEqual(attachments);
          for (const code of serviceRefusals) {
            expect(readRefused(encodeRefused({ code, message: task, retryAfterMs: 5 }))).toEqual({
              code,
              message: task,
              retryAfterMs: 5,
            });
          }
        },
      ),
    );
  });

  it('of any bytes are read or refused with ProtocolError, nothing else', () => {
    const readers = [
      readAttach,
      readGet,
      readQueueName,
      readLeader,
      readLeaseLost,
      readSessionEnded,
      readDetach,
      readAttachmentList,
      readRefused,
    ];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        for (const read of readers) {
          try {
            read(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError);
          }
        }
      }),
    );
  });
});
