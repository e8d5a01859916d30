import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../src/base/errors.ts';
import { clientId, nodeId, sessionId } from '../../src/base/ids.ts';
import { encodeTuple } from '../../src/wire/msgpack.ts';
import { decodeCommand, encodeCommand, encodeRequest } from '../../src/wire/queue-codec.ts';
import { decodeOperation, encodeOperation, peekOperation } from '../../src/wire/queue-operation.ts';
import {
  decodeRecord,
  decodeResult,
  decodeStats,
  encodeRecord,
  encodeResult,
  encodeStats,
  isEmptyTake,
  redirectOf,
} from '../../src/wire/queue-result.ts';
import { commands, id, operations, results, safeInt, taskStates } from './queue-values.ts';

/** Every reader of this part, for what garbage does to it. */
const readers = [decodeOperation, decodeCommand, decodeResult, decodeRecord, decodeStats];

function readsOrRefuses(bytes: Uint8Array): void {
  for (const read of readers) {
    try {
      read(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolError);
    }
  }
}

describe('operations, commands and results', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(operations, commands, results, (operation, command, result) => {
        expect(decodeOperation(encodeOperation(operation))).toEqual(operation);
        expect(decodeCommand(encodeCommand(command))).toEqual(command);
        expect(decodeResult(encodeResult(result))).toEqual(result);
      }),
    );
  });

  it('show which operation they are without being decoded', () => {
    fc.assert(
      fc.property(operations, (operation) => {
        expect(peekOperation(encodeOperation(operation))).toBe(operation.type);
      }),
    );
    expect(peekOperation(new Uint8Array(0))).toBeUndefined();
    expect(peekOperation(Uint8Array.of(0x91, 0x7f))).toBeUndefined();
  });

  it('of a request keep the bytes that the client sent', () => {
    fc.assert(
      fc.property(operations, (operation) => {
        const bytes = encodeOperation(operation);
        const command = encodeRequest(
          { client: 'ab'.repeat(16), stream: 1, seq: 2, settledUpTo: 1, mayWait: false, mapVersion: 3 },
          bytes,
        );
        expect(command.subarray(command.length - bytes.length).equals(bytes)).toBe(true);
      }),
    );
  });

  it('of logs from before there were shards are read: they have no map version and keep no order', () => {
    fc.assert(
      fc.property(operations, fc.boolean(), (operation, mayWait) => {
        const head = Buffer.from(
          '01abababababababababababababababab00000007000000000000000900000000000000ff',
          'hex',
        );
        if (mayWait) head[0] = 3;
        const old = Buffer.concat([head.fill(8, 36), encodeOperation(operation)]);
        const ids = { client: clientId('ab'.repeat(16)), stream: 7, seq: 9, settledUpTo: 8 };
        const request = { ...ids, mayWait, mapVersion: 0, inOrder: false };
        expect(decodeCommand(old)).toEqual({ type: 'request', request, operation });
      }),
    );
    const attach = {
      type: 'attach',
      client: clientId('ab'.repeat(16)),
      session: sessionId('cd'.repeat(16)),
    } as const;
    const ids = [Buffer.from(attach.client, 'hex'), Buffer.from(attach.session, 'hex')];
    const old = Buffer.concat([Buffer.of(2), encodeTuple([0, ...ids, 'a', 'w'])]);
    const rest = { gateway: nodeId('a'), workerId: 'w', registration: 0 };
    expect(decodeCommand(old)).toEqual({ ...attach, ...rest });
    const tick = Buffer.from('029104', 'hex');
    expect(decodeCommand(tick)).toEqual({ type: 'tick' });
  });

  it('of any bytes, and of good ones cut or changed, are read or refused with ProtocolError, nothing else', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), readsOrRefuses));
    fc.assert(
      fc.property(commands, results, fc.nat(), fc.nat(255), (command, result, place, byte) => {
        for (const good of [encodeCommand(command), encodeResult(result)]) {
          readsOrRefuses(good.subarray(0, place % good.length));
          const changed = Buffer.from(good);
          changed[place % good.length] = byte;
          readsOrRefuses(changed);
        }
      }),
    );
  });

  it('tell an empty take from any other result by its bytes', () => {
    fc.assert(
      fc.property(results, (result) => {
        expect(isEmptyTake(encodeResult(result))).toBe(result.type === 'taken' && result.tasks.length === 0);
      }),
    );
    expect(isEmptyTake(encodeResult({ type: 'taken', tasks: [], atMs: 5 }))).toBe(true);
  });

  it('tell a redirect from any other result by its bytes, and what it says', () => {
    fc.assert(
      fc.property(results, (result) => {
        expect(redirectOf(encodeResult(result))).toEqual(result.type === 'redirected' ? result : undefined);
      }),
    );
    expect(redirectOf(new Uint8Array(0))).toBeUndefined();
  });
});

describe('what reads answer', () => {
  it('comes back as it was written', () => {
    const task = fc.record({
      id,
      payload: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      expiresAtMs: safeInt,
      provider: id,
      version: safeInt,
      state: taskStates,
      buriedReason: fc.option(id, { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.option(task, { nil: undefined }), safeInt, (found, ageMs) => {
        expect(decodeRecord(encodeRecord({ task: found, ageMs }))).toEqual({ task: found, ageMs });
      }),
    );
    const stats = {
      states: { ready: 1, delayed: 2, taken: 3, suspect: 4, buried: 5 },
      bands: { urgent: 6, expired: 7, ahead: 8 },
      oldestExpiredMs: 9,
      sessions: 10,
      clients: 11,
    };
    expect(decodeStats(encodeStats(stats))).toEqual(stats);
  });
});
