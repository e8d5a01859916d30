import type { Coverage } from './coverage.ts';
import type { Prng } from './prng.ts';
import type { ShardSite } from './shard-layout.ts';
import type { SimulatedClient } from './simulated-client.ts';
import type { SimulatedHost } from './simulated-process.ts';
import type { SimulatedProxy } from './simulated-proxy.ts';
import type { Stage } from './stage.ts';

/** Faults of proxies, of programs, and of the wires at both. */
export const proxyFaultKinds = [
  'killProxy',
  'powerLossProxy',
  'pauseProxy',
  'closeProxy',
  'cutProxyOff',
  'cutProxyFromShard',
  'muteProxy',
  'deafenProxy',
  'resetProxy',
  'killProgram',
  'pauseProgram',
  'cutProgram',
  'resetProgram',
  'killShardLeader',
  'pauseShardLeader',
  'cutShardLeader',
] as const;
export type ProxyFaultKind = (typeof proxyFaultKinds)[number];

export interface ProxyNemesisOptions {
  readonly stage: Stage;
  readonly random: Prng;
  readonly coverage: Coverage;
  readonly sites: readonly ShardSite[];
  readonly proxies: readonly SimulatedProxy[];
  readonly programs: readonly SimulatedClient[];
  /** Plans the end of a fault. */
  readonly later: (inMs: number, repair: () => void) => void;
}

/** Longer than a link stays silent before it is given up: what waited in it comes late, when others have been sent again. */
const longCutMs = 5_000;

/** Kills, freezes and cuts off proxies, programs and leaders as a proxy sees them. */
export class ProxyNemesis {
  readonly #options: ProxyNemesisOptions;

  constructor(options: ProxyNemesisOptions) {
    this.#options = options;
  }

  /** @returns false where the fault could not be made now. */
  strike(kind: ProxyFaultKind): boolean {
    const { random, proxies, programs, sites } = this.#options;
    const proxy = random.pick(proxies);
    const program = random.pick(programs);
    const site = random.pick(sites);
    switch (kind) {
      case 'killProxy':
      case 'powerLossProxy':
        return this.#stopProxy(kind, proxy);
      case 'pauseProxy':
        return this.#pause(proxy.host);
      case 'closeProxy':
        return this.#closeProxy(proxy);
      case 'cutProxyOff':
        return this.#cut([proxy.name], [...this.#nodes(), ...programs.map(({ name }) => name)], true);
      case 'cutProxyFromShard':
        return this.#cut([proxy.name], site.cluster.names, true);
      case 'muteProxy':
        return this.#cut(
          [proxy.name],
          random.chance(0.5) ? this.#nodes() : programs.map(({ name }) => name),
          false,
        );
      case 'deafenProxy':
        return this.#cut(
          random.chance(0.5) ? this.#nodes() : programs.map(({ name }) => name),
          [proxy.name],
          false,
        );
      case 'resetProxy':
        return (
          this.#nodes().filter((node) => this.#options.stage.network.reset(proxy.name, node) > 0).length > 0
        );
      case 'killProgram':
        return this.#killProgram(program);
      case 'pauseProgram':
        return this.#pause(program.host);
      case 'cutProgram':
        return this.#cut([program.name], this.#gateways(), random.chance(0.5));
      case 'resetProgram':
        return (
          this.#gateways().filter((one) => this.#options.stage.network.reset(program.name, one) > 0).length >
          0
        );
      default:
        return this.#strikeLeader(kind, site);
    }
  }

  #strikeLeader(kind: 'killShardLeader' | 'pauseShardLeader' | 'cutShardLeader', site: ShardSite): boolean {
    const { random, proxies, later } = this.#options;
    const { cluster } = site;
    const leader = cluster.leader(site.group);
    if (leader === undefined) return false;
    switch (kind) {
      case 'killShardLeader':
        cluster.kill(leader.name);
        later(random.between(20, 3_000), () => void cluster.start(leader.name));
        return true;
      case 'pauseShardLeader':
        return this.#pause(leader.host);
      case 'cutShardLeader':
        return this.#cut(
          proxies.map(({ name }) => name),
          [leader.name],
          random.chance(0.5),
        );
    }
  }

  #stopProxy(kind: 'killProxy' | 'powerLossProxy', proxy: SimulatedProxy): boolean {
    const { random, later } = this.#options;
    if (!proxy.isUp) return false;
    if (kind === 'killProxy') proxy.kill();
    else proxy.powerOff();
    later(random.pick([50, 3_000]) * random.next(), () => proxy.start());
    return true;
  }

  #closeProxy(proxy: SimulatedProxy): boolean {
    const { stage, random, later } = this.#options;
    const { process } = proxy.host;
    const running = proxy.proxy;
    if (running === undefined || process === undefined) return false;
    stage.world.note(`${proxy.name} is closed`);
    const end = (): void => {
      if (process.isAlive) proxy.kill();
    };
    process.deliver(() => void running.close().then(end, end));
    later(random.between(2_500, 4_000), () => {
      end();
      proxy.start();
    });
    return true;
  }

  #killProgram(program: SimulatedClient): boolean {
    const { random, later } = this.#options;
    if (!program.isUp) return false;
    program.kill();
    later(random.between(1, 3_000), () => program.start());
    return true;
  }

  #pause(host: SimulatedHost): boolean {
    const { stage, random, later } = this.#options;
    const { process } = host;
    if (process === undefined || process.isPaused) return false;
    const forMs = random.pick([50, 800, 2_500, longCutMs]) * random.next();
    stage.world.note(`${host.name} is paused for ${Math.round(forMs)} ms`);
    process.pause();
    later(forMs, () => process.resume());
    return true;
  }

  #cut(from: readonly string[], to: readonly string[], bothWays: boolean): boolean {
    const { stage, random, later } = this.#options;
    const { world, network } = stage;
    world.note(`${from.join(' ')} is cut off from ${to.join(' ')}${bothWays ? '' : ' one way'}`);
    const pairs = from.flatMap((one) => to.map((other) => [one, other] as const));
    for (const [one, other] of pairs) {
      network.block(one, other);
      if (bothWays) network.block(other, one);
    }
    later(random.pick([200, 1_500, longCutMs]) * random.next(), () => {
      for (const [one, other] of pairs) {
        network.unblock(one, other);
        network.unblock(other, one);
      }
    });
    return true;
  }

  #nodes(): readonly string[] {
    return [...new Set(this.#options.sites.flatMap(({ cluster }) => cluster.names))];
  }

  #gateways(): readonly string[] {
    return [...this.#options.proxies.map(({ name }) => name), ...this.#nodes()];
  }
}
