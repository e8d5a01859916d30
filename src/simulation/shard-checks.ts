import type { RaftsmanNode } from '../service/assemble-node.ts';
import { CallerChecker } from './checkers/caller-checker.ts';
import { EffectChecker } from './checkers/effect-checker.ts';
import { HopChecker, type Party } from './checkers/hop-checker.ts';
import type { ObservedCommand, ObservedResult } from './checkers/observed-command.ts';
import { isLate } from './checkers/observed-command.ts';
import { OwnershipChecker } from './checkers/ownership-checker.ts';
import { ConsensusChecks } from './consensus-checks.ts';
import { GroupWatch } from './group-watch.ts';
import type { ShardLayout, ShardSite } from './shard-layout.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { SimulatedProxy } from './simulated-proxy.ts';
import type { Stage } from './stage.ts';

/** Frames of a handshake, per direction. */
const handshakeFrames = 2;
/** The state machines are compared at every so many entries. */
const digestEvery = 16;

/** Ties the judges to what can be seen of a world of shards: logs, disks and frames. */
export class ShardChecks {
  readonly ownership: OwnershipChecker;
  readonly effects: EffectChecker;
  readonly callers: CallerChecker;
  readonly hops: HopChecker;
  readonly #stage: Stage;
  readonly #groups = new Map<
    ShardSite,
    { readonly consensus: ConsensusChecks; readonly watch: GroupWatch }
  >();

  constructor(stage: Stage) {
    const { judge, world } = stage;
    this.#stage = stage;
    this.ownership = new OwnershipChecker(judge);
    this.hops = new HopChecker(judge);
    this.callers = new CallerChecker(judge, () => world.nowMs());
    this.effects = new EffectChecker(judge, (deed, id) => this.callers.applied(deed, id));
  }

  /** Watches the disks and wires; `started` follows for each process. */
  watch({ sites }: ShardLayout, proxies: readonly SimulatedProxy[]): void {
    const { judge, network } = this.#stage;
    for (const site of sites) {
      const consensus = new ConsensusChecks(judge, site.cluster.members.length, digestEvery, site.group);
      consensus.watch(site.cluster);
      const watch = new GroupWatch((command, result) => this.#applied(site, command, result));
      this.#groups.set(site, { consensus, watch });
    }
    const nodes = new Set(sites.flatMap(({ cluster }) => cluster.names));
    const proxyOf = new Map(proxies.map((proxy) => [proxy.name, proxy]));
    const partyOf = (host: string): Party =>
      nodes.has(host) ? 'node' : proxyOf.has(host) ? 'proxy' : 'client';
    network.observe((from, to, frame) => {
      if (from.sentCount <= handshakeFrames) return;
      const [sender, receiver] = [partyOf(from.hostName), partyOf(to.hostName)];
      if (sender === 'node' && receiver === 'node') return;
      const proxy = proxyOf.get(from.hostName) ?? proxyOf.get(to.hostName);
      this.hops.sent(sender, receiver, proxy?.life, frame);
    });
  }

  started(site: ShardSite, name: string, process: SimulatedProcess, node: RaftsmanNode): void {
    const group = this.#groups.get(site);
    group?.watch.watch(node.group(site.group));
    group?.consensus.started(name, process, node);
  }

  /** Counts what went over the wires, once at the end. */
  conclude(): void {
    for (const [name, times] of Object.entries(this.hops.answers))
      this.#stage.coverage.count(`answer ${name}`, times);
  }

  #applied(
    { shard: { name, namespace } }: ShardSite,
    command: ObservedCommand,
    result: ObservedResult,
  ): void {
    const group = { shard: name, namespace };
    switch (command.type) {
      case 'request':
        if (command.operation.key !== '' && !isLate(result) && !this.effects.isKnown(group, command))
          this.ownership.requested(group, command, result);
        this.effects.requested(group, command, result);
        return;
      case 'settle':
        this.effects.settled(group, command);
        return;
      case 'claim':
        this.#stage.coverage.count(`claim ${command.claim} ${result.kind === 'refused' ? 'refused' : 'ok'}`);
        if (result.kind === 'refused') return;
        if (command.claim === 'disown') this.effects.disowned(group, command);
        this.ownership.claimed(group, command);
        return;
      case 'other':
        return;
    }
  }
}
