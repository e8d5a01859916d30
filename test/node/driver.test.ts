import { describe, expect, it } from 'vitest';
import { bootId, type GroupId, groupId, incarnation, mainGroup, nodeId } from '../../src/base/ids.ts';
import { decodeCommandBatch } from '../../src/node/command-batch.ts';
import { Driver } from '../../src/node/driver.ts';
import type { DriverEvents, DriverGroup } from '../../src/node/driver-types.ts';
import { inboxEntriesMax } from '../../src/node/proposals.ts';
import type { ProposeResult } from '../../src/node/types.ts';
import type { Input, LogEntry, Output } from '../../src/raft/types.ts';
import { entry, FakeMesh, firstView, ManualStorage, quiet, RecordingMachine, ScriptedCore } from './fakes.ts';
import { VirtualClock } from './virtual-clock.ts';

const leaderView = { ...firstView, role: 'leader' as const, leaderId: nodeId('a'), term: 2 };
const round: Input = {
  type: 'message',
  from: nodeId('b'),
  message: { type: 'release', term: 1, round: 1 },
};
const hardState = { currentTerm: 1, votedFor: undefined, longestLeaseMs: 0, bootstrapSet: undefined };

const books = groupId('books');

interface Setting {
  readonly start?: boolean;
  readonly others?: DriverGroup[];
  readonly recorded?: ReadonlySet<GroupId>;
}

async function setUp({ start = true, others = [], recorded = new Set() }: Setting = {}) {
  const clock = new VirtualClock();
  const core = new ScriptedCore();
  const mesh = new FakeMesh();
  const storage = new ManualStorage();
  const machine = new RecordingMachine();
  const told: string[] = [];
  const onStepped: (() => void)[] = [];
  const events: DriverEvents = {
    stepped: () => {
      for (const listener of onStepped) listener();
    },
    turnEnded: () => Number.POSITIVE_INFINITY,
    heard: () => {},
    unknownGroup: (id, from) => told.push(`unknown ${id} of ${from}`),
    transferEnded: (_group, ok, why) => told.push(`transfer ${ok}: ${why}`),
    slept: (forMs) => told.push(`slept ${forMs}`),
    stalled: (forMs) => told.push(`stalled ${forMs}`),
    synced: () => {},
    failed: (error) => told.push(`failed: ${error.message}`),
    meshProblem: () => {},
    peersChanged: () => {},
  };
  const driver = new Driver({
    id: nodeId('a'),
    heartbeatMs: 100,
    electionTimeoutMs: 1_000,
    recorded,
    groups: [{ id: mainGroup, core, machine }, ...others],
    mesh,
    storage,
    clock,
    logger: quiet,
    events,
    edges: { service: () => refuseFrame(), clientUp: () => {}, peerUp: () => {}, peerClosed: () => {} },
  });
  const group = driver.group(mainGroup)!;
  if (start) {
    await driver.start();
    await clock.settle();
    core.inputs.length = 0;
    core.times.length = 0;
  }
  return { clock, core, mesh, storage, machine, told, onStepped, driver, group };
}

function refuseFrame(): void {
  throw new Error('what stands on it cannot take this');
}

type World = Awaited<ReturnType<typeof setUp>>;

/** From now on the core leads and appends what is proposed, from `index` on. */
function lead({ core, driver, group }: World, index = 1, term = 2): void {
  let next = index;
  core.answer((input) => {
    if (input.type !== 'propose') return undefined;
    const proposals = input.proposals.map(({ token }) => ({ token, accepted: { index: next++, term } }));
    return { proposals };
  });
  become(core, { view: { ...leaderView, term } });
  driver.push(group, round);
}

/** The next message changes what the core says. */
function become(core: ScriptedCore, output: Partial<Output>): void {
  let used = false;
  core.answer((input) => {
    if (used || input.type !== 'message') return undefined;
    used = true;
    return output;
  });
}

function propose({ group }: World, byte: number): { readonly result: ProposeResult | undefined } {
  const box: { result: ProposeResult | undefined } = { result: undefined };
  group.propose(Uint8Array.of(byte), (result) => {
    box.result = result;
  });
  return box;
}

async function commit(world: World, entries: readonly LogEntry[]): Promise<void> {
  become(world.core, { committed: entries });
  world.driver.push(world.group, round);
  await world.clock.settle();
}

describe('a turn of the driver', () => {
  it('carries out an output in the order that keeps its promises', async () => {
    const world = await setUp();
    const { clock, core, mesh, storage, driver, group } = world;
    const order: string[] = [];
    world.onStepped.push(() => order.push('scope'));
    group.onView(() => order.push('view'));
    mesh.onSend = () => order.push(`send, disk asked: ${storage.batches.length}`);
    group.onApplied(() => order.push('apply'));
    become(core, {
      view: leaderView,
      persist: { token: 1, hardState, truncateFrom: undefined, entries: [] },
      messages: [{ to: nodeId('b'), message: { type: 'release', term: 1, round: 1 } }],
      committed: [entry(1, 1, undefined, 'noop')],
    });
    driver.push(group, round);
    await clock.settle();
    expect(order.slice(0, 4)).toEqual(['scope', 'view', 'send, disk asked: 0', 'apply']);
    expect(core.typesSeen()).toEqual(['message', 'applied']);
    expect(storage.batches).toHaveLength(1);
    expect(mesh.sent).toHaveLength(1);
  });

  it('lets all commands of one turn share an entry', async () => {
    const world = await setUp();
    lead(world);
    const results = [1, 2, 3].map((byte) => propose(world, byte));
    await world.clock.settle();
    const proposed = world.core.inputs.filter((input) => input.type === 'propose');
    expect(proposed).toHaveLength(1);
    const data = proposed[0]!.proposals[0]!.data;
    expect(decodeCommandBatch(data).map((command) => command[0])).toEqual([1, 2, 3]);
    await commit(world, [entry(1, 2, data)]);
    expect(results.map(({ result }) => result)).toEqual(
      [2, 3, 4].map((byte) => ({ type: 'applied', index: 1, result: Uint8Array.of(byte) })),
    );
  });

  it('reports what is durable back to the core, and says it is no longer pristine', async () => {
    const { clock, core, mesh, storage, driver, group } = await setUp();
    expect(mesh.hellos.at(-1)?.groups.get(mainGroup)).toMatchObject({ hosted: true, recorded: false });
    become(core, { persist: { token: 7, hardState, truncateFrom: undefined, entries: [] } });
    driver.push(group, round);
    await clock.settle();
    expect(core.typesSeen()).toEqual(['message']);
    storage.complete();
    await clock.settle();
    expect(core.inputs.at(-1)).toEqual({ type: 'persisted', token: 7 });
    expect(mesh.hellos.at(-1)?.groups.get(mainGroup)).toMatchObject({ hosted: true, recorded: true });
  });

  it('reads both clocks anew for every step', async () => {
    const { clock, core, driver, group } = await setUp();
    core.answer((input) => {
      if (input.type === 'message') clock.jump(5);
      return undefined;
    });
    driver.push(group, round);
    driver.push(group, round);
    await clock.settle();
    expect(core.times[1]!.monotonicMs - core.times[0]!.monotonicMs).toBe(5);
    expect(core.times[1]!.wallMs - core.times[0]!.wallMs).toBe(5);
  });

  it('answers reads when the confirmed index is applied here, not before (pitfall 66)', async () => {
    const world = await setUp();
    const { clock, core, group } = world;
    core.answer((input) =>
      input.type === 'read' ? { reads: [{ token: input.token, index: 1 }] } : undefined,
    );
    const results: string[] = [];
    group.read((result) => results.push(result));
    group.read((result) => results.push(result));
    await clock.settle();
    expect(core.inputs.filter((input) => input.type === 'read')).toHaveLength(1);
    expect(results).toEqual([]);
    await commit(world, [entry(1, 1, undefined, 'noop')]);
    expect(results).toEqual(['ok', 'ok']);
  });

  it('has one timer for the node, armed for the earliest deadline', async () => {
    const { clock, core, driver, group } = await setUp();
    become(core, { deadlineMs: clock.monotonicMs() + 300 });
    driver.push(group, round);
    await clock.settle();
    expect(clock.armedTimers).toBe(1);
    await clock.advance(299);
    expect(core.typesSeen()).toEqual(['message']);
    core.answer((input) =>
      input.type === 'deadline' ? { deadlineMs: Number.POSITIVE_INFINITY } : undefined,
    );
    await clock.advance(1);
    expect(core.typesSeen()).toEqual(['message', 'deadline']);
    expect(clock.armedTimers).toBe(0);
  });
});

describe('a node with several groups', () => {
  const second = () => ({ id: books, core: new ScriptedCore(), machine: new RecordingMachine() });
  const hello = { id: nodeId('b'), incarnation: incarnation('01'.repeat(8)), bootId: bootId('02'.repeat(8)) };

  it.each([
    [{ hosted: true, recorded: false, knowsLeader: false }, true],
    [{ hosted: true, recorded: true, knowsLeader: false }, false],
    [{ hosted: false, recorded: false, knowsLeader: false }, false],
    [{ hosted: false, recorded: true, knowsLeader: false }, false],
  ])('tells each group alone whether a member is new to it: %j', async (said, pristine) => {
    const other = second();
    const { clock, core, mesh } = await setUp({ others: [other] });
    const main = { hosted: true, recorded: true, knowsLeader: true };
    mesh.events?.peerUp({
      ...hello,
      groups: new Map([
        [mainGroup, main],
        [books, said],
      ]),
    });
    await clock.settle();
    const peer = { ...hello, knowsLeader: false, pristine };
    expect(other.core.inputs.at(-1)).toEqual({ type: 'peerUp', peer });
    expect(core.inputs.at(-1)).toEqual({
      type: 'peerUp',
      peer: { ...hello, pristine: false, knowsLeader: true },
    });
  });

  it('says from the start which groups the directory has records of, also of those that it does not host any more', async () => {
    const { mesh } = await setUp({ others: [second()], recorded: new Set([mainGroup, groupId('films')]) });
    const leaderId = undefined;
    expect(mesh.hellos.at(-1)?.groups).toEqual(
      new Map([
        [mainGroup, { hosted: true, recorded: true, leaderId }],
        [books, { hosted: true, recorded: false, leaderId }],
        [groupId('films'), { hosted: false, recorded: true, leaderId }],
      ]),
    );
  });

  it('says of each group alone that it has a past, before the write is handed to the disk', async () => {
    const other = second();
    const { clock, mesh, storage, driver } = await setUp({ others: [other] });
    become(other.core, { persist: { token: 1, hardState, truncateFrom: undefined, entries: [] } });
    driver.push(driver.group(books)!, round);
    await clock.settle();
    expect(storage.batches).toHaveLength(1);
    const { groups } = mesh.hellos.at(-1)!;
    expect([groups.get(mainGroup)?.recorded, groups.get(books)?.recorded]).toEqual([false, true]);
  });

  it('gives a message to its group, and drops and tells one for a group that it does not host', async () => {
    const other = second();
    const { clock, core, mesh, told } = await setUp({ others: [other] });
    other.core.inputs.length = 0;
    const message = { type: 'release', term: 1, round: 1 } as const;
    mesh.events?.message(books, nodeId('b'), message);
    mesh.events?.message(groupId('films'), nodeId('c'), message);
    await clock.settle();
    expect(core.inputs).toEqual([]);
    expect(other.core.inputs).toEqual([{ type: 'message', from: 'b', message }]);
    expect(told).toEqual(['unknown films of c']);
  });

  it('fails as a whole when one of them fails', async () => {
    const other = second();
    const { clock, core, mesh, told, driver } = await setUp({ others: [other] });
    become(other.core, { view: { ...firstView, failed: 'a broken promise' } });
    driver.push(driver.group(books)!, round);
    await clock.settle();
    expect(told).toEqual(['failed: a broken promise']);
    expect(mesh.closes).toBe(1);
    driver.push(driver.group(mainGroup)!, round);
    await clock.settle();
    expect(core.inputs).toEqual([]);
  });

  it('writes what one turn has for the disk in one batch, and one while another is in flight', async () => {
    const other = second();
    const { clock, core, storage, driver } = await setUp({ others: [other] });
    const persist = (token: number) => ({
      persist: { token, hardState, truncateFrom: undefined, entries: [] },
    });
    for (const token of [1, 2, 3]) {
      become(core, persist(token));
      become(other.core, persist(token));
      driver.push(driver.group(mainGroup)!, round);
      driver.push(driver.group(books)!, round);
      await clock.settle();
    }
    const groupsOf = () => storage.batches.map((batch) => batch.map(({ group }) => group));
    expect(groupsOf()).toEqual([['main', 'books']]);
    storage.complete();
    expect(groupsOf()).toEqual([
      ['main', 'books'],
      ['main', 'books'],
    ]);
    storage.complete();
    await clock.settle();
    for (const { inputs } of [core, other.core])
      expect(inputs.at(-1)).toEqual({ type: 'persisted', token: 3 });
  });
});

describe('a stall', () => {
  it('is told to the core before the heartbeat that waited, and both before any deadline (pitfalls 51 and 82)', async () => {
    const { clock, core, mesh, told, driver, group } = await setUp();
    become(core, { deadlineMs: clock.monotonicMs() + 200 });
    driver.push(group, round);
    await clock.settle();
    core.inputs.length = 0;
    core.answer((input) =>
      input.type === 'message' ? { deadlineMs: clock.monotonicMs() + 1_000 } : undefined,
    );
    clock.jump(600);
    // The timer runs first; the heartbeat is read from the socket before the turn.
    const resumed = clock.resume();
    mesh.receive('b', { type: 'release', term: 1, round: 2 });
    await resumed;
    expect(core.typesSeen()).toEqual(['stalled', 'message']);
    expect(told).toEqual(['stalled 400']);
  });

  it('between the wake-up and the turn is one, too: what waits on the sockets is read first (pitfall 82)', async () => {
    const { clock, core, mesh, told, driver, group } = await setUp();
    become(core, { deadlineMs: clock.monotonicMs() + 200 });
    driver.push(group, round);
    await clock.settle();
    core.inputs.length = 0;
    core.answer((input) =>
      input.type === 'message' ? { deadlineMs: clock.monotonicMs() + 1_000 } : undefined,
    );
    driver.push(group, { type: 'applied', index: 0 });
    clock.jump(600);
    // The application blocked the loop after something else had asked for the turn; the heartbeat is on the socket.
    clock.soon(() => mesh.receive('b', { type: 'release', term: 1, round: 2 }));
    await clock.settle();
    expect(core.typesSeen()).toEqual(['stalled', 'applied', 'message']);
    expect(told).toEqual(['stalled 600']);
  });

  it('of every turn, on a loop that is always late, holds no turn back for ever', async () => {
    const { clock, core, driver, group } = await setUp();
    driver.push(group, round);
    for (let turn = 0; turn < 3; turn += 1) {
      clock.jump(80);
      await clock.turnOver();
    }
    expect(core.typesSeen()).toContain('message');
  });

  it('shorter than half a heartbeat is none', async () => {
    const { clock, core, told, driver, group } = await setUp();
    become(core, { deadlineMs: clock.monotonicMs() + 200 });
    driver.push(group, round);
    await clock.settle();
    core.answer((input) =>
      input.type === 'deadline' ? { deadlineMs: Number.POSITIVE_INFINITY } : undefined,
    );
    clock.jump(249);
    await clock.resume();
    expect(core.typesSeen()).toEqual(['message', 'deadline']);
    expect(told).toEqual([]);
  });

  it('of the machine makes a leader step down and say so (pitfall 83)', async () => {
    const world = await setUp();
    lead(world);
    await world.clock.settle();
    world.clock.sleep(5_000);
    await world.clock.advance(60);
    expect(world.told[0]).toBe('slept 5000');
    expect(world.core.inputs).toContainEqual({ type: 'abdicate', unwillingMs: 0 });
    await world.clock.advance(300);
    expect(world.told.filter((line) => line.startsWith('slept'))).toHaveLength(1);
  });
});

describe('a proposal', () => {
  it('that the core refuses is refused, with the reason (pitfall 73)', async () => {
    const world = await setUp();
    world.core.answer((input) =>
      input.type === 'propose'
        ? { proposals: input.proposals.map(({ token }) => ({ token, refused: 'transferring' })) }
        : undefined,
    );
    const box = propose(world, 1);
    expect(box.result).toBeUndefined();
    await world.clock.settle();
    expect(box.result).toEqual({ type: 'refused', why: 'transferring' });
  });

  it('whose index another leader filled is refused: it can never be applied (pitfall 73)', async () => {
    const world = await setUp();
    lead(world);
    const box = propose(world, 1);
    await world.clock.settle();
    await commit(world, [entry(1, 3, undefined, 'noop')]);
    expect(box.result).toEqual({ type: 'refused', why: 'notLeader' });
  });

  it('that the next leader commits is applied, though leadership was lost (pitfall 73)', async () => {
    const world = await setUp();
    lead(world);
    const box = propose(world, 1);
    await world.clock.settle();
    const data = world.core.inputs.flatMap((input) => (input.type === 'propose' ? input.proposals : []))[0]!
      .data;
    become(world.core, { view: { ...firstView, term: 3 } });
    world.driver.push(world.group, round);
    await world.clock.settle();
    expect(box.result).toBeUndefined();
    await commit(world, [entry(1, 2, data)]);
    expect(box.result).toEqual({ type: 'applied', index: 1, result: Uint8Array.of(2) });
  });

  it('is unknown when leadership was lost and nothing is heard for an election timeout (pitfall 73)', async () => {
    const world = await setUp();
    lead(world);
    const box = propose(world, 1);
    await world.clock.settle();
    become(world.core, { view: { ...firstView, term: 3 } });
    world.driver.push(world.group, round);
    await world.clock.advance(999);
    expect(box.result).toBeUndefined();
    await world.clock.advance(1);
    expect(box.result).toEqual({ type: 'unknown' });
  });

  it('of this leadership is not given up when an earlier one is', async () => {
    const world = await setUp();
    lead(world);
    const old = propose(world, 1);
    await world.clock.settle();
    become(world.core, { view: { ...firstView, term: 3 } });
    world.driver.push(world.group, round);
    await world.clock.settle();
    become(world.core, { view: { ...leaderView, term: 4 } });
    world.core.answer(() => undefined);
    world.driver.push(world.group, round);
    await world.clock.settle();
    await world.clock.advance(1_000);
    expect(old.result).toEqual({ type: 'unknown' });
  });

  it('is handed to the core once, whatever becomes of it: only who minted its id may repeat it (pitfall 75)', async () => {
    const world = await setUp();
    lead(world);
    const box = propose(world, 1);
    await world.clock.settle();
    become(world.core, { view: { ...firstView, term: 3 } });
    world.driver.push(world.group, round);
    await world.clock.advance(1_000);
    become(world.core, { view: { ...leaderView, term: 4 } });
    world.driver.push(world.group, round);
    await world.clock.advance(5_000);
    expect(box.result).toEqual({ type: 'unknown' });
    expect(world.core.typesSeen().filter((type) => type === 'propose')).toHaveLength(1);
  });

  it('above the bound of the inbox is refused as busy, and the bound frees itself', async () => {
    const world = await setUp();
    lead(world);
    let applied = 0;
    for (let i = 0; i < inboxEntriesMax; i++) {
      world.group.propose(Uint8Array.of(1), (result) => {
        if (result.type === 'applied') applied++;
      });
    }
    const over = propose(world, 2);
    expect(over.result).toBeUndefined();
    await world.clock.settle();
    expect(over.result).toEqual({ type: 'refused', why: 'busy' });
    const proposals = world.core.inputs.flatMap((input) => (input.type === 'propose' ? input.proposals : []));
    await commit(
      world,
      proposals.map(({ data }, i) => entry(i + 1, 2, data)),
    );
    expect(applied).toBe(inboxEntriesMax);
    const next = propose(world, 2);
    await world.clock.settle();
    expect(next.result).toBeUndefined();
  });

  it('not yet handed over is refused when the node closes, one in the log is unknown', async () => {
    const world = await setUp();
    lead(world);
    const appended = propose(world, 1);
    await world.clock.settle();
    const waiting = propose(world, 2);
    await world.driver.close();
    expect(appended.result).toEqual({ type: 'unknown' });
    expect(waiting.result).toEqual({ type: 'refused', why: 'closed' });
    const late = propose(world, 3);
    await world.clock.settle();
    expect(late.result).toEqual({ type: 'refused', why: 'closed' });
  });
});

describe('closing', () => {
  const writes = (core: ScriptedCore): void => {
    let token = 0;
    core.answer((input) =>
      input.type === 'message'
        ? { persist: { token: ++token, hardState, truncateFrom: undefined, entries: [] } }
        : undefined,
    );
  };

  it('waits for what was given to the disk before, not for what the leader goes on sending', async () => {
    const { clock, core, storage, driver, group } = await setUp();
    writes(core);
    driver.push(group, round);
    await clock.settle();
    const closing = driver.close().then(() => 'closed');
    for (let i = 0; i < 5; i += 1) {
      driver.push(group, round);
      await clock.settle();
      if (storage.busy) storage.complete();
      await clock.settle();
    }
    expect(await Promise.race([closing, clock.settle()])).toBe('closed');
    expect(clock.armedTimers).toBe(0);
  });

  it('gives up on a disk that does not answer', async () => {
    const { clock, core, mesh, storage, driver, group } = await setUp();
    storage.close = () => new Promise(() => {});
    writes(core);
    driver.push(group, round);
    await clock.settle();
    const closing = driver.close().then(() => 'closed');
    await clock.advance(30_000);
    expect(await Promise.race([closing, clock.settle()])).toBe('closed');
    expect(mesh.closes).toBe(1);
    expect(clock.armedTimers).toBe(0);
  });
});

describe('a node fails and the host process lives', () => {
  const failing: readonly (readonly [string, (world: World) => void | Promise<void>, RegExp])[] = [
    [
      'when the state machine throws',
      (world) => {
        world.machine.apply = () => {
          throw new Error('divided by zero');
        };
        return commit(world, [entry(1, 1, undefined, 'noop')]);
      },
      /divided by zero/,
    ],
    [
      'when the log holds a kind it does not know',
      (world) => {
        const strange: LogEntry = JSON.parse('{"index":1,"term":1,"kind":"teleport","stampMs":1,"data":{}}');
        return commit(world, [strange]);
      },
      /teleport.*upgrade this node/,
    ],
    [
      'when the disk fails (pitfall 2)',
      async (world) => {
        become(world.core, { persist: { token: 1, hardState, truncateFrom: undefined, entries: [] } });
        world.driver.push(world.group, round);
        await world.clock.settle();
        world.storage.complete(new Error('ENOSPC'));
      },
      /ENOSPC/,
    ],
    [
      'when the disk refuses the next batch outright',
      async (world) => {
        const persist = (token: number) => ({ token, hardState, truncateFrom: undefined, entries: [] });
        become(world.core, { persist: persist(1) });
        world.driver.push(world.group, round);
        await world.clock.settle();
        become(world.core, { persist: persist(2) });
        world.driver.push(world.group, round);
        await world.clock.settle();
        const { append } = world.storage;
        world.storage.append = () => {
          throw new Error('I4: a batch that does not follow');
        };
        world.storage.complete();
        world.storage.append = append;
      },
      /does not follow/,
    ],
    [
      'when what stands on it throws at a frame',
      (world) => world.mesh.events!.service(nodeId('b'), new Uint8Array(0)),
      /what stands on it/,
    ],
    [
      'when the core meets a broken invariant',
      (world) => {
        world.core.answer(() => {
          throw new Error('I4: log has no gaps');
        });
        world.driver.push(world.group, round);
      },
      /I4/,
    ],
    [
      'when the core says so',
      (world) => {
        become(world.core, { view: { ...firstView, failed: 'two leaders in term 2' } });
        world.driver.push(world.group, round);
      },
      /two leaders/,
    ],
    [
      'when the state machine answers too little',
      (world) => {
        world.machine.apply = () => [new Uint8Array(0)];
        return commit(world, [entry(1, 1, undefined, 'noop')]);
      },
      /answers every command/,
    ],
    [
      'when entries would be applied with a gap',
      (world) => commit(world, [entry(2, 1, undefined, 'noop')]),
      /without a gap/,
    ],
  ];

  it.each(failing)('%s', async (_name, cause, message) => {
    const world = await setUp();
    await cause(world);
    await world.clock.settle();
    expect(world.told).toHaveLength(1);
    expect(world.told[0]).toMatch(message);
    expect(world.mesh.closes).toBe(1);
    expect(world.storage.closes).toBe(1);
    const seen = world.core.inputs.length;
    world.driver.push(world.group, round);
    await world.clock.advance(10_000);
    expect(world.core.inputs).toHaveLength(seen);
    expect(world.clock.armedTimers).toBe(0);
    await world.driver.close();
  });
});
