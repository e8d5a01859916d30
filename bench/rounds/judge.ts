import type { JournalRow } from './journal.ts';

/** What a shard itself says of a key, asked after the last round without a router. */
export interface FinalRecord {
  readonly shard: string;
  readonly version: number;
  /** Which put of the key it holds; -1 if no put ever wrote that. */
  readonly found: number;
}

/** What was done to whom; its calls are those that ended until the next round began. */
export interface RoundNote {
  readonly round: number;
  readonly kind: string;
  readonly detail: string;
  readonly startedAt: number;
  readonly healedMs: number;
}

export interface Evidence {
  /** Per key in the order of its calls. */
  readonly rows: Iterable<JournalRow>;
  readonly finals: (key: string) => readonly FinalRecord[];
  /** Tasks that each shard counts. */
  readonly tasks: Readonly<Record<string, number>>;
  readonly rounds: readonly RoundNote[];
}

export interface Slowest {
  readonly rounds: number;
  readonly p50: number;
  readonly max: number;
}

export interface Verdict {
  readonly requests: number;
  readonly puts: number;
  /** Calls that rejected, those of unknown outcome included. */
  readonly failed: number;
  readonly appliedTwice: number;
  /** Acknowledged puts that the service forgot, or covered with an older one. */
  readonly lost: number;
  /** Reads at the leader that missed an acknowledged put. */
  readonly staleReads: number;
  /** The slowest call of each round, by what was done in it. */
  readonly slowestMs: Readonly<Record<string, Slowest>>;
  /** A sentence for each thing that is not as promised; at most `remarksMax`. */
  readonly remarks: readonly string[];
}

const remarksMax = 50;

/** What may be true of a key, as far as its only writer can know. */
interface Belief {
  version: number;
  /** Puts whose outcome nobody knows: each may have raised the version by one. */
  openCount: number;
  /** The puts that may be the newest one. */
  readonly newest: Set<number>;
}

/**
 * Compares what was acknowledged with what is there. A put raises the version of its key by one, so a version that rose more
 * often than there were puts was applied twice, and one that rose less often was forgotten.
 */
export function judge({ rows, finals, tasks, rounds }: Evidence): Verdict {
  const court = new Court(rounds);
  for (const row of rows) court.hear(row);
  court.close(finals, tasks);
  return court.verdict();
}

class Court {
  readonly #rounds: readonly RoundNote[];
  readonly #keys = new Map<string, Belief>();
  readonly #slowest = new Map<number, number>();
  readonly #remarks: string[] = [];
  #requests = 0;
  #puts = 0;
  #failed = 0;
  #appliedTwice = 0;
  #lost = 0;
  #staleReads = 0;

  constructor(rounds: readonly RoundNote[]) {
    this.#rounds = rounds;
  }

  hear(row: JournalRow): void {
    const belief = this.#keys.get(row.key) ?? { version: 0, openCount: 0, newest: new Set([0]) };
    this.#keys.set(row.key, belief);
    this.#requests++;
    // A round begins when no call waits: what ends in it was held up by it, also if it was sent a moment before.
    const at = this.#roundOf(row.sentAt + row.tookMs);
    if (at >= 0) this.#slowest.set(at, Math.max(this.#slowest.get(at) ?? 0, row.tookMs));
    if (row.kind === 'put') this.#puts++;
    if (row.outcome !== 'ok') this.#hearFailure(row, belief, at);
    else if (row.kind === 'put') this.#hearAcknowledged(row, belief, at);
    else this.#hearRead(row, belief, at);
  }

  close(finals: Evidence['finals'], tasks: Evidence['tasks']): void {
    let found = 0;
    for (const [key, belief] of this.#keys) {
      const records = finals(key);
      found += records.length;
      const [record, other] = records;
      if (other !== undefined) this.#twice(1, `${key} is held by ${record?.shard} and ${other.shard}`);
      if (record !== undefined) this.#compare(key, belief, record);
      else if (!belief.newest.has(0)) this.#lose(1, `${key} is gone, version ${belief.version}`);
    }
    const counted = Object.values(tasks).reduce((sum, count) => sum + count, 0);
    if (counted > found)
      this.#twice(counted - found, `the shards count ${counted} tasks, ${found} of them are known`);
  }

  verdict(): Verdict {
    return {
      requests: this.#requests,
      puts: this.#puts,
      failed: this.#failed,
      appliedTwice: this.#appliedTwice,
      lost: this.#lost,
      staleReads: this.#staleReads,
      slowestMs: this.#slowestByKind(),
      remarks: this.#remarks,
    };
  }

  #hearFailure(row: JournalRow, belief: Belief, at: number): void {
    this.#failed++;
    const known = row.resolved === '' ? '' : `, ${row.resolved}`;
    this.#remark(`${row.kind} ${row.key} #${row.count}: ${row.outcome}${known}, ${this.#name(at)}`);
    if (row.kind !== 'put' || row.outcome !== 'UNKNOWN_OUTCOME' || row.resolved === 'neverApplied') return;
    if (row.resolved !== 'applied') {
      belief.openCount++;
      belief.newest.add(row.count);
      return;
    }
    belief.version++;
    belief.newest.clear();
    belief.newest.add(row.count);
  }

  #hearAcknowledged(row: JournalRow, belief: Belief, at: number): void {
    this.#compareVersion(row.key, belief, 1, row.version, `put #${row.count}, ${this.#name(at)}`);
    belief.version = row.version;
    belief.openCount = 0;
    belief.newest.clear();
    belief.newest.add(row.count);
  }

  #hearRead(row: JournalRow, belief: Belief, at: number): void {
    const isThere = row.kind === 'get' ? belief.newest.has(row.found) : row.found <= row.count;
    if (isThere && row.found >= 0) return;
    this.#staleReads++;
    const wanted = [...belief.newest].join(' or ');
    this.#remark(`${row.kind} ${row.key} found put #${row.found} instead of ${wanted}, ${this.#name(at)}`);
  }

  #compare(key: string, belief: Belief, { shard, version, found }: FinalRecord): void {
    this.#compareVersion(key, belief, 0, version, `the final read at ${shard}`);
    if (!belief.newest.has(found))
      this.#lose(1, `${key} holds put #${found} instead of ${[...belief.newest].join(' or ')} at ${shard}`);
  }

  #compareVersion(key: string, belief: Belief, raisedBy: number, version: number, where: string): void {
    const least = belief.version + raisedBy;
    const most = least + belief.openCount;
    const said = `${key} has version ${version} instead of ${least}: ${where}`;
    if (version > most) this.#twice(version - most, said);
    if (version < least) this.#lose(least - version, said);
  }

  #twice(count: number, remark: string): void {
    this.#appliedTwice += count;
    this.#remark(remark);
  }

  #lose(count: number, remark: string): void {
    this.#lost += count;
    this.#remark(remark);
  }

  #remark(remark: string): void {
    if (this.#remarks.length < remarksMax) this.#remarks.push(remark);
  }

  /** @returns -1 before the first round. */
  #roundOf(endedAt: number): number {
    let at = this.#rounds.length - 1;
    while (at >= 0 && (this.#rounds[at]?.startedAt ?? 0) > endedAt) at--;
    return at;
  }

  #name(at: number): string {
    const round = this.#rounds[at];
    return round === undefined ? 'before the first round' : `round ${round.round} (${round.kind})`;
  }

  #slowestByKind(): Readonly<Record<string, Slowest>> {
    const samples = new Map<string, number[]>();
    this.#rounds.forEach(({ kind }, at) => {
      samples.set(kind, [...(samples.get(kind) ?? []), this.#slowest.get(at) ?? 0]);
    });
    const sorted = [...samples].sort(([one], [other]) => (one < other ? -1 : 1));
    return Object.fromEntries(sorted.map(([kind, values]) => [kind, slowestOf(values)]));
  }
}

function slowestOf(values: readonly number[]): Slowest {
  const sorted = Float64Array.from(values).sort();
  const at = (index: number): number => Math.round(sorted[index] ?? 0);
  return { rounds: sorted.length, p50: at(Math.floor(sorted.length / 2)), max: at(sorted.length - 1) };
}
