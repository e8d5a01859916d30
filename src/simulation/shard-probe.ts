import type { QueueClient } from '../client/types.ts';
import { observedBucket } from './checkers/observed-bucket.ts';
import { type Market, provider, queueOf, type Stall } from './market.ts';
import type { Prng } from './prng.ts';
import { worldBuckets } from './shard-files.ts';
import type { ShardSite } from './shard-layout.ts';
import { codeOf } from './shop.ts';
import type { Program, SimulatedClient } from './simulated-client.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { SimulatedProxy } from './simulated-proxy.ts';
import type { Stage } from './stage.ts';

/** What happens to one shard, or to the way there, while the others are watched. */
export const shardTroubles = ['shardDown', 'leaderKilled', 'leaderFrozen', 'proxyKilled'] as const;
type ShardTrouble = (typeof shardTroubles)[number];

export interface ShardProbeOptions {
  readonly stage: Stage;
  readonly random: Prng;
  readonly market: Market;
  readonly sites: readonly ShardSite[];
  readonly proxies: readonly SimulatedProxy[];
  /** The shard that serves a bucket, by its name. */
  readonly serverOf: (namespace: string, bucket: number) => string | undefined;
  readonly client: (name: string, program: Program) => SimulatedClient;
}

const putEveryMs = 15;
const troubleMs = 2_500;
/** An answer of a shard that nobody disturbs, in calm weather: a commit and the wires, with room to spare. */
const undisturbedMsMax = 60;
/** Over a failover: the longest election, the replay and the ramp. */
const disturbedMsMax = 6_000;
const timeoutMs = 10_000;

interface Answer {
  readonly site: ShardSite;
  readonly startedMs: number;
  tookMs: number | undefined;
  failure: string | undefined;
}

/**
 * One shard is in trouble in calm weather, with requests for all of them under way: none may fail, and those of the other shards may not
 * even be late.
 */
export class ShardProbe {
  readonly #options: ShardProbeOptions;

  constructor(options: ShardProbeOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { stage, random, sites } = this.#options;
    const { world, coverage } = stage;
    const trouble = random.pick(shardTroubles);
    const struck = random.pick(sites);
    const connected = await this.#connected();
    if (connected === undefined) return;
    world.note(`--- in calm weather: ${trouble} at ${struck.shard.name}`);
    const answers: Answer[] = [];
    let isOver = false;
    const put = (): void => {
      if (isOver) return;
      for (const site of sites) this.#put(connected, site, answers);
      connected.process.after(putEveryMs, put);
    };
    connected.process.after(1, put);
    await world.run(world.nowMs() + 300);
    const fromMs = world.nowMs();
    const repair = this.#strike(trouble, struck);
    await world.run(fromMs + troubleMs);
    repair();
    await world.run(world.nowMs() + 1_500);
    isOver = true;
    const isAnswered = (): boolean => answers.every(({ tookMs }) => tookMs !== undefined);
    await world.run(world.nowMs() + timeoutMs, isAnswered);
    coverage.count(`reached probe ${trouble}`);
    for (const answer of answers) this.#judge(trouble, struck, answer);
    void connected.client.close();
    await world.run(world.nowMs() + 100);
    connected.process.die();
  }

  #judge(trouble: ShardTrouble, struck: ShardSite, { site, tookMs, failure }: Answer): void {
    const { judge } = this.#options.stage;
    const { name } = site.shard;
    const isStruck = trouble === 'proxyKilled' || site.cluster === struck.cluster;
    const mostMs = isStruck ? disturbedMsMax : undisturbedMsMax;
    judge.reached(isStruck ? 'P1 failover' : 'P1 independent');
    if (failure !== undefined)
      judge.violated('P1', `${trouble} at ${struck.shard.name}: a put to ${name} ended with ${failure}`);
    else if (tookMs === undefined)
      judge.violated('L1', `${trouble} at ${struck.shard.name}: a put to ${name} was not answered`);
    else if (tookMs > mostMs)
      judge.violated(
        'L1',
        `${trouble} at ${struck.shard.name}: a put to ${name} took ${Math.round(tookMs)} ms`,
      );
  }

  #strike(trouble: ShardTrouble, { cluster, group }: ShardSite): () => void {
    const { random, proxies } = this.#options;
    const leader = cluster.leader(group);
    switch (trouble) {
      case 'shardDown':
        for (const name of cluster.names) cluster.kill(name);
        return () => {
          for (const name of cluster.names) void cluster.start(name);
        };
      case 'leaderKilled':
        if (leader !== undefined) cluster.kill(leader.name);
        return () => {
          if (leader !== undefined) void cluster.start(leader.name);
        };
      case 'leaderFrozen': {
        const process = leader?.host.process;
        process?.pause();
        return () => process?.resume();
      }
      case 'proxyKilled': {
        const proxy = random.pick(proxies);
        proxy.kill();
        return () => proxy.start();
      }
    }
  }

  #put({ client, process }: Connected, site: ShardSite, answers: Answer[]): void {
    const { stage, market } = this.#options;
    const stall = market.stalls.find(({ name }) => name === site.shard.namespace);
    const key = stall === undefined ? undefined : this.#keyAt(site, stall);
    if (stall === undefined || key === undefined) return;
    const { world } = stage;
    const answer: Answer = { site, startedMs: world.nowMs(), tookMs: undefined, failure: undefined };
    answers.push(answer);
    const task = {
      id: key,
      payload: `probe ${answers.length}`,
      expiresAt: process.wallMs() + 60_000,
      provider,
    };
    const end = (error?: unknown): void => {
      answer.tookMs = world.nowMs() - answer.startedMs;
      if (error !== undefined) answer.failure = codeOf(error);
    };
    queueOf(client, stall)
      .put(task, { timeoutMs })
      .then(() => end(), end);
  }

  /** A key of the probe's own in a bucket that the shard serves. */
  #keyAt({ shard }: ShardSite, { name }: Stall): string | undefined {
    for (let place = 0; place < 200; place += 1) {
      const key = `probe-${place}`;
      if (this.#options.serverOf(name, observedBucket(key, worldBuckets)) === shard.name) return key;
    }
    return undefined;
  }

  async #connected(): Promise<Connected | undefined> {
    const { stage, client, market } = this.#options;
    const { world, judge } = stage;
    let connected: Connected | undefined;
    const program = client('probe', (made, process) => {
      for (const stall of market.stalls) queueOf(made, stall);
      connected = { client: made, process };
    });
    program.start();
    await world.run(world.nowMs() + 8_000, () => connected?.client.connected === true);
    if (connected?.client.connected !== true)
      judge.violated('L1', 'a client was not attached within 8 s in calm weather');
    return connected;
  }
}

interface Connected {
  readonly client: QueueClient;
  readonly process: SimulatedProcess;
}
