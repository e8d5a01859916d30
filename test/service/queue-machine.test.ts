import { describe, expect, it } from 'vitest';
import { clientId, nodeId, sessionId } from '../../src/base/ids.ts';
import type { Claim, QueueCommand } from '../../src/queue/types.ts';
import type { LogEntry } from '../../src/raft/types.ts';
import { QueueMachine } from '../../src/service/queue-machine.ts';
import { encodeCommand } from '../../src/wire/queue-codec.ts';
import { decodeResult, redirectOf } from '../../src/wire/queue-result.ts';

const client = clientId('ab'.repeat(16));

function apply(machine: QueueMachine, index: number, command: QueueCommand): Uint8Array {
  const entry: LogEntry = { index, term: 1, stampMs: 1_000_000, kind: 'commands', data: new Uint8Array(0) };
  const [result] = machine.apply(entry, [encodeCommand(command)]);
  return result ?? new Uint8Array(0);
}

function claimOf(partitioner: 'buckets' | 'sumbur', bucketCount: number): Claim {
  const map = { namespace: 'tokens', version: 1, digest: 7, partitioner, bucketCount };
  return { type: 'own', map, shard: 'a', ranges: [{ from: 0, to: bucketCount - 1, epoch: 1 }] };
}

describe('the queue as bytes', () => {
  it('redirects what its log does not give it, and a peek at the answer says where to', () => {
    const machine = new QueueMachine();
    const [session, gateway] = [sessionId('cd'.repeat(16)), nodeId('n')];
    apply(machine, 1, { type: 'attach', client, session, gateway, workerId: '', registration: 0 });
    const request = {
      client,
      stream: 1,
      seq: 1,
      settledUpTo: 0,
      mayWait: false,
      mapVersion: 1,
      inOrder: true,
    };
    const get = (): Uint8Array =>
      apply(machine, 2, { type: 'request', request, operation: { type: 'resolve', queue: 'q', id: 'k' } });
    expect(redirectOf(get())).toEqual({ type: 'redirected', why: 'frozen', owner: undefined, version: 0 });
    const owned = apply(machine, 3, { type: 'claim', claim: claimOf('buckets', 16_384) });
    expect(decodeResult(owned)).toEqual({ type: 'owned', version: 1 });
    expect(redirectOf(owned)).toBeUndefined();
    expect(decodeResult(get())).toMatchObject({ code: 'NEVER_APPLIED' });
  });

  it('refuses a claim of a partition that there cannot be, on every node alike', () => {
    const answer = apply(new QueueMachine(), 1, { type: 'claim', claim: claimOf('sumbur', 46_341) });
    expect(decodeResult(answer)).toMatchObject({ type: 'refused', code: 'INVALID_ARGUMENT' });
  });
});
