import { describe, expect, it } from 'vitest';
import { clientId, nodeId, sessionId } from '../../src/base/ids.ts';
import { defaultPolicy, defaultProvider, queueLimits } from '../../src/queue/limits.ts';
import type { Operation } from '../../src/queue/types.ts';
import { Bench, putOf, queue, takeOf } from './bench.ts';

const put = putOf('a', 1_000_000_000);
const take = takeOf(sessionId('s1'), 1);
const ack = { type: 'ack', queue, id: 'a', fence: 1, payload: new Uint8Array(0), expiresAtMs: 1 } as const;
const release = {
  type: 'release',
  queue,
  id: 'a',
  fence: 1,
  delayMs: 0,
  scope: 'task',
  callMade: false,
} as const;
const bury = { type: 'bury', queue, id: 'a', fence: 1, reason: 'gone' } as const;
const setProvider = { type: 'setProvider', queue, provider: 'acme', settings: defaultProvider } as const;
const setPolicy = { type: 'setPolicy', queue, policy: defaultPolicy } as const;

const odd = [Number.NaN, Number.POSITIVE_INFINITY, -1, 1.5, 2 ** 53];

describe('an operation out of bounds', () => {
  const invalid: readonly Operation[] = [
    ...['', 'with space', 'x'.repeat(65), 'ü'].map((name) => ({ ...put, queue: name })),
    ...['', '\ud800', 'a\udc00'].map((id) => ({ ...put, id })),
    { ...put, provider: '' },
    ...odd.map((expiresAtMs) => ({ ...put, expiresAtMs })),
    ...odd.map((weight) => ({ ...put, weight })),
    { ...put, weight: queueLimits.weightMax + 1 },
    ...odd.map((refreshAtMs) => ({ ...put, refreshAtMs })),
    ...odd.map((ifVersion) => ({ ...put, ifVersion })),
    ...[0, queueLimits.takeLimitMax + 1, ...odd].map((limit) => ({ ...take, limit })),
    ...[0, queueLimits.durationMsMax + 1, ...odd].map((ttrMs) => ({ ...take, ttrMs })),
    ...odd.map((callMs) => ({ ...take, callMs })),
    ...[0, ...odd].map((fence) => ({ ...ack, fence })),
    ...odd.map((expiresAtMs) => ({ ...ack, expiresAtMs })),
    ...[queueLimits.durationMsMax + 1, ...odd].map((delayMs) => ({ ...release, delayMs })),
    ...odd.map((graceMs) => ({ ...setProvider, settings: { ...defaultProvider, graceMs } })),
    ...odd.map((suspectMs) => ({ ...setProvider, settings: { ...defaultProvider, suspectMs } })),
    ...odd.map((leadMs) => ({ ...setPolicy, policy: { ...defaultPolicy, leadMs } })),
    ...odd.map((urgentMs) => ({ ...setPolicy, policy: { ...defaultPolicy, urgentMs } })),
    ...[0, ...odd].map((urgentShare) => ({ ...setPolicy, policy: { ...defaultPolicy, urgentShare } })),
    ...[0, ...odd].map((sessionTimeoutMs) => ({
      ...setPolicy,
      policy: { ...defaultPolicy, sessionTimeoutMs },
    })),
    { ...setPolicy, policy: { ...defaultPolicy, clientTimeoutMs: defaultPolicy.sessionTimeoutMs - 1 } },
  ];
  const tooLarge: readonly Operation[] = [
    { ...put, id: 'x'.repeat(queueLimits.taskIdBytesMax + 1) },
    { ...put, id: 'ü'.repeat(queueLimits.taskIdBytesMax / 2 + 1) },
    { ...put, payload: new Uint8Array(queueLimits.payloadBytesMax + 1) },
    { ...put, provider: 'x'.repeat(queueLimits.nameBytesMax + 1) },
    { ...ack, payload: new Uint8Array(queueLimits.payloadBytesMax + 1) },
    { ...bury, reason: 'x'.repeat(queueLimits.reasonBytesMax + 1) },
  ];

  it.each([
    ['INVALID_ARGUMENT', invalid],
    ['TOO_LARGE', tooLarge],
  ] as const)('is refused as %s, changes nothing and never throws', (code, operations) => {
    for (const operation of operations) {
      const bench = new Bench();
      expect(bench.request(operation), JSON.stringify(operation).slice(0, 300)).toMatchObject({
        type: 'refused',
        code,
      });
      expect(bench.state.get(operation.queue, 'a')).toBeUndefined();
    }
  });

  it('at the bound is carried out', () => {
    const bench = new Bench();
    const id = `${'€'.repeat(84)}\u{1f511}`;
    expect(new TextEncoder().encode(id).length).toBe(queueLimits.taskIdBytesMax);
    const payload = new Uint8Array(queueLimits.payloadBytesMax);
    expect(bench.put(id, { payload, weight: queueLimits.weightMax })).toMatchObject({ created: true });
  });
});

describe('a command that cannot be', () => {
  it('is refused: unknown tasks, sessions and queues', () => {
    const bench = new Bench();
    expect(bench.request(ack)).toMatchObject({ code: 'TASK_NOT_FOUND' });
    expect(bench.command({ type: 'want', queue, id: 'a' })).toMatchObject({ code: 'TASK_NOT_FOUND' });
    expect(bench.command({ type: 'want', queue: 'no such', id: 'a' })).toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    expect(bench.detach('stranger')).toMatchObject({ code: 'CONDITION_FAILED' });
    expect(bench.renew('stranger')).toEqual({ type: 'done' });
    expect(bench.take(1, { queue: 'nowhere' })).toEqual([]);
    expect(bench.state.stats('nowhere').states.ready).toBe(0);
  });

  it('is refused: ids and numbers that are none', () => {
    const bench = new Bench();
    const ids = { client: clientId('c 1'), session: sessionId('s1'), gateway: nodeId('a') };
    expect(bench.command({ type: 'attach', ...ids, workerId: 'w', registration: 0 })).toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    for (const seq of [0, ...odd])
      expect(bench.requestAs({ seq }, put)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    const sessions = Array.from({ length: queueLimits.renewSessionsMax + 1 }, () => ({
      session: ids.session,
      attachment: 1,
    }));
    expect(bench.command({ type: 'renew', gateway: ids.gateway, sessions })).toMatchObject({
      code: 'TOO_LARGE',
    });
  });

  it('queues and providers are bounded', () => {
    const bench = new Bench();
    for (let at = 0; at < queueLimits.queuesMax; at += 1) bench.put('a', { queue: `q${at}` });
    expect(bench.put('a', { queue: 'over' })).toMatchObject({ code: 'BUSY' });
    for (let at = 1; at < queueLimits.providersPerQueueMax; at += 1)
      bench.put('a', { queue: 'q0', provider: `p${at}` });
    expect(bench.put('b', { queue: 'q0', provider: 'over' })).toMatchObject({ code: 'BUSY' });
    expect(bench.state.get('q0', 'b')).toBeUndefined();
  });
});
