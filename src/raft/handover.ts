import type { NodeId } from '../base/ids.ts';
import type { Core } from './core.ts';
import type { Replication } from './replication.ts';
import type { Rounds } from './rounds.ts';

/** A transfer under way: proposals wait, the target catches up, then TimeoutNow leaves once. */
interface Transfer {
  readonly to: NodeId;
  readonly id: number;
  readonly scopeClosed: boolean;
  readonly deadlineMs: number;
}

/** How one leader gives its office to another node. */
export class Handover {
  readonly #core: Core;
  readonly #replication: Replication;
  readonly #rounds: Rounds;
  /** From then on no earlier leader can hold a scope: before, this one has nothing to release. */
  readonly #releasableFromMs: number;
  #transfer: Transfer | undefined;
  #transferCount = 0;
  #isSent = false;

  constructor(core: Core, replication: Replication, rounds: Rounds, releasableFromMs: number) {
    this.#core = core;
    this.#replication = replication;
    this.#rounds = rounds;
    this.#releasableFromMs = releasableFromMs;
  }

  get to(): NodeId | undefined {
    return this.#transfer?.to;
  }

  get isActive(): boolean {
    return this.#transfer !== undefined;
  }

  /** TimeoutNow has left: no lease is asked for any more. */
  get isSent(): boolean {
    return this.#isSent;
  }

  /** The transfer is given up at this time; Infinity without one. */
  get deadlineMs(): number {
    return this.#transfer?.deadlineMs ?? Number.POSITIVE_INFINITY;
  }

  /** @returns undefined when it began, else why it cannot. */
  begin(to: NodeId | undefined, scopeClosed: boolean): string | undefined {
    const { members, id, nowMs, options } = this.#core;
    const target = to ?? this.bestSuccessor();
    if (target === undefined) return 'there is no other voter';
    if (target === id || !members.isVoter(target)) return `${target} is not another voter`;
    this.#transferCount += 1;
    const deadlineMs = nowMs + options.electionTimeoutMinMs;
    this.#transfer = { to: target, id: this.#transferCount, scopeClosed, deadlineMs };
    this.advance();
    return undefined;
  }

  /** Sends TimeoutNow once the target holds the whole log. */
  advance(): void {
    const transfer = this.#transfer;
    const { log, nowMs } = this.#core;
    if (transfer === undefined || this.#isSent) return;
    if (this.#replication.matchIndex(transfer.to) !== log.lastIndex) return;
    this.#isSent = true;
    this.#sendTimeoutNow(transfer.to, transfer.scopeClosed && nowMs >= this.#releasableFromMs);
  }

  /** Forgets the transfer. @returns true if TimeoutNow was out: it may still arrive. */
  giveUp(): boolean {
    const wasSent = this.#isSent;
    this.#transfer = undefined;
    this.#isSent = false;
    return wasSent;
  }

  /** Asks the best voter that has the whole log to take over, without a release; nobody waits for the outcome. */
  askToTakeOver(): void {
    const successor = this.bestSuccessor();
    if (successor === undefined || this.#replication.matchIndex(successor) !== this.#core.log.lastIndex)
      return;
    this.#transferCount += 1;
    this.#sendTimeoutNow(successor, false);
  }

  /** The other voter with the longest log, then the freshest answer, then the one that the group's offset prefers. */
  bestSuccessor(): NodeId | undefined {
    const { members, options } = this.#core;
    const start = options.rankOffset % Math.max(1, members.others.length);
    let best: NodeId | undefined;
    for (const id of [...members.others.slice(start), ...members.others.slice(0, start)]) {
      if (members.isVoter(id) && (best === undefined || this.#isBetter(id, best))) best = id;
    }
    return best;
  }

  /** @param withRelease - the scope is closed and no earlier leader can hold one: voters may forget their promises. */
  #sendTimeoutNow(to: NodeId, withRelease: boolean): void {
    const { term, log, members } = this.#core;
    const round = this.#rounds.current;
    this.#rounds.voidLease();
    const release = withRelease ? { term, round } : undefined;
    const transferId = this.#transferCount;
    this.#core.send(to, { type: 'timeoutNow', term, index: log.lastIndex, transferId, release });
    if (!withRelease) return;
    for (const id of members.others) {
      if (members.isVoter(id)) this.#core.send(id, { type: 'release', term, round });
    }
  }

  #isBetter(a: NodeId, b: NodeId): boolean {
    const matchA = this.#replication.matchIndex(a);
    const matchB = this.#replication.matchIndex(b);
    return matchA !== matchB ? matchA > matchB : this.#rounds.answered(a) > this.#rounds.answered(b);
  }
}
