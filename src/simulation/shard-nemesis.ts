import type { MapAuthor, MapHolder } from './map-author.ts';
import { type MapFaultKind, MapNemesis, mapFaultKinds } from './map-nemesis.ts';
import type { Market } from './market.ts';
import { type FaultKind, Nemesis } from './nemesis.ts';
import type { Prng } from './prng.ts';
import { type ProxyFaultKind, ProxyNemesis, proxyFaultKinds } from './proxy-nemesis.ts';
import { ShardFlood, type ShardFloodOptions } from './shard-flood.ts';
import type { ShardLayout } from './shard-layout.ts';
import type { SimulatedClient } from './simulated-client.ts';
import type { SimulatedProxy } from './simulated-proxy.ts';
import type { Stage } from './stage.ts';

type ShardFaultKind = ProxyFaultKind | MapFaultKind | 'flood';
export const shardFaultKinds: readonly ShardFaultKind[] = [...proxyFaultKinds, ...mapFaultKinds, 'flood'];

/** A flood costs as much as ten runs: few seeds have one. */
const floodChance = 0.03;

/** Faults of single nodes that worlds of shards draw too; the rest belongs to the worlds of one cluster. */
export const nodeFaultKinds: readonly FaultKind[] = [
  'kill',
  'powerLoss',
  'pause',
  'sleep',
  'slowDisk',
  'diskError',
  'clockStep',
  'clockRate',
  'transfer',
  'close',
  'reset',
  'deaf',
  'refuseDials',
  'slowWire',
  'partition',
];

export interface ShardNemesisOptions {
  readonly stage: Stage;
  readonly random: Prng;
  readonly layout: ShardLayout;
  readonly author: MapAuthor;
  readonly proxies: readonly SimulatedProxy[];
  readonly programs: readonly SimulatedClient[];
  readonly holders: readonly MapHolder[];
  readonly serverOf: ShardFloodOptions['serverOf'];
  readonly market: Market;
  /** A program that connects through the first proxy alone. */
  readonly client: ShardFloodOptions['client'];
}

/** All that goes wrong in a world of shards: the usual in each cluster, and what befalls proxies, programs and shard files. */
export class ShardNemesis {
  readonly #options: ShardNemesisOptions;
  readonly #clusters: readonly Nemesis[];
  readonly #proxies: ProxyNemesis;
  readonly #maps: MapNemesis;
  readonly #flood: ShardFlood;
  readonly #kinds: readonly ShardFaultKind[];
  readonly #meanIntervalMs: number;
  readonly #repairs = new Set<() => void>();
  #isActive = true;

  constructor(options: ShardNemesisOptions) {
    this.#options = options;
    const { stage, random, layout } = options;
    const { coverage } = stage;
    this.#clusters = layout.clusters.map(
      (cluster) =>
        new Nemesis({
          cluster,
          random: random.fork('cluster'),
          coverage,
          onWiped: () => {},
          kinds: nodeFaultKinds,
        }),
    );
    const later = (inMs: number, repair: () => void): void => this.#later(inMs, repair);
    const { sites } = layout;
    this.#proxies = new ProxyNemesis({ ...options, coverage, sites, later });
    this.#maps = new MapNemesis({ ...options, sites, later });
    this.#flood = new ShardFlood({ ...options, sites, later });
    const usual = [...proxyFaultKinds, ...mapFaultKinds];
    const some: ShardFaultKind[] = random.shuffled(usual).slice(0, 2 + random.below(usual.length));
    if (random.chance(0.6)) some.push('moveEmpty', 'moveThereAndBack', 'stalePublish', 'moveRemembered');
    if (random.chance(floodChance)) some.push('flood', 'flood', 'flood');
    this.#kinds = some;
    this.#meanIntervalMs = random.pick([150, 400, 1_000]);
  }

  start(): void {
    const { random } = this.#options;
    // In some worlds only proxies and files are at fault, and the clusters stand.
    const some = random.shuffled(this.#clusters).slice(0, random.below(this.#clusters.length + 1));
    for (const nemesis of some) nemesis.start();
    this.#next();
  }

  /** The end of the safety phase: everything works again, and what was down is started. */
  async stop(): Promise<void> {
    this.#isActive = false;
    for (const repair of [...this.#repairs]) repair();
    for (const nemesis of this.#clusters) await nemesis.stop();
    const { proxies, programs } = this.#options;
    for (const { host } of [...proxies, ...programs]) host.process?.resume();
    for (const proxy of proxies) proxy.start();
    for (const program of programs) program.start();
  }

  #next(): void {
    const { random, stage } = this.#options;
    stage.world.after(-Math.log(1 - random.next()) * this.#meanIntervalMs, () => {
      if (!this.#isActive) return;
      const kind = random.pick(this.#kinds);
      if (this.#strike(kind)) stage.coverage.count(`fault ${kind}`);
      this.#next();
    });
  }

  #strike(kind: ShardFaultKind): boolean {
    if (kind === 'flood') return this.#flood.strike();
    const ofMaps = mapFaultKinds.find((one) => one === kind);
    if (ofMaps !== undefined) return this.#maps.strike(ofMaps);
    const ofProxies = proxyFaultKinds.find((one) => one === kind);
    return ofProxies !== undefined && this.#proxies.strike(ofProxies);
  }

  #later(inMs: number, repair: () => void): void {
    const once = (): void => {
      if (this.#repairs.delete(once)) repair();
    };
    this.#repairs.add(once);
    this.#options.stage.world.after(inMs, once);
  }
}
