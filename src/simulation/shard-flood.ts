import { observedBucket } from './checkers/observed-bucket.ts';
import { booked, type Market, provider, queueOf } from './market.ts';
import type { Prng } from './prng.ts';
import { worldBuckets } from './shard-files.ts';
import type { ShardSite } from './shard-layout.ts';
import type { Program, SimulatedClient } from './simulated-client.ts';

export interface ShardFloodOptions {
  readonly market: Market;
  readonly random: Prng;
  readonly sites: readonly ShardSite[];
  /** The shard that serves a bucket, by its name. */
  readonly serverOf: (namespace: string, bucket: number) => string | undefined;
  /** All through one and the same proxy. */
  readonly client: (name: string, program: Program) => SimulatedClient;
  readonly later: (inMs: number, repair: () => void) => void;
}

/** Together more than a router holds for one shard; each has as many ids as the cluster remembers answers for. */
const floodClients = 11;
const putsPerClient = 1_000;

/** A shard without a quorum and more requests for it than a router holds: some are refused, and the others come to their end. */
export class ShardFlood {
  readonly #options: ShardFloodOptions;
  #isOver = false;

  constructor(options: ShardFloodOptions) {
    this.#options = options;
  }

  /** Once in a run. @returns false where it could not be done now. */
  strike(): boolean {
    const { random, sites, client, later } = this.#options;
    const { cluster, shard } = random.pick(sites);
    const keys = this.#keysOf(shard.namespace, shard.name);
    if (this.#isOver || keys.length < floodClients || cluster.members.some(({ isUp }) => !isUp)) return false;
    this.#isOver = true;
    const lost = cluster.names.slice(1);
    for (const name of lost) cluster.kill(name);
    const programs = keys
      .slice(0, floodClients)
      .map((key, place) => client(`x${place + 1}`, this.#program(shard.namespace, key)));
    for (const program of programs) program.start();
    later(1_800, () => {
      for (const name of lost) void cluster.start(name);
    });
    return true;
  }

  #program(namespace: string, key: string): Program {
    const { market } = this.#options;
    return (client, process) => {
      const stall = market.stalls.find(({ name }) => name === namespace);
      if (stall === undefined) return;
      const expiresAt = process.wallMs() + 60_000;
      for (let place = 0; place < putsPerClient; place += 1) {
        const content = `${process.host.name}:${key}#${place}`;
        const task = { id: key, payload: content, expiresAt, provider };
        void booked(market, stall, client, process, { kind: 'put', key, content }, async () =>
          queueOf(client, stall).put(task),
        );
      }
    };
  }

  #keysOf(namespace: string, shard: string): readonly string[] {
    return Array.from({ length: 80 }, (_, place) => `flood-${place}`).filter(
      (key) => this.#options.serverOf(namespace, observedBucket(key, worldBuckets)) === shard,
    );
  }
}
