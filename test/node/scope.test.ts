import { describe, expect, it } from 'vitest';
import {
  ClosedError,
  InvalidArgumentError,
  LeadershipLostError,
  NodeFailedError,
} from '../../src/base/errors.ts';
import { nodeId } from '../../src/base/ids.ts';
import type { Leadership, RunWhileLeaderOptions } from '../../src/node/leadership.ts';
import { Scope, type ScopeHost } from '../../src/node/scope.ts';
import type { Lease, RaftView } from '../../src/raft/types.ts';
import { firstView } from './fakes.ts';
import { VirtualClock } from './virtual-clock.ts';

const marginMs = 40;
const leaseMs = 800;

/** A node around a scope, as far as the scope sees one: leadership, lease and applied index are the test's to set. */
class FakeNode implements ScopeHost {
  readonly clock = new VirtualClock();
  readonly asked: string[] = [];
  readonly errors: { readonly error: unknown; readonly retryInMs: number | undefined }[] = [];
  readonly scope: Scope = new Scope(this, marginMs);
  #view: RaftView = firstView;
  #lease: Lease | undefined;
  #applied = 0;
  #slept = 0;

  nowMs(): number {
    return this.clock.monotonicMs();
  }
  sleptMs(): number {
    return this.#slept;
  }
  view(): RaftView {
    return this.#view;
  }
  lease(): Lease | undefined {
    return this.#lease;
  }
  appliedIndex(): number {
    return this.#applied;
  }
  freshNoop(): void {
    this.asked.push('freshNoop');
  }
  stepAside(unwillingMs: number): void {
    this.asked.push(`stepAside ${unwillingMs}`);
  }
  abdicate(unwillingMs: number): void {
    this.asked.push(`abdicate ${unwillingMs}`);
  }
  wake(): void {}
  scopeError(error: unknown, _term: number, retryInMs: number | undefined): void {
    this.errors.push({ error, retryInMs });
  }
  overrun(term: number, drainMs: number): void {
    this.asked.push(`overrun ${term} ${drainMs}`);
  }

  /** A term begins whose no-op has `index`; committed, applied and leased as `parts` say. */
  async lead(
    term: number,
    index: number,
    parts: { lease?: Partial<Lease>; applied?: number; view?: Partial<RaftView> } = {},
  ): Promise<void> {
    this.#view = { ...firstView, role: 'leader', leaderId: nodeId('a'), term, ...parts.view };
    this.#lease = {
      untilMs: this.nowMs() + leaseMs,
      exclusiveFromMs: this.nowMs(),
      noopIndex: index,
      ...parts.lease,
    };
    this.#applied = parts.applied ?? index;
    await this.turn();
  }

  follow(term: number): void {
    this.#view = { ...firstView, term, leaderId: nodeId('b') };
    this.#lease = undefined;
    this.scope.afterStep();
  }

  renew(): void {
    if (this.#lease !== undefined) this.#lease = { ...this.#lease, untilMs: this.nowMs() + leaseMs };
    this.scope.afterStep();
  }

  voidLease(): void {
    if (this.#lease !== undefined) this.#lease = { ...this.#lease, untilMs: Number.NEGATIVE_INFINITY };
    this.scope.afterStep();
  }

  sleep(ms: number): void {
    this.#slept = ms;
  }

  /** The end of a turn of the driver. */
  async turn(): Promise<void> {
    this.scope.evaluate(this.nowMs());
    await this.clock.settle();
  }

  /** Time passes, and the driver's timer works. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.nowMs() + ms;
    for (;;) {
      const dueMs = this.scope.deadlineMs(this.nowMs());
      if (dueMs > untilMs || dueMs <= this.nowMs()) break;
      this.clock.jump(dueMs - this.nowMs());
      await this.turn();
    }
    this.clock.jump(untilMs - this.nowMs());
    await this.turn();
  }
}

/** A callback that goes on until its signal aborts, or as the test says. */
function callback() {
  const held: Leadership[] = [];
  const ends: ((error?: Error) => void)[] = [];
  const run = (leadership: Leadership): Promise<void> => {
    held.push(leadership);
    return new Promise((resolve, reject) => {
      ends.push((error) => (error === undefined ? resolve() : reject(error)));
    });
  };
  const untilAborted = (leadership: Leadership): Promise<void> => {
    const running = run(leadership);
    leadership.signal.addEventListener('abort', () => ends.at(-1)!());
    return running;
  };
  return { held, run, untilAborted, end: (error?: Error) => ends.at(-1)!(error) };
}

function outcomeOf(promise: Promise<void>): { settled: string } {
  const outcome = { settled: 'no' };
  promise.then(
    () => {
      outcome.settled = 'resolved';
    },
    (error: unknown) => {
      outcome.settled = error instanceof Error ? error.name : String(error);
    },
  );
  return outcome;
}

async function opened(options: RunWhileLeaderOptions = {}, kind: 'run' | 'untilAborted' = 'untilAborted') {
  const node = new FakeNode();
  const work = callback();
  const outcome = outcomeOf(node.scope.run(work[kind], options));
  await node.lead(2, 7);
  return { node, work, outcome, leadership: work.held[0]! };
}

describe('the scope opens', () => {
  it('with the no-op as its token once that is committed, applied and the lease exclusively ours', async () => {
    const node = new FakeNode();
    const work = callback();
    outcomeOf(node.scope.run(work.untilAborted, {}));
    await node.turn();
    await node.lead(2, 0);
    await node.lead(2, 7, { applied: 6 });
    await node.lead(2, 7, { lease: { exclusiveFromMs: node.nowMs() + 300 } });
    await node.lead(2, 7, { lease: { untilMs: node.nowMs() + marginMs } });
    await node.lead(2, 7, { view: { transferringTo: nodeId('b') } });
    expect(work.held).toHaveLength(0);
    await node.lead(2, 7);
    expect(work.held).toHaveLength(1);
    expect(work.held[0]).toMatchObject({ term: 2, fencingToken: 7, held: true });
    expect(work.held[0]!.remainingMs()).toBe(leaseMs - marginMs);
  });

  it('by the clock when the longest earlier promise has run out', async () => {
    const node = new FakeNode();
    const work = callback();
    outcomeOf(node.scope.run(work.untilAborted, {}));
    await node.lead(2, 7, { lease: { exclusiveFromMs: node.nowMs() + 300 } });
    await node.pass(299);
    expect(work.held).toHaveLength(0);
    await node.pass(1);
    expect(work.held).toHaveLength(1);
  });

  it('for one callback at a time', async () => {
    const { node } = await opened();
    await expect(node.scope.run(() => {}, {})).rejects.toThrow(InvalidArgumentError);
  });

  it('again in the same term only under a fresh no-op, so that tokens grow (I12)', async () => {
    const { node, work, leadership } = await opened();
    await node.pass(leaseMs);
    expect(leadership.held).toBe(false);
    node.renew();
    await node.turn();
    expect(node.asked).toEqual(['freshNoop']);
    await node.turn();
    expect(node.asked).toEqual(['freshNoop']);
    await node.lead(2, 0);
    await node.lead(2, 9);
    expect(work.held.map(({ fencingToken }) => fencingToken)).toEqual([7, 9]);
    expect(leadership.held).toBe(false);
  });

  it('again only after the old callback has settled', async () => {
    const { node, work } = await opened({}, 'run');
    await node.pass(leaseMs);
    node.renew();
    await node.turn();
    expect(node.asked).toEqual([]);
    work.end();
    await node.turn();
    await node.turn();
    expect(node.asked).toEqual(['freshNoop']);
  });
});

describe('the scope ends', () => {
  it('at use, before any timer runs, when the loop was blocked past the lease (pitfall 90, I15)', async () => {
    const { node, leadership } = await opened();
    leadership.assertHeld();
    node.clock.jump(leaseMs);
    expect(leadership.signal.aborted).toBe(false);
    expect(() => leadership.assertHeld()).toThrow(LeadershipLostError);
    expect(leadership.held).toBe(false);
    expect(leadership.remainingMs()).toBe(0);
    expect(leadership.signal.aborted).toBe(true);
  });

  it('also for a callback that took its leadership apart', async () => {
    const { node, leadership } = await opened();
    const { assertHeld, remainingMs } = leadership;
    expect(remainingMs()).toBeGreaterThan(0);
    assertHeld();
    node.clock.jump(leaseMs);
    expect(assertHeld).toThrow(LeadershipLostError);
  });

  it('for good: a renewal that was late changes nothing', async () => {
    const { node, leadership } = await opened();
    node.clock.jump(leaseMs - marginMs + 1);
    expect(leadership.held).toBe(false);
    node.renew();
    expect(leadership.held).toBe(false);
    expect(() => leadership.assertHeld()).toThrow('the lease ran out');
  });

  it('by the clock, a margin before the lease can', async () => {
    const { node, leadership } = await opened();
    await node.pass(leaseMs - marginMs - 1);
    expect(leadership.signal.aborted).toBe(false);
    await node.pass(1);
    expect(leadership.signal.aborted).toBe(true);
  });

  it('not while rounds renew the lease', async () => {
    const { node, leadership } = await opened();
    for (let i = 0; i < 50; i++) {
      await node.pass(100);
      node.renew();
    }
    expect(leadership.held).toBe(true);
  });

  it('not by a stall shorter than the lease: what was promised still holds', async () => {
    const { node, leadership } = await opened();
    await node.pass(400);
    node.voidLease();
    leadership.assertHeld();
    await node.pass(leaseMs - marginMs - 400);
    expect(leadership.held).toBe(false);
  });

  it.each([
    ['the role', (node: FakeNode) => node.follow(3)],
    ['the term', (node: FakeNode) => void node.lead(4, 9).then(() => node.scope.afterStep())],
    ['the hand-over', (node: FakeNode) => void node.lead(2, 7, { view: { transferringTo: nodeId('b') } })],
  ])('synchronously in the step that changes %s', async (_what, change) => {
    const { node, leadership } = await opened();
    change(node);
    node.scope.afterStep();
    expect(leadership.signal.aborted).toBe(true);
    expect(leadership.signal.reason).toBeInstanceOf(LeadershipLostError);
    expect(() => leadership.assertHeld()).toThrow(LeadershipLostError);
  });

  it('when the machine slept, whatever the monotonic clock says (pitfall 83)', async () => {
    const { node, leadership } = await opened();
    node.sleep(3_000);
    expect(() => leadership.assertHeld()).toThrow('the machine slept for 3000 ms');
  });
});

describe('the callback', () => {
  it('that obeys its signal is called again in the next leadership', async () => {
    const { node, work, outcome } = await opened();
    node.follow(3);
    await node.turn();
    await node.lead(4, 12);
    expect(work.held.map(({ term }) => term)).toEqual([2, 4]);
    expect(outcome.settled).toBe('no');
    expect(node.errors).toEqual([]);
  });

  it('that returns leaves leadership idle for the rest of the term', async () => {
    const { node, work, leadership, outcome } = await opened({}, 'run');
    work.end();
    await node.clock.settle();
    expect(leadership.held).toBe(false);
    node.renew();
    await node.turn();
    await node.lead(2, 9);
    expect(work.held).toHaveLength(1);
    expect(node.asked).toEqual([]);
    await node.lead(3, 11);
    expect(work.held).toHaveLength(2);
    expect(outcome.settled).toBe('no');
  });

  it('that throws hands leadership over, and is unwilling for 1, 2, 4 ... 60 s (pitfall 76)', async () => {
    const { node, work } = await opened({}, 'run');
    for (let i = 0; i < 8; i++) {
      work.end(new Error(`no database ${i}`));
      await node.clock.settle();
      await node.pass(60_000);
      await node.lead(3 + i, 10 + i);
    }
    const waits = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000];
    const handed = node.asked.filter((what) => what !== 'freshNoop');
    expect(handed).toEqual(waits.map((ms) => `stepAside ${ms}`));
    expect(node.errors.map(({ retryInMs }) => retryInMs)).toEqual(waits);
  });

  it('that threw is not called again before its time, though this node leads', async () => {
    const { node, work } = await opened({}, 'run');
    work.end(new Error('no database'));
    await node.clock.settle();
    await node.lead(3, 10);
    await node.pass(900);
    node.renew();
    expect(work.held).toHaveLength(1);
    await node.pass(100);
    expect(work.held).toHaveLength(2);
  });

  it('that threw once and then worked starts again at one second', async () => {
    const { node, work } = await opened({}, 'run');
    work.end(new Error('first'));
    await node.clock.settle();
    await node.pass(1_000);
    await node.lead(3, 10);
    node.follow(4);
    work.end();
    await node.clock.settle();
    await node.lead(5, 12);
    work.end(new Error('second'));
    await node.clock.settle();
    const handed = node.asked.filter((what) => what !== 'freshNoop');
    expect(handed).toEqual(['stepAside 1000', 'stepAside 1000']);
  });

  it('that throws with onError stop hands over and rejects with its error', async () => {
    const { node, work, outcome } = await opened({ onError: 'stop' }, 'run');
    work.end(new TypeError('broken'));
    await node.clock.settle();
    expect(outcome.settled).toBe('TypeError');
    expect(node.asked).toEqual(['stepAside 1000']);
    expect(node.errors[0]?.retryInMs).toBeUndefined();
    await node.lead(5, 20);
    expect(work.held).toHaveLength(1);
  });

  it('that throws synchronously is no different', async () => {
    const node = new FakeNode();
    outcomeOf(
      node.scope.run(() => {
        throw new Error('at once');
      }, {}),
    );
    await node.lead(2, 7);
    expect(node.asked).toEqual(['stepAside 1000']);
  });

  it('that ends with what its signal or assertHeld threw has not failed', async () => {
    for (const name of ['reason', 'assert', 'abort'] as const) {
      const { node, work, leadership } = await opened({}, 'run');
      node.follow(3);
      const abortError = Object.assign(new Error('aborted'), { name: 'AbortError' });
      const { reason } = leadership.signal;
      work.end(name === 'reason' ? reason : name === 'assert' ? new LeadershipLostError(2, 'x') : abortError);
      await node.clock.settle();
      expect(node.errors).toEqual([]);
      expect(node.asked).toEqual([]);
    }
  });

  it('that fails while it drains is reported, not punished', async () => {
    const { node, work } = await opened({}, 'run');
    node.follow(3);
    work.end(new Error('could not flush'));
    await node.clock.settle();
    expect(node.errors).toHaveLength(1);
    expect(node.asked).toEqual([]);
  });

  it('that outlives drainMs is an overrun: reported once, and this node does not lead until it returned', async () => {
    const { node, work } = await opened({ drainMs: 500 }, 'run');
    node.follow(3);
    await node.pass(499);
    expect(node.asked).toEqual([]);
    await node.pass(1);
    await node.pass(5_000);
    expect(node.asked).toEqual(['overrun 2 500']);
    await node.lead(5, 20);
    expect(node.asked).toEqual(['overrun 2 500', 'stepAside 60000']);
    // The only voter stays leader: asking again each turn would keep the loop busy for ever.
    await node.pass(5_000);
    expect(node.asked).toEqual(['overrun 2 500', 'stepAside 60000']);
    expect(work.held).toHaveLength(1);
    node.follow(6);
    work.end();
    await node.clock.settle();
    expect(node.asked.at(-1)).toBe('abdicate 0');
    await node.lead(7, 30);
    expect(work.held).toHaveLength(2);
  });
});

describe('the run', () => {
  it('resolves when its signal aborts, after the callback has drained', async () => {
    const stop = new AbortController();
    const { node, work, outcome, leadership } = await opened({ signal: stop.signal }, 'run');
    stop.abort();
    expect(leadership.signal.aborted).toBe(true);
    await node.clock.settle();
    expect(outcome.settled).toBe('no');
    work.end();
    await node.clock.settle();
    expect(outcome.settled).toBe('resolved');
    await node.lead(5, 20);
    expect(work.held).toHaveLength(1);
  });

  it('resolves at once when its signal aborts on a follower, or has aborted before', async () => {
    const node = new FakeNode();
    const stop = new AbortController();
    const outcome = outcomeOf(node.scope.run(() => {}, { signal: stop.signal }));
    stop.abort();
    await node.clock.settle();
    expect(outcome.settled).toBe('resolved');
    await node.scope.run(() => {}, { signal: stop.signal });
  });

  it('resolves after drainMs though the callback goes on', async () => {
    const stop = new AbortController();
    const { node, outcome } = await opened({ signal: stop.signal, drainMs: 100 }, 'run');
    stop.abort();
    await node.pass(100);
    expect(outcome.settled).toBe('resolved');
  });

  it('resolves when the node closes, and none begins afterwards', async () => {
    const { node, outcome, leadership } = await opened();
    await node.scope.close('the node is closing');
    await node.clock.settle();
    expect(leadership.held).toBe(false);
    expect(outcome.settled).toBe('resolved');
    await expect(node.scope.run(() => {}, {})).rejects.toThrow(ClosedError);
  });

  it('rejects at once when the node fails', async () => {
    const { node, outcome, leadership } = await opened({}, 'run');
    void node.scope.close('the node failed', new NodeFailedError('disk'));
    expect(leadership.signal.aborted).toBe(true);
    await node.clock.settle();
    expect(outcome.settled).toBe('NodeFailedError');
  });

  it('keeps nobody waiting for its callback when the node has failed: no turn comes that would see its time end', async () => {
    const { node } = await opened({}, 'run');
    const held = outcomeOf(node.scope.hold('leadership is being handed over'));
    void node.scope.close('the node failed', new NodeFailedError('disk'));
    const closed = outcomeOf(node.scope.close('the node is closing'));
    await node.clock.settle();
    expect([held.settled, closed.settled]).toEqual(['resolved', 'resolved']);
  });

  it('held back for a hand-over drains, and opens again when that failed', async () => {
    const { node, work, leadership } = await opened({}, 'run');
    const drained = outcomeOf(node.scope.hold('leadership is being handed over'));
    expect(leadership.held).toBe(false);
    await node.clock.settle();
    expect(drained.settled).toBe('no');
    work.end();
    await node.clock.settle();
    expect(drained.settled).toBe('resolved');
    await node.lead(2, 9);
    expect(work.held).toHaveLength(1);
    node.scope.release();
    await node.lead(2, 9);
    expect(work.held).toHaveLength(2);
  });
});
