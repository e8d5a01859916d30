import type { TestClock, TestRandom } from '../../service/test-clock.ts';
import {
  done,
  type FakeNode,
  frozen,
  notLeader,
  type Received,
  refused,
  type Said,
  unknown,
  wrongShard,
} from './fake-nodes.ts';

/** A request as a log sees it; a copy may come long after. */
export interface Copy {
  readonly id: string;
  readonly bucket: number;
  readonly mapVersion: number;
}

interface Pending extends Copy {
  readonly node: FakeNode;
  readonly request: Received;
}

/** Who serves a bucket, as one group's log has it. */
interface Claimed {
  readonly owns: boolean;
  readonly since: number;
  readonly to: string | undefined;
}

/** What was ever applied, by all shards, in order. */
export interface Applied extends Copy {
  readonly shard: string;
}

const commitMs = 3;

/**
 * One shard as requests see it: leaders that crash with entries half replicated, copies that come late, refusals, buckets that come
 * and go. It remembers an answer until the bucket leaves, as the real one does once the client has settled it.
 */
export class ModelShard {
  readonly name: string;
  readonly #nodes: readonly FakeNode[];
  readonly #clock: TestClock;
  readonly #random: TestRandom;
  readonly #applied: Applied[];
  readonly #rows = new Map<string, number>();
  readonly #claims = new Map<number, Claimed>();
  #pending: Pending[] = [];
  #leader = 0;
  #term = 1;
  #fullUntilMs = 0;
  version = 1;
  /** Share of requests that meet a fault. */
  faults = 0;

  constructor(
    name: string,
    nodes: readonly FakeNode[],
    owned: readonly number[],
    world: { readonly clock: TestClock; readonly random: TestRandom; readonly applied: Applied[] },
  ) {
    this.name = name;
    this.#nodes = nodes;
    this.#clock = world.clock;
    this.#random = world.random;
    this.#applied = world.applied;
    for (const bucket of owned) this.#claims.set(bucket, { owns: true, since: 0, to: undefined });
    for (const node of nodes) node.answer = (request) => this.#arrive(node, request);
    this.#say();
  }

  owns(bucket: number): boolean {
    return this.#claims.get(bucket)?.owns === true;
  }

  cede(bucket: number, to: string, version: number): void {
    this.version = Math.max(this.version, version);
    this.#claims.set(bucket, { owns: false, since: 0, to });
    for (const [id, of] of this.#rows) if (of === bucket) this.#rows.delete(id);
  }

  own(bucket: number, version: number): void {
    this.version = Math.max(this.version, version);
    this.#claims.set(bucket, { owns: true, since: this.version, to: undefined });
  }

  /** The leader dies, or only its links do, or it hands over; part of what it had survives, part comes late, part never. */
  failOver(): void {
    const old = this.#nodes[this.#leader]!;
    const dies = this.#chance(40);
    const isCut = dies || this.#chance(50);
    this.#lose(isCut);
    if (dies) old.crash();
    else if (isCut) old.cut();
    this.#leader = (this.#leader + 1) % this.#nodes.length;
    this.#term++;
    this.#clock.after(this.#random.next() * 60, () => this.#say());
    this.#clock.after(this.#random.next() * 200, () => {
      old.isUp = true;
    });
  }

  /** What is left of a log, and of a socket's buffer, is a beginning of it. */
  #lose(isCut: boolean): void {
    const pending = this.#pending;
    this.#pending = [];
    const survivors = Math.floor(this.#random.next() * (pending.length + 1));
    for (const entry of pending.slice(0, survivors)) this.#apply(entry);
    const lateEnd = survivors + Math.floor(this.#random.next() * (pending.length - survivors + 1));
    const late = pending.slice(survivors, lateEnd);
    this.#clock.after(this.#random.next() * 800, () => {
      for (const entry of late) this.#apply(entry);
    });
    if (!isCut) for (const entry of pending) entry.node.say(entry.request, unknown);
  }

  #say(): void {
    for (const node of this.#nodes) node.lead(this.#nodes[this.#leader]!.id, this.#term);
  }

  #arrive(node: FakeNode, request: Received): Said | undefined {
    const leader = this.#nodes[this.#leader]!;
    if (node !== leader) return notLeader(leader.id, this.#term);
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#fullUntilMs || this.#chance(this.faults)) {
      // Whoever comes behind one that was refused is refused too, or their order would be lost before they come to us.
      this.#fullUntilMs = Math.max(this.#fullUntilMs, nowMs + 10);
      return refused(this.#chance(50) ? 'BUSY' : 'CLOSED', this.#random.next() * 20);
    }
    const { client, stream, seq, bucket, mapVersion } = request.header;
    const id = `${client}/${stream}/${seq}`;
    if (this.#pending.length === 0) this.#clock.after(commitMs, () => this.#commit());
    this.#pending.push({ id, bucket, mapVersion, node, request });
    return undefined;
  }

  #commit(): void {
    const pending = this.#pending;
    this.#pending = [];
    for (const entry of pending) entry.node.say(entry.request, this.#apply(entry));
  }

  #apply({ id, bucket, mapVersion }: Copy): Said {
    if (this.#rows.has(id)) return done;
    const claim = this.#claims.get(bucket);
    if (claim === undefined) return mapVersion > this.version ? frozen : wrongShard(undefined, this.version);
    if (!claim.owns) return wrongShard(claim.to, this.version);
    if (mapVersion < claim.since) return wrongShard(this.name, claim.since);
    this.#rows.set(id, bucket);
    this.#applied.push({ id, bucket, mapVersion, shard: this.name });
    return done;
  }

  #chance(percent: number): boolean {
    return this.#random.next() * 100 < percent;
  }
}
