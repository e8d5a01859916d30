import { describe, expect, it } from 'vitest';
import { clientId } from '../../../src/base/ids.ts';
import { readRefused } from '../../../src/wire/client-frame.ts';
import { readRedirect } from '../../../src/wire/shard-frames.ts';
import { TestRandom } from '../../service/test-clock.ts';
import { directoryOf, FakeNetwork, FakeOrigin, shardOf } from './fake-nodes.ts';
import { type Applied, ModelShard } from './model-shards.ts';
import { type Rig, rigOf } from './router-rig.ts';

const seeds = Number(process.env.ROUTER_SEEDS ?? 8);
const turns = 250;
const names = ['a', 'b', 'c'] as const;
const bucketCount = 6;
const clientsCount = 3;
const asksMax = 8;

interface Asked {
  readonly id: string;
  readonly client: number;
  readonly bucket: number;
  readonly stream: number;
  readonly seq: number;
  /** Handed back by the router: from then on its place in the order is the client's own affair. */
  wasReturned: boolean;
  outcome: string | undefined;
}

/** Clients that ask again what the router hands back, three shards that fail and pass buckets on, and a judge. */
class World {
  readonly network: FakeNetwork = new FakeNetwork();
  readonly random: TestRandom;
  readonly applied: Applied[] = [];
  readonly shards: readonly ModelShard[];
  readonly rig: Rig;
  readonly asked: Asked[] = [];
  readonly #origins: readonly FakeOrigin[];
  readonly #read = new Map<FakeOrigin, number>();
  /** By bucket: the version that an owner itself named. */
  readonly #told = new Map<number, number>();
  #version = 1;
  #moving = new Set<number>();

  constructor(seed: number) {
    this.random = new TestRandom(seed);
    const { clock } = this.network;
    const world = { clock, random: this.random, applied: this.applied };
    this.shards = names.map(
      (name, at) =>
        new ModelShard(name, this.network.add(name, ['n1', 'n2', 'n3']), [at * 2, at * 2 + 1], world),
    );
    const shards = names.map((name, at) => shardOf({ name, number: at + 1 }));
    this.rig = rigOf(this.network, directoryOf(1, shards, [1, 1, 2, 2, 3, 3]), seed);
    this.#origins = Array.from(
      { length: clientsCount },
      (_, at) => new FakeOrigin(this.rig.router, clientId(`${at + 1}`.repeat(32))),
    );
    this.rig.router.start();
  }

  async run(): Promise<void> {
    await this.network.clock.advance(20);
    for (let turn = 0; turn < turns; turn++) {
      for (let count = this.#below(asksMax); count > 0; count--) this.#ask();
      if (this.#chance(4)) this.shards[this.#below(3)]!.failOver();
      if (this.#chance(10)) this.#move();
      if (this.#chance(5)) this.shards[this.#below(3)]!.faults = this.#below(10);
      await this.network.clock.advance(this.#below(12));
      this.#hear();
    }
    for (const shard of this.shards) shard.faults = 0;
    for (let wait = 0; wait < 200; wait++) {
      await this.network.clock.advance(100);
      this.#hear();
    }
    this.rig.router.close();
  }

  #ask(): void {
    const client = this.#below(clientsCount);
    const bucket = this.#below(bucketCount);
    const stream = Math.floor(bucket / 2) + 1;
    const seq = this.asked.length + 1;
    const id = `${this.#origins[client]!.client}/${stream}/${seq}`;
    const asked: Asked = { id, client, bucket, stream, seq, wasReturned: false, outcome: undefined };
    this.asked.push(asked);
    this.#send(asked);
  }

  #send(asked: Asked): void {
    const { client, bucket, stream, seq } = asked;
    const remainingMs = this.#chance(10) ? 50 + this.#below(200) : 10_000;
    const mapVersion = this.#told.get(bucket) ?? 1;
    this.#origins[client]!.ask({ bucket, group: stream, seq, remainingMs, mapVersion, stream });
  }

  #hear(): void {
    for (const origin of this.#origins) {
      const from = this.#read.get(origin) ?? 0;
      this.#read.set(origin, origin.answers.length);
      for (const { header, body } of origin.answers.slice(from))
        this.#onAnswer(this.asked[header.seq - 1]!, header.kind, header.group, body);
    }
  }

  #onAnswer(asked: Asked, kind: string, group: number, body: Buffer): void {
    expect(asked.outcome).toBeUndefined();
    if (kind === 'result') asked.outcome = 'done';
    else if (kind === 'refused' && !asked.wasReturned) asked.outcome = `refused ${readRefused(body).code}`;
    else {
      if (kind === 'wrongShard') {
        const { owner, version } = readRedirect(body);
        if (owner === names[group - 1])
          this.#told.set(asked.bucket, Math.max(version, this.#told.get(asked.bucket) ?? 1));
      }
      asked.wasReturned = true;
      this.#send(asked);
    }
  }

  /** Only what every client has the answers of may move, as the groups see to it. */
  #move(): void {
    const bucket = this.#below(bucketCount);
    const from = this.shards.find((shard) => shard.owns(bucket));
    const to = this.shards[this.#below(3)]!;
    const done = new Set(this.asked.filter(({ outcome }) => outcome === 'done').map(({ id }) => id));
    const isInUse = this.applied.some((each) => each.bucket === bucket && !done.has(each.id));
    if (from === undefined || from === to || isInUse || this.#moving.has(bucket)) return;
    const version = ++this.#version;
    this.#moving.add(bucket);
    from.cede(bucket, to.name, version);
    this.network.clock.after(this.#below(150), () => {
      to.own(bucket, version);
      this.#moving.delete(bucket);
    });
  }

  #below(count: number): number {
    return Math.floor(this.random.next() * count);
  }

  #chance(percent: number): boolean {
    return this.random.next() * 100 < percent;
  }
}

function judge({ asked, applied }: World): void {
  const times = new Map<string, number>();
  for (const { id } of applied) times.set(id, (times.get(id) ?? 0) + 1);
  for (const each of asked) {
    const count = times.get(each.id) ?? 0;
    expect(each.outcome, `${each.id} is answered`).toBeDefined();
    expect(count, `${each.id} is applied once at most`).toBeLessThanOrEqual(1);
    if (each.outcome === 'done') expect(count, `${each.id} was answered`).toBe(1);
    else expect(count, `${each.id} was ${each.outcome}`).toBe(0);
  }
  const byId = new Map(asked.map((each) => [each.id, each]));
  const last = new Map<string, number>();
  for (const { id } of applied) {
    const { client, bucket, seq, wasReturned } = byId.get(id)!;
    if (wasReturned) continue;
    const key = `${client}/${bucket}`;
    expect(seq, `${id} keeps its place`).toBeGreaterThan(last.get(key) ?? 0);
    last.set(key, seq);
  }
}

describe('a router among shards that crash, bounce, freeze and pass buckets on', () => {
  it(`loses nothing, applies nothing twice and keeps the order per key, in ${seeds} histories`, {
    timeout: 120_000,
  }, async () => {
    let moved = 0;
    let returned = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const world = new World(seed);
      await world.run();
      try {
        judge(world);
      } catch (error) {
        throw new Error(`seed ${seed}: ${error}`);
      }
      moved += new Set(world.applied.map(({ bucket, shard }) => `${bucket} ${shard}`)).size - bucketCount;
      returned += world.asked.filter(({ wasReturned }) => wasReturned).length;
    }
    expect([moved > seeds, returned > seeds]).toEqual([true, true]);
  });
});
