import { isRaftsmanError } from '../base/errors.ts';
import type { EffectChecker } from './checkers/effect-checker.ts';
import { observedBucket } from './checkers/observed-bucket.ts';
import type { OwnershipChecker } from './checkers/ownership-checker.ts';
import type { Prng } from './prng.ts';
import { type Deal, evenDeal, namespacesOf, shardFile, withMoved, worldBuckets } from './shard-files.ts';
import type { ShardSite } from './shard-layout.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { Stage } from './stage.ts';

/** A process that has a shard file and can be told to read it again: a proxy, or a client that routes for itself. */
export interface MapHolder {
  readonly name: string;
  file: string;
  readonly process: SimulatedProcess | undefined;
  reload(): Promise<void>;
}

/** What a bucket holds: tasks, nothing but answers that are not settled, or nothing. */
export type BucketKind = 'inUse' | 'remembered' | 'empty';

/** A change of owner that somebody wants. */
export interface WantedMove {
  readonly namespace: string;
  readonly buckets: readonly number[];
  readonly from: ShardSite;
  readonly to: ShardSite;
}

export interface MapAuthorOptions {
  readonly stage: Stage;
  readonly random: Prng;
  readonly sites: readonly ShardSite[];
  readonly ownership: OwnershipChecker;
  readonly effects: EffectChecker;
}

/** The operator who edits the shard file: knows what was accepted last, and gives each text a higher version. */
export class MapAuthor {
  readonly #options: MapAuthorOptions;
  #version = 1;
  #acceptedVersion = 1;
  #deal: Deal;

  constructor(options: MapAuthorOptions) {
    this.#options = options;
    this.#deal = evenDeal(options.sites);
  }

  get version(): number {
    return this.#version;
  }

  /** What was put in force last, as far as this operator was told. */
  get deal(): Deal {
    return this.#deal;
  }

  /** The file of the start. */
  first(): string {
    return shardFile(1, this.#options.sites, this.#deal);
  }

  /** The next version, with this deal. */
  next(deal: Deal, sites: readonly ShardSite[] = this.#options.sites): string {
    this.#version += 1;
    return shardFile(this.#version, sites, deal);
  }

  /** A file of any version. */
  of(version: number, deal: Deal): string {
    return shardFile(version, this.#options.sites, deal);
  }

  /** Buckets of one shard that are all of one kind, as an outsider sees it; undefined where there are none. */
  draw(kind: BucketKind): WantedMove | undefined {
    const { random, sites, effects } = this.#options;
    const from = random.pick(sites);
    const { namespace } = from.shard;
    const others = sites.filter((site) => site !== from && site.shard.namespace === namespace);
    if (others.length === 0) return undefined;
    const to = random.pick(others);
    const tasks = effects.bucketsOfTasks(from.shard.name, worldBuckets);
    const answers = effects.bucketsOfAnswers(from.shard.name, worldBuckets);
    const kindOf = (bucket: number): BucketKind =>
      tasks.has(bucket) ? 'inUse' : answers.has(bucket) ? 'remembered' : 'empty';
    const own = (this.#deal.get(namespace) ?? []).flatMap((owner, bucket) =>
      owner === from.shard.number && kindOf(bucket) === kind ? [bucket] : [],
    );
    if (own.length === 0) return undefined;
    const buckets = random.shuffled(own).slice(0, random.pick([1, 1, 2, 4]));
    return { namespace, buckets, from, to };
  }

  moved({ namespace, buckets, to }: WantedMove): Deal {
    return withMoved(this.#deal, namespace, buckets, to.shard.number);
  }

  /** What the logs say now; where they say nothing, what was accepted last. */
  dealInForce(): Deal {
    const { sites, ownership } = this.#options;
    const numbers = new Map(sites.map(({ shard }) => [shard.name, shard.number]));
    return new Map(
      namespacesOf(sites).map((namespace) => [
        namespace,
        (this.#deal.get(namespace) ?? []).map((accepted, bucket) => {
          const server = ownership.serverOf(namespace, bucket);
          return (server === undefined ? undefined : numbers.get(server)) ?? accepted;
        }),
      ]),
    );
  }

  /** The shard that a key belongs to by the file that was accepted last. */
  ownerOf(namespace: string, key: string): number {
    return this.#deal.get(namespace)?.[observedBucket(key, worldBuckets)] ?? 0;
  }

  /** Gives a text to a holder and has it read. Resolves with the error's code, or `accepted`. */
  async publish(holder: MapHolder, text: string, version: number, deal: Deal): Promise<string> {
    holder.file = text;
    const { stage } = this.#options;
    const { process } = holder;
    if (process === undefined) return 'down';
    stage.world.note(`${holder.name} is to read map ${version}`);
    const outcome = await new Promise<string>((resolve) => {
      process.onDeath(() => resolve('died'));
      process.deliver(() => {
        holder.reload().then(
          () => resolve('accepted'),
          (error: unknown) => resolve(isRaftsmanError(error) ? error.code : String(error)),
        );
      });
    });
    stage.coverage.count(`reload ${outcome}`);
    stage.world.note(`${holder.name}: map ${version} ${outcome}`);
    if (outcome === 'accepted' && version >= this.#acceptedVersion) {
      this.#acceptedVersion = version;
      this.#deal = deal;
    }
    return outcome;
  }
}
