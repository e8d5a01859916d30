import type { QueueClient } from '../client/types.ts';
import { observedBucket } from './checkers/observed-bucket.ts';
import type { MapAuthor, MapHolder } from './map-author.ts';
import { type Market, provider, queueOf, type Stall } from './market.ts';
import type { ShardChecks } from './shard-checks.ts';
import { type Deal, worldBuckets } from './shard-files.ts';
import type { ShardLayout, ShardSite } from './shard-layout.ts';
import { codeOf } from './shop.ts';
import type { Program, SimulatedClient } from './simulated-client.ts';
import { markOf } from './simulated-cluster.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { Stage } from './stage.ts';

export interface ShardAuditOptions {
  readonly stage: Stage;
  readonly layout: ShardLayout;
  readonly author: MapAuthor;
  readonly market: Market;
  readonly holders: readonly MapHolder[];
  readonly checks: ShardChecks;
  readonly client: (name: string, program: Program) => SimulatedClient;
}

const leaderWithinMs = 20_000;
const reloadWithinMs = 10_000;
const ownedWithinMs = 10_000;
const settleWithinMs = 30_000;
const auditWithinMs = 20_000;
const reloadAgainMs = 300;

/** The liveness phase: leaders, one map everywhere, an owner for each bucket, every call answered, and books that agree with the store. */
export class ShardAudit {
  readonly #options: ShardAuditOptions;

  constructor(options: ShardAuditOptions) {
    this.#options = options;
  }

  /** @returns false when something did not come to its end. */
  async run(): Promise<boolean> {
    const { stage, market } = this.#options;
    const { world } = stage;
    if (!(await this.#within(leaderWithinMs, () => this.#haveLeaders())))
      return stage.didNot('have a leader in every group within 10 election timeouts (L1)');
    const deal = await this.#settleMap();
    if (deal === undefined) return false;
    await world.run(world.nowMs() + 1_000);
    world.note('--- nothing new is begun');
    market.isOpen = false;
    if (!(await this.#within(settleWithinMs, () => this.#isSettled())))
      return stage.didNot(`settle (L1): ${this.#explain()}`);
    if (!(await this.#within(ownedWithinMs, () => this.#unowned(deal).length === 0)))
      return stage.didNot(`own ${this.#unowned(deal).join(', ')} by the newest map`);
    return this.#readAll();
  }

  /** An operator looks at what is in force, writes that down as the newest version and has everybody read it. */
  async #settleMap(): Promise<Deal | undefined> {
    const { stage, author, holders } = this.#options;
    const { world } = stage;
    const untilMs = world.nowMs() + reloadWithinMs;
    let refusals: readonly string[] = [];
    while (world.nowMs() < untilMs) {
      const deal = author.dealInForce();
      const text = author.next(deal);
      const { version } = author;
      let outcomes: readonly string[] | undefined;
      void Promise.all(holders.map((holder) => author.publish(holder, text, version, deal))).then((all) => {
        outcomes = all;
      });
      await world.run(untilMs, () => outcomes !== undefined);
      refusals = outcomes ?? ['no answer'];
      if (refusals.every((outcome) => outcome === 'accepted')) return deal;
      await world.run(world.nowMs() + reloadAgainMs);
    }
    stage.didNot(`put the newest map in force: ${refusals.join(' ')}`);
    return undefined;
  }

  async #readAll(): Promise<boolean> {
    const { stage, client } = this.#options;
    let isDone = false;
    let failure: string | undefined;
    const auditor = client('auditor', (made, process) => {
      this.#audit(made, process).then(
        () => {
          isDone = true;
        },
        (error: unknown) => {
          failure = codeOf(error);
        },
      );
    });
    auditor.start();
    await this.#within(auditWithinMs, () => isDone || failure !== undefined);
    auditor.kill();
    return isDone ? true : stage.didNot(`answer the auditor: ${failure ?? 'no answer'}`);
  }

  async #audit(client: QueueClient, process: SimulatedProcess): Promise<void> {
    for (const stall of this.#options.market.stalls) {
      const queue = queueOf(client, stall);
      for (const key of stall.keys) {
        const found = await queue.get(key);
        stall.history.final(key, found && { content: found.payload, version: found.version });
      }
      // Every bucket takes a write.
      for (const id of keyPerBucket(stall)) {
        await queue.put({ id, payload: `audit ${id}`, expiresAt: process.wallMs() + 60_000, provider });
        this.#options.stage.coverage.count('bucket audited');
      }
    }
    await client.close();
  }

  async #within(ms: number, isDone: () => boolean): Promise<boolean> {
    const { world } = this.#options.stage;
    await world.run(world.nowMs() + ms, isDone);
    return isDone();
  }

  #haveLeaders(): boolean {
    return this.#options.layout.sites.every(({ cluster, group }) => {
      const leader = cluster.leader(group);
      return (
        leader !== undefined &&
        cluster.members.every(({ node }) => node?.group(group).view().leaderId === leader.name)
      );
    });
  }

  #isSettled(): boolean {
    if (this.#pending().length > 0 || !this.#haveLeaders()) return false;
    return this.#options.layout.sites.every((site) => {
      const marks = this.#marks(site);
      return marks[0] !== undefined && marks.every((mark) => mark === marks[0]);
    });
  }

  #marks({ cluster, group }: ShardSite): readonly (string | undefined)[] {
    return cluster.members.map(({ node }) => markOf(node, group));
  }

  #pending(): readonly string[] {
    return [...this.#options.market.pending].filter(({ process }) => process.isAlive).map(({ what }) => what);
  }

  #explain(): string {
    const marks = this.#options.layout.sites.map(
      (site) => `${site.shard.name}: ${this.#marks(site).join(' | ')}`,
    );
    return `pending: ${this.#pending().slice(0, 5).join('; ')}; ${marks.join('; ')}`;
  }

  #unowned(deal: Deal): readonly string[] {
    const { layout, checks } = this.#options;
    const wrong: string[] = [];
    for (const [namespace, owners] of deal) {
      for (const [bucket, number] of owners.entries()) {
        const wanted = layout.sites.find(({ shard }) => shard.number === number)?.shard.name;
        const server = checks.ownership.serverOf(namespace, bucket);
        if (server !== wanted)
          wrong.push(`${namespace} ${bucket} (${server ?? 'nobody'}, not ${wanted ?? '?'})`);
      }
    }
    return wrong;
  }
}

/** A key of the auditor's own for each bucket. */
function keyPerBucket({ name }: Stall): readonly string[] {
  const keys = new Map<number, string>();
  for (let place = 0; keys.size < worldBuckets; place += 1) {
    const key = `audit-${name}-${place}`;
    const bucket = observedBucket(key, worldBuckets);
    if (!keys.has(bucket)) keys.set(bucket, key);
  }
  return [...keys.values()];
}
