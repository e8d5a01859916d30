import { describe, expect, it } from 'vitest';
import type { Link } from '../../src/ports/transport.ts';
import { drawPartition, partitionShapes } from '../../src/simulation/partition-shapes.ts';
import { Prng } from '../../src/simulation/prng.ts';
import { SimulatedNetwork } from '../../src/simulation/simulated-network.ts';
import { SimulatedHost, type SimulatedProcess } from '../../src/simulation/simulated-process.ts';
import { World } from '../../src/simulation/world.ts';

interface End {
  readonly link: Link;
  readonly received: number[];
  closed: string | undefined;
}

class Pair {
  readonly world: World = new World(3);
  readonly network: SimulatedNetwork = new SimulatedNetwork(this.world, this.world.random.fork('network'));
  readonly a: SimulatedHost = this.#host('a');
  readonly b: SimulatedHost = this.#host('b');
  readonly accepted: End[] = [];

  async connect(): Promise<{ near: End; far: End }> {
    void this.network
      .transport(this.#process(this.b), 'sim://b')
      .listen((link) => this.accepted.push(watch(link)));
    await this.world.run(this.world.nowMs() + 1);
    const dialled = this.network
      .transport(this.#process(this.a), 'sim://a')
      .dial('sim://b', { signal: new AbortController().signal })
      .then(watch);
    await this.world.run(this.world.nowMs() + 10);
    return { near: await dialled, far: this.accepted[0]! };
  }

  #process(host: SimulatedHost): SimulatedProcess {
    return host.process ?? host.boot(new Prng(host.name), (error) => Promise.reject(error));
  }

  #host(name: string): SimulatedHost {
    return new SimulatedHost(this.world, name, new Prng(name));
  }
}

function watch(link: Link): End {
  const end: End = { link, received: [], closed: undefined };
  link.onFrame = (frame) => end.received.push(frame[0]!);
  link.onClose = (by, code) => {
    end.closed = `${by} ${code}`;
  };
  return end;
}

const frames = (count: number): Uint8Array[] => Array.from({ length: count }, (_, i) => Uint8Array.of(i));

describe('the simulated network', () => {
  it('keeps the order of a connection whatever the delays', async () => {
    const pair = new Pair();
    const { near, far } = await pair.connect();
    pair.network.setProfile({
      delayMinMs: 0,
      delayMaxMs: 50,
      spikeChance: 0.3,
      spikeMs: 500,
      bytesPerMs: 1_000,
    });
    for (const frame of frames(50)) near.link.send(frame);
    await pair.world.run(20_000);
    expect(far.received).toEqual(frames(50).map((frame) => frame[0]));
  });

  it('keeps frames back while a direction is cut and brings them after the heal', async () => {
    const pair = new Pair();
    const { near, far } = await pair.connect();
    pair.network.block('a', 'b');
    near.link.send(Uint8Array.of(1));
    far.link.send(Uint8Array.of(9));
    await pair.world.run(5_000);
    expect(far.received).toEqual([]);
    expect(near.received).toEqual([9]);
    pair.network.unblock('a', 'b');
    await pair.world.run(6_000);
    expect(far.received).toEqual([1]);
  });

  it('keeps the order of a connection through cuts that come and go', async () => {
    const pair = new Pair();
    const { near, far } = await pair.connect();
    pair.network.setProfile({
      delayMinMs: 1,
      delayMaxMs: 40,
      spikeChance: 0.1,
      spikeMs: 100,
      bytesPerMs: 1_000,
    });
    const random = new Prng(5);
    for (const frame of frames(100)) {
      near.link.send(frame);
      await pair.world.run(pair.world.nowMs() + random.between(0, 5));
      if (random.chance(0.3)) pair.network.block('a', 'b');
      if (random.chance(0.3)) pair.network.unblock('a', 'b');
    }
    pair.network.healAll();
    await pair.world.run(pair.world.nowMs() + 5_000);
    expect(far.received).toEqual(frames(100).map((frame) => frame[0]));
  });

  it('delivers a prefix when a connection is reset, and tells both ends', async () => {
    const pair = new Pair();
    const { near, far } = await pair.connect();
    pair.network.setProfile({ delayMinMs: 0, delayMaxMs: 4, spikeChance: 0, spikeMs: 0, bytesPerMs: 1_000 });
    for (const frame of frames(20)) near.link.send(frame);
    pair.network.reset('a', 'b');
    await pair.world.run(1_000);
    expect(far.received).toEqual(frames(far.received.length).map((frame) => frame[0]));
    expect([near.closed, far.closed]).toEqual(['remote 1006', 'remote 1006']);
  });

  it('ends the connections of a killed process, but a machine without power says nothing', async () => {
    const killed = new Pair();
    const first = await killed.connect();
    killed.b.process!.die();
    await killed.world.run(1_000);
    expect(first.near.closed).toBe('remote 1006');

    const dark = new Pair();
    const second = await dark.connect();
    dark.b.isUp = false;
    dark.b.process!.die();
    second.near.link.send(Uint8Array.of(1));
    await dark.world.run(60_000);
    expect(second.near.closed).toBeUndefined();
    dark.b.boot(new Prng(1), () => {});
    second.near.link.send(Uint8Array.of(2));
    await dark.world.run(61_000);
    expect(second.near.closed).toBe('remote 1006');
  });

  it('refuses a dial nobody listens to, lets one into a cut wire hang until its signal aborts', async () => {
    const pair = new Pair();
    await pair.connect();
    const transport = pair.network.transport(pair.a.process!, 'sim://a2');
    const refused = transport.dial('sim://nobody', { signal: new AbortController().signal });
    refused.catch(() => {});
    await pair.world.run(1_000);
    await expect(refused).rejects.toThrow('ECONNREFUSED');
    pair.network.block('b', 'a');
    const abort = new AbortController();
    const hanging = transport.dial('sim://b', { signal: abort.signal });
    pair.world.after(5_000, () => abort.abort(new Error('given up')));
    hanging.catch(() => {});
    await pair.world.run(7_000);
    await expect(hanging).rejects.toThrow('given up');
  });

  it('counts bytes that a deaf or paused receiver does not read, and tells when they are gone', async () => {
    const pair = new Pair();
    const { near, far } = await pair.connect();
    let drained = 0;
    near.link.onDrain = () => {
      drained += 1;
    };
    far.link.pause(true);
    for (let i = 0; i < 4; i += 1) near.link.send(new Uint8Array(100_000));
    await pair.world.run(1_000);
    expect(near.link.queuedBytes()).toBeGreaterThan(200_000);
    far.link.pause(false);
    await pair.world.run(2_000);
    expect([near.link.queuedBytes(), drained, far.received.length]).toEqual([0, 1, 4]);
    pair.network.setDeaf('b', true);
    near.link.send(Uint8Array.of(5));
    await pair.world.run(3_000);
    expect(far.received).toHaveLength(4);
    pair.network.healAll();
    await pair.world.run(4_000);
    expect(far.received).toHaveLength(5);
  });

  it('closes a link that gets a frame over its bound with 1009', async () => {
    const pair = new Pair();
    const { near, far } = await pair.connect();
    far.link.setFrameBytesMax(10);
    near.link.send(new Uint8Array(11));
    await pair.world.run(1_000);
    expect([near.closed, far.closed, far.received]).toEqual(['remote 1009', 'local 1009', []]);
  });

  it('drops, repeats and reorders frames between nodes when told to', async () => {
    const pair = new Pair();
    const { near, far } = await pair.connect();
    const faults = {
      dropChance: 0.2,
      duplicateChance: 0.2,
      reorderChance: 0.2,
      reorderMs: 30,
      concerns: () => true,
    };
    pair.network.setMessageFaults(faults, ['a', 'b']);
    for (const frame of frames(200)) near.link.send(frame);
    await pair.world.run(1_000);
    const { dropped, duplicated, reordered } = pair.network.faultCounts();
    // The two frames of a handshake are left alone.
    expect(far.received.filter((frame) => frame < 2)).toEqual([0, 1]);
    expect(far.received).toHaveLength(200 - dropped + duplicated);
    expect(Math.min(dropped, duplicated, reordered)).toBeGreaterThan(10);
  });
});

describe('partition shapes', () => {
  const nodes = ['a', 'b', 'c', 'd', 'e'];
  const reach = (shape: (typeof partitionShapes)[number]): ((a: string, b: string) => boolean) => {
    const cut = new Set(drawPartition(shape, nodes, 'a', new Prng(1))!.cut.map(([from, to]) => from + to));
    return (a, b) => !cut.has(a + b);
  };
  const seen = (shape: (typeof partitionShapes)[number], node: string): number =>
    nodes.filter((other) => reach(shape)(node, other) && reach(shape)(other, node)).length;

  it('exist for five nodes and cut something, never a node from itself', () => {
    for (const shape of partitionShapes) {
      const { cut } = drawPartition(shape, nodes, 'a', new Prng(shape))!;
      expect(cut.length, shape).toBeGreaterThan(0);
      expect(cut.every(([from, to]) => from !== to)).toBe(true);
    }
  });

  it('do what their names say', () => {
    expect(nodes.map((node) => seen('majoritiesRing', node))).toEqual([3, 3, 3, 3, 3]);
    expect(seen('leaderOnly', 'a')).toBe(1);
    expect(nodes.filter((node) => seen('quorumLoss', node) === 5)).toHaveLength(1);
    expect(seen('constrainedElection', 'a')).toBe(1);
    expect(nodes.filter((node) => seen('constrainedElection', node) === 4)).toHaveLength(1);
    expect(nodes.map((node) => seen('chained', node)).sort()).toEqual([2, 2, 3, 3, 3]);
    expect(nodes.filter((node) => seen('bridge', node) === 5)).toHaveLength(1);
    expect(drawPartition('oneWayIn', nodes, undefined, new Prng(1))!.cut).toHaveLength(4);
  });
});
