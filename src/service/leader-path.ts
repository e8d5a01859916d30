import { Alarm } from '../base/alarm.ts';
import type { NodeId } from '../base/ids.ts';
import type { GroupHandle } from '../node/types.ts';
import type { Clock } from '../ports/clock.ts';
import { type LeaderBody, readRefused } from '../wire/client-frame.ts';
import { type ClientHeader, noDeadlineMs } from '../wire/client-header.ts';
import { groupCode } from '../wire/group-code.ts';
import { isForgetful } from '../wire/queue-result.ts';
import { type Answer, type Reply, refusedAnswer, unknownAnswer } from './answers.ts';

/** What a gateway carries to the leader. */
export interface Carried {
  readonly header: ClientHeader;
  readonly body: Uint8Array;
  readonly deadlineMs: number;
  waitUntilMs: number;
}

/** Hands a frame to a node; false if there is no way to it now. */
export type Deliver = (to: NodeId, header: ClientHeader, body: Uint8Array) => boolean;

interface Entry extends Carried {
  readonly correlation: number;
  readonly reply: Reply;
  /** Where it is being handled; undefined while it is held. */
  sentTo: NodeId | undefined;
  /** An attempt may have reached the log and nobody said how it ended: from now on only the state machine refuses it. */
  unknown: boolean;
}

/** Requests held or under way, of all links of this node. */
const entriesMax = 10_000;
const bytesMax: number = 64 * 1024 * 1024;
/** A node that is asked again after it refused to lead. */
const retryMs = 20;
const sweepStepMs = 10;

/**
 * The way from a gateway to whoever leads. While nobody does, or the way is cut, requests are held; what was under way is sent
 * again with the same ids, in the order in which it came, as soon as a leader is known.
 */
export class LeaderPath {
  /** The code of the group whose leader this is the way to. */
  readonly group: number;
  readonly #group: GroupHandle;
  readonly #clock: Clock;
  readonly #deliver: Deliver;
  readonly #entries = new Map<number, Entry>();
  readonly #deadlines: Alarm;
  readonly #retries: Alarm;
  /** Nodes to which there was a way and is none now. */
  readonly #cutOff = new Set<NodeId>();
  #bytes = 0;
  #lastCorrelation = 0;
  #leader: NodeId | undefined;
  #term = 0;

  constructor(group: GroupHandle, clock: Clock, deliver: Deliver) {
    this.group = groupCode(group.id);
    this.#group = group;
    this.#clock = clock;
    this.#deliver = deliver;
    this.#deadlines = new Alarm(clock, () => this.#sweep());
    this.#retries = new Alarm(clock, () => this.#sendHeld());
  }

  /**
   * Takes a request in; `dispatch` sends it.
   *
   * @param reply - called once, never inside `open`.
   * @returns the number it is known by; undefined when too much is held already.
   */
  open(carried: Carried, reply: Reply): number | undefined {
    if (this.#entries.size >= entriesMax || this.#bytes + carried.body.length > bytesMax) return undefined;
    const correlation = this.#nextCorrelation();
    const { header, body, deadlineMs, waitUntilMs } = carried;
    this.#entries.set(correlation, {
      header,
      body,
      deadlineMs,
      waitUntilMs,
      correlation,
      reply,
      sentTo: undefined,
      unknown: false,
    });
    this.#bytes += body.length;
    this.#deadlines.at(deadlineMs);
    return correlation;
  }

  /** Sends what was opened, or holds it until a leader is known. */
  dispatch(correlation: number): void {
    const entry = this.#entries.get(correlation);
    if (entry !== undefined) this.#send(entry);
  }

  /** Sends a frame that has no answer; lost if no leader is known. */
  tell(header: ClientHeader, body: Uint8Array): void {
    const leader = this.#group.view().leaderId;
    if (leader !== undefined) this.#deliver(leader, { ...header, group: this.group, correlation: 0 }, body);
  }

  /** The caller is gone: the answer is of no use any more. */
  drop(correlation: number): void {
    const entry = this.#entries.get(correlation);
    if (entry !== undefined) this.#forget(entry);
  }

  /** A take of this number waits no longer. @returns its header if a node is handling it, and must be told. */
  endWait(correlation: number): ClientHeader | undefined {
    const entry = this.#entries.get(correlation);
    if (entry === undefined) return undefined;
    entry.waitUntilMs = 0;
    return entry.sentTo === undefined ? undefined : entry.header;
  }

  /** An answer came for an entry of ours; a late or unknown one is ignored. */
  onAnswer(correlation: number, answer: Answer): void {
    const entry = this.#entries.get(correlation);
    if (entry === undefined) return;
    if (answer.kind === 'unknown') {
      this.#hold(entry, true);
      this.#retries.at(this.#clock.monotonicMs() + retryMs);
    } else if (answer.kind === 'notLeader' || this.#shouldRetry(entry, answer)) {
      this.#hold(entry, false);
      this.#retries.at(this.#clock.monotonicMs() + retryMs);
    } else {
      this.#forget(entry);
      const isDoubted = entry.unknown && entry.header.kind === 'request';
      entry.reply(isDoubted && isOfThisAttemptAlone(answer) ? unknownAnswer : answer);
    }
  }

  /** Who leads as far as this path goes: a leader that cannot be reached is none. */
  leader(): LeaderBody {
    const { leaderId, term } = this.#group.view();
    const isCutOff = leaderId === undefined || this.#cutOff.has(leaderId);
    return { leaderId: isCutOff ? undefined : leaderId, term };
  }

  /** Called after each change of the view. */
  onView(): void {
    const { leaderId, term } = this.#group.view();
    if (leaderId === this.#leader && term === this.#term) return;
    this.#leader = leaderId;
    this.#term = term;
    for (const entry of this.#entries.values()) if (entry.sentTo !== undefined) this.#hold(entry, true);
    this.#sendHeld();
  }

  /** The way to a node is cut: what it has of ours may or may not come to the log. */
  peerClosed(peer: NodeId): void {
    this.#cutOff.add(peer);
    for (const entry of this.#entries.values()) if (entry.sentTo === peer) this.#hold(entry, true);
  }

  peerUp(peer: NodeId): void {
    this.#cutOff.delete(peer);
    if (peer === this.#group.view().leaderId) this.#sendHeld();
  }

  close(): void {
    this.#deadlines.cancel();
    this.#retries.cancel();
    this.#entries.clear();
  }

  /** A refusal is final only if no earlier attempt may have been applied; a full inbox is waited for. */
  #shouldRetry(entry: Entry, answer: Answer): boolean {
    if (answer.kind !== 'refused') return false;
    const { code } = readRefused(answer.body);
    return entry.unknown || code === 'BUSY' || code === 'CLOSED';
  }

  #hold(entry: Entry, unknown: boolean): void {
    entry.sentTo = undefined;
    entry.unknown ||= unknown;
  }

  #sendHeld(): void {
    for (const entry of [...this.#entries.values()]) if (entry.sentTo === undefined) this.#send(entry);
  }

  #send(entry: Entry): void {
    const leader = this.#group.view().leaderId;
    if (leader === undefined) return;
    const nowMs = this.#clock.monotonicMs();
    if (entry.deadlineMs <= nowMs) return;
    entry.sentTo = leader;
    const header = {
      ...entry.header,
      group: this.group,
      correlation: entry.correlation,
      remainingMs: millisUntil(entry.deadlineMs, nowMs),
      waitMs: millisUntil(entry.waitUntilMs, nowMs),
    };
    if (this.#deliver(leader, header, entry.body)) return;
    entry.sentTo = undefined;
    this.#retries.at(nowMs + retryMs);
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const entry of [...this.#entries.values()]) {
      if (entry.deadlineMs > nowMs) nextMs = Math.min(nextMs, entry.deadlineMs);
      else this.#expire(entry);
    }
    this.#deadlines.at(Math.max(nextMs, nowMs + sweepStepMs));
  }

  #expire(entry: Entry): void {
    this.#forget(entry);
    const mayBeApplied = entry.unknown || entry.sentTo !== undefined;
    entry.reply(
      mayBeApplied ? unknownAnswer : refusedAnswer('DEADLINE_EXCEEDED', 'no leader was found in time'),
    );
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.correlation);
    this.#bytes -= entry.body.length;
  }

  #nextCorrelation(): number {
    do this.#lastCorrelation = (this.#lastCorrelation + 1) % 0x1_0000_0000;
    while (this.#entries.has(this.#lastCorrelation));
    return this.#lastCorrelation;
  }
}

/** It says that this attempt did nothing, and nothing of the attempts before it. */
function isOfThisAttemptAlone({ kind, body }: Answer): boolean {
  return kind === 'wrongShard' || kind === 'frozen' || (kind === 'result' && isForgetful(body));
}

/** Whole milliseconds for a header: 0 only when the time is over. */
function millisUntil(untilMs: number, nowMs: number): number {
  return Math.min(noDeadlineMs, Math.max(0, Math.ceil(untilMs - nowMs)));
}
