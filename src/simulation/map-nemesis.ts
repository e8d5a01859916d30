import type { BucketKind, MapAuthor, MapHolder, WantedMove } from './map-author.ts';
import type { Prng } from './prng.ts';
import type { ShardSite } from './shard-layout.ts';
import type { SimulatedProxy } from './simulated-proxy.ts';
import type { Stage } from './stage.ts';

/** What operators do to the shard file, well and badly. */
export const mapFaultKinds = [
  'moveEmpty',
  'moveThereAndBack',
  'moveOccupied',
  'moveRemembered',
  'stalePublish',
  'lowerVersion',
  'twoFiles',
  'badFile',
  'reloadTwice',
  'wrongAddress',
  'killDriver',
  'moveInFailover',
] as const;
export type MapFaultKind = (typeof mapFaultKinds)[number];

export interface MapNemesisOptions {
  readonly stage: Stage;
  readonly random: Prng;
  readonly author: MapAuthor;
  readonly sites: readonly ShardSite[];
  readonly proxies: readonly SimulatedProxy[];
  readonly holders: readonly MapHolder[];
  /** Plans the end of a fault. */
  readonly later: (inMs: number, repair: () => void) => void;
}

/** Edits the shard file while everything else goes wrong. */
export class MapNemesis {
  readonly #options: MapNemesisOptions;

  constructor(options: MapNemesisOptions) {
    this.#options = options;
  }

  /** @returns false where it could not be done now. */
  strike(kind: MapFaultKind): boolean {
    const { random, author, holders } = this.#options;
    switch (kind) {
      case 'moveEmpty':
        return this.#move('empty', holders);
      case 'moveThereAndBack':
        return this.#thereAndBack();
      case 'moveOccupied':
        return this.#move('inUse', random.chance(0.5) ? holders : [random.pick(holders)]);
      case 'moveRemembered':
        return this.#move('remembered', [random.pick(holders)]);
      case 'stalePublish':
        return this.#move('empty', [random.pick(holders)]);
      case 'lowerVersion':
        this.#publish(
          [random.pick(holders)],
          author.of(random.chance(0.5) ? 1 : author.version, author.deal),
          1,
        );
        return true;
      case 'twoFiles':
        return this.#twoFiles();
      case 'badFile':
        this.#publish(
          [random.pick(holders)],
          random.pick(['', '{"version": 7', author.first().replace('0', '9')]),
          0,
        );
        return true;
      case 'reloadTwice':
        return this.#twice();
      case 'wrongAddress':
        return this.#wrongAddress();
      case 'killDriver':
        return this.#killDriver();
      case 'moveInFailover':
        return this.#moveInFailover();
    }
  }

  #move(kind: BucketKind, holders: readonly MapHolder[]): boolean {
    const move = this.#options.author.draw(kind);
    if (move === undefined) return false;
    this.#publishMove(move, holders);
    return true;
  }

  #publishMove(move: WantedMove, holders: readonly MapHolder[]): void {
    const { stage, author } = this.#options;
    const deal = author.moved(move);
    const text = author.next(deal);
    const { buckets, from, to } = move;
    stage.world.note(
      `map ${author.version}: buckets ${buckets.join(' ')} from ${from.shard.name} to ${to.shard.name}`,
    );
    this.#publish(holders, text, author.version, deal);
  }

  /** Copies of requests from before must find that the first owner is another one now, of a later epoch. */
  #thereAndBack(): boolean {
    const { author, random, holders, later } = this.#options;
    const move = author.draw('empty');
    if (move === undefined) return false;
    const some = random.chance(0.5) ? holders : [random.pick(holders)];
    this.#publishMove(move, some);
    later(random.between(100, 2_500), () => {
      this.#publishMove({ ...move, from: move.to, to: move.from }, some);
    });
    return true;
  }

  /** Two operators at once: one version, two texts. */
  #twoFiles(): boolean {
    const { author, random, holders, later } = this.#options;
    const [one, other] = [author.draw('empty'), author.draw('empty')];
    const [first, second] = random.shuffled(holders);
    if (one === undefined || other === undefined || first === undefined || second === undefined) return false;
    const [dealOne, dealOther] = [author.moved(one), author.moved(other)];
    const text = author.next(dealOne);
    const { version } = author;
    this.#publish([first], text, version, dealOne);
    later(random.pick([0, 5, 50]) * random.next(), () =>
      this.#publish([second], author.of(version, dealOther), version, dealOther),
    );
    return true;
  }

  #twice(): boolean {
    const { author, random, holders } = this.#options;
    const holder = random.pick(holders);
    const move = author.draw('empty');
    if (move === undefined) return false;
    this.#publishMove(move, [holder]);
    this.#publish([holder], holder.file, author.version, author.deal);
    return true;
  }

  /** Where a node should be stands a proxy, or a node of another cluster. */
  #wrongAddress(): boolean {
    const { stage, author, random, sites, proxies, holders, later } = this.#options;
    const wrong = random.pick(sites);
    const strangers = [
      ...proxies,
      ...sites.filter((site) => site.cluster !== wrong.cluster).flatMap((site) => site.cluster.members),
    ];
    const nodes = new Map(wrong.shard.nodes);
    nodes.set(random.pick([...nodes.keys()]), random.pick(strangers).address);
    const changed = sites.map((site) =>
      site === wrong ? { ...site, shard: { ...site.shard, nodes } } : site,
    );
    const { deal } = author;
    const text = author.next(deal, changed);
    stage.world.note(`map ${author.version} has a wrong address in ${wrong.shard.name}`);
    this.#publish([random.pick(holders)], text, author.version, deal);
    later(random.between(200, 2_000), () => {
      const right = author.next(author.deal);
      this.#publish(holders, right, author.version, author.deal);
    });
    return true;
  }

  /** Whoever carries the change out dies between giving up and gaining. */
  #killDriver(): boolean {
    const { author, random, proxies, later } = this.#options;
    const move = author.draw('empty');
    const driver = random.pick(proxies);
    if (move === undefined || !driver.isUp) return false;
    this.#publishMove(move, [holderOf(driver)]);
    later(random.pick([3, 10, 40]) * random.next(), () => driver.kill());
    later(random.between(50, 2_500), () => driver.start());
    return true;
  }

  #moveInFailover(): boolean {
    const { author, random, holders, later } = this.#options;
    const move = author.draw('empty');
    if (move === undefined) return false;
    const { cluster, group } = random.pick([move.from, move.to]);
    const leader = cluster.leader(group);
    if (leader === undefined) return false;
    this.#publishMove(move, holders);
    later(random.pick([0, 3, 20]) * random.next(), () => cluster.kill(leader.name));
    later(random.between(50, 3_000), () => void cluster.start(leader.name));
    return true;
  }

  #publish(
    holders: readonly MapHolder[],
    text: string,
    version: number,
    deal = this.#options.author.deal,
  ): void {
    for (const holder of holders) void this.#options.author.publish(holder, text, version, deal);
  }
}

/** A proxy as whoever edits its file sees it. */
export function holderOf(proxy: SimulatedProxy): MapHolder {
  return {
    name: proxy.name,
    get file() {
      return proxy.file;
    },
    set file(text: string) {
      proxy.file = text;
    },
    get process() {
      return proxy.proxy === undefined ? undefined : proxy.host.process;
    },
    reload: async () => {
      await proxy.proxy?.reload();
    },
  };
}
