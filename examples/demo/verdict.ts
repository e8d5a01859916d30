import type { JournalEvent } from './journal.ts';
import type { Testimony } from './messages.ts';
import { homeOf } from './shard-plan.ts';
import { type FinalMark, judgeShards, type ShardVerdict, type TaskCounts } from './shard-verdict.ts';

/** What was killed, and when by the clock of this machine. `worker` is what the authorisation server calls the process. */
export interface Kill {
  readonly what: 'leader' | 'updater' | 'proxy';
  readonly name: string;
  readonly worker: string;
  readonly at: number;
  /** Of a leader: the place of its cluster. */
  readonly home: number | undefined;
}

/** A token as one node has it in the end. */
export interface StoredToken {
  readonly version: number;
  readonly buried: boolean;
  readonly access: string;
  readonly refresh: string;
}

/** One family in the end: as the leader has it, and as each node that was asked has it. */
export interface FinalRead {
  readonly family: string;
  readonly leader: StoredToken | undefined;
  readonly replicas: readonly (StoredToken | undefined)[];
}

/** An access token that expired while it was still the stored one. */
export interface Lapse {
  readonly family: string;
  readonly at: number;
}

export interface Evidence {
  readonly journal: readonly JournalEvent[];
  readonly kills: readonly Kill[];
  readonly testimony: Testimony;
  readonly finals: readonly FinalRead[];
  readonly marks: readonly FinalMark[];
  /** One for each cluster. */
  readonly counts: readonly TaskCounts[];
  readonly lapses: readonly Lapse[];
  readonly suspects: number;
}

/** What the judge found. */
export interface Verdict {
  readonly refreshed: number;
  readonly refreshedAtLeast: number;
  readonly providerCalls: number;
  readonly lapsed: number;
  readonly suspects: number;
  readonly lostAnswers: number;
  readonly needsConsent: number;
  readonly revokedFamilies: number;
  readonly lostAcks: number;
  readonly doubleAcks: number;
  /** One for each leader that was killed, in order. */
  readonly leaderGapsMs: readonly number[];
  readonly releaseMs: number | null;
  /** Undefined when there is one cluster. */
  readonly shards: ShardVerdict | undefined;
  /** A sentence for each thing that is not as promised; at most twenty. */
  readonly remarks: readonly string[];
}

type Issued = Extract<JournalEvent, { type: 'issued' }>;
type Called = Extract<JournalEvent, { type: 'called' }>;

interface Family {
  readonly id: string;
  access: string;
  readonly issued: Issued[];
  readonly called: Called[];
  revoked: boolean;
}

/** An answer that arrived so long before its process was killed may not have been stored yet. Older ones must have been. */
const storeMs = 500;
const remarksMax = 20;
/** Nodes that must agree with the leader, out of three of its cluster. */
const agreeMin = 2;

/**
 * Compares what the authorisation server did with what the cluster says. Nothing that a process claims of itself counts in its
 * favour: claims of the front end are only held against the cluster.
 */
export function judge(evidence: Evidence): Verdict {
  return new Court(evidence).verdict();
}

class Court {
  readonly #evidence: Evidence;
  readonly #families = new Map<string, Family>();
  readonly #answeredAt = new Map<number, number>();
  readonly #remarks: string[] = [];
  readonly #lost = new Set<string>();
  #lostAnswers = 0;
  #lostAcks = 0;
  #doubleAcks = 0;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  verdict(): Verdict {
    for (const event of this.#evidence.journal) this.#read(event);
    for (const final of this.#evidence.finals) this.#judgeFamily(final);
    for (const id of Object.keys(this.#evidence.testimony.claims.puts)) {
      if (!this.#evidence.finals.some((final) => final.family === id))
        this.#lose(`${id} was never read in the end`);
    }
    const shards = this.#judgeShards();
    const families = [...this.#families.values()];
    const untouched = families.filter((family) => !this.#lost.has(family.id) && !family.revoked);
    const lapses = this.#evidence.lapses.filter((lapse) =>
      untouched.some((family) => family.id === lapse.family),
    );
    for (const lapse of lapses) this.#remark(`${lapse.family} lapsed at ${new Date(lapse.at).toISOString()}`);
    return {
      refreshed: families.reduce((sum, family) => sum + family.issued.length, 0),
      refreshedAtLeast: untouched.reduce((least, family) => Math.min(least, family.issued.length), Infinity),
      providerCalls: families.reduce((sum, family) => sum + family.called.length, 0),
      lapsed: lapses.length,
      suspects: this.#evidence.suspects,
      lostAnswers: this.#lostAnswers,
      needsConsent: this.#evidence.finals.filter((final) => final.leader?.buried === true).length,
      revokedFamilies: families.filter((family) => family.revoked).length,
      lostAcks: this.#lostAcks,
      doubleAcks: this.#doubleAcks,
      leaderGapsMs: this.#leaderGaps(),
      releaseMs: this.#release(),
      shards,
      remarks: this.#remarks,
    };
  }

  #read(event: JournalEvent): void {
    switch (event.type) {
      case 'granted':
        this.#families.set(event.family, {
          id: event.family,
          access: event.access,
          issued: [],
          called: [],
          revoked: false,
        });
        return;
      case 'called':
        this.#families.get(event.family)?.called.push(event);
        return;
      case 'issued':
        this.#families.get(event.family)?.issued.push(event);
        return;
      case 'answered':
        if (event.finished) this.#answeredAt.set(event.call, event.at);
        return;
      case 'revoked': {
        const family = this.#families.get(event.family);
        if (family !== undefined) family.revoked = true;
        return;
      }
      case 'refused':
        return;
    }
  }

  #judgeFamily({ family: id, leader, replicas }: FinalRead): void {
    const family = this.#families.get(id);
    const putVersion = this.#evidence.testimony.claims.puts[id];
    if (family === undefined || leader === undefined) {
      this.#lose(family === undefined ? `${id} is stored, but was never granted` : `${id} is gone`);
      return;
    }
    if (putVersion !== undefined && leader.version < putVersion)
      this.#lose(`${id} has version ${leader.version}, its put had ${putVersion}`);
    const agreeing = replicas.filter(
      (replica) => replica?.version === leader.version && replica.refresh === leader.refresh,
    );
    if (agreeing.length < agreeMin) this.#lose(`${id}: only ${agreeing.length} nodes agree with the leader`);
    this.#findAnswer(family, leader);
    const acks = leader.version - (putVersion ?? leader.version);
    if (acks > family.issued.length) {
      this.#doubleAcks += acks - family.issued.length;
      this.#remark(`${id} was acknowledged ${acks} times for ${family.issued.length} answers`);
    }
    if (this.#isSharded) this.#countAcks(family, acks);
  }

  /** Each answer to an updater that lived was stored, or the updater was told that it was not. */
  #countAcks({ id, issued }: Family, acks: number): void {
    const lived = issued.filter((each) => !this.#diedWithItsWorker(each)).length;
    const told = this.#evidence.testimony.unstored.filter((task) => task === id).length;
    if (acks < lived - told)
      this.#lose(
        `${id} was acknowledged ${acks} times; of ${lived} answers ${told} were known not to be stored`,
      );
  }

  /** With shards every write is counted, not only whether the last one is there. */
  #judgeShards(): ShardVerdict | undefined {
    if (!this.#isSharded) return undefined;
    return judgeShards(this.#evidence, {
      doubleAcks: this.#doubleAcks,
      lose: (count, why) => {
        if (count > 0) this.#lose(why, count);
      },
      remark: (text) => this.#remark(text),
    });
  }

  get #isSharded(): boolean {
    return this.#evidence.counts.length > 1;
  }

  /** From the newest answer back: each that is not the stored one must have died with a killed process. */
  #findAnswer(family: Family, stored: StoredToken): void {
    for (const issued of family.issued.toReversed()) {
      if (issued.access === stored.access && issued.refresh === stored.refresh) return;
      if (!this.#diedWithItsWorker(issued)) {
        this.#lose(
          `${family.id}: the answer to call ${issued.call} of ${issued.worker} is not what is stored`,
        );
        return;
      }
      if (!issued.rotated) continue; // the same refresh token still works
      this.#lostAnswers++;
      this.#lost.add(family.id);
    }
    if (family.access !== stored.access) this.#lose(`${family.id}: what is stored was never issued`);
  }

  #diedWithItsWorker(issued: Issued): boolean {
    const kill = this.#evidence.kills.find(({ worker }) => worker === issued.worker);
    return kill !== undefined && (this.#answeredAt.get(issued.call) ?? Infinity) >= kill.at - storeMs;
  }

  /** From each kill of a leader, the longest that the front end then waited for a write. */
  #leaderGaps(): readonly number[] {
    const { counts, kills, testimony } = this.#evidence;
    const horizonMs = 10_000;
    return kills
      .filter((kill) => kill.what === 'leader')
      .map((kill) => {
        const mark = testimony.claims.marks.find(({ id }) => homeOf(id, counts.length) === kill.home);
        const acked = mark?.ackedAt ?? [];
        let gapMs = 0;
        let previous = kill.at;
        for (const at of acked) {
          if (at <= kill.at || previous > kill.at + horizonMs) continue;
          gapMs = Math.max(gapMs, at - previous);
          previous = at;
        }
        return gapMs;
      });
  }

  /** From the kill of an updater until the last of the steady tokens it was refreshing was presented by another. */
  #release(): number | null {
    const kill = this.#evidence.kills.find(({ what }) => what === 'updater');
    if (kill === undefined) return null;
    const steady = [...this.#families.values()].filter((family) =>
      family.issued.every((issued) => !issued.rotated),
    );
    const waits = steady.flatMap((family) => {
      const open = family.called.some(
        (called) =>
          called.worker === kill.worker &&
          called.at <= kill.at &&
          (this.#answeredAt.get(called.call) ?? Infinity) > kill.at,
      );
      const next = family.called.find((called) => called.worker !== kill.worker && called.at >= kill.at);
      return open && next !== undefined ? [next.at - kill.at] : [];
    });
    return waits.length === 0 ? null : Math.max(...waits);
  }

  #lose(why: string, count = 1): void {
    this.#lostAcks += count;
    this.#remark(why);
  }

  #remark(text: string): void {
    if (this.#remarks.length < remarksMax) this.#remarks.push(text);
  }
}
