import type { Buffer } from 'node:buffer';
import { Alarm } from '../../base/alarm.ts';
import { groupId } from '../../base/ids.ts';
import type { Shard } from '../../sharding/types.ts';
import { encodeRefused, readRefused, type ServiceRefusal } from '../../wire/client-frame.ts';
import { bodyOf, frameKinds } from '../../wire/client-header.ts';
import { groupCode } from '../../wire/group-code.ts';
import { isForgetful } from '../../wire/queue-result.ts';
import { type Entry, entryAnswer } from './entry.ts';
import { addressFrame, returnFrame, writeTimes } from './frame-fields.ts';
import { LaneEntries } from './lane-entries.ts';
import { bounceMs, LaneFlow, type LaneState } from './lane-flow.ts';
import type { LaneHost, LaneLink } from './lane-host.ts';
import type { Origin } from './types.ts';

const bounceMaxMs = 1_000;
const sweepStepMs = 10;
export const busyRetryMs = 100;

/**
 * The requests of one shard, from their arrival until they are answered. While its leader is not known or not reached they are
 * held; what was under way then is sent again first, under the same ids, and what was held follows through a window that grows.
 */
export class Lane {
  shard: Shard;
  readonly groupCode: number;
  readonly #host: LaneHost;
  readonly entries: LaneEntries;
  readonly #flow: LaneFlow;
  readonly #deadlines: Alarm;

  constructor(shard: Shard, host: LaneHost) {
    this.shard = shard;
    this.groupCode = groupCode(groupId(shard.group));
    this.#host = host;
    this.entries = new LaneEntries(() => host.nextCorrelation());
    this.#deadlines = new Alarm(host.clock, () => this.#sweep());
    this.#flow = new LaneFlow({
      lane: this,
      clock: host.clock,
      waiting: () => this.entries.waiting(),
      send: (entry, leader) => this.#send(entry, leader),
    });
  }

  get state(): LaneState {
    return this.#flow.state;
  }

  get leader(): LaneLink | undefined {
    return this.#flow.leader;
  }

  /** From now on the entry's deadline and bytes are this lane's to watch; `dispatch` sends it. */
  register(entry: Entry): void {
    entry.lane = this;
    this.entries.add(entry);
    this.#deadlines.at(entry.deadlineMs);
  }

  /** Sends a registered entry, or holds it until that is possible. */
  dispatch(entry: Entry): void {
    if (entry.isAny) {
      const replica = this.#host.replicaOf(this);
      if (replica !== undefined) {
        this.#send(entry, replica);
        return;
      }
    }
    const leader = this.#flow.pass(entry);
    if (leader !== undefined) this.#send(entry, leader);
  }

  /** Sends a frame that has no answer; lost if no leader is reached. */
  tell(frame: Buffer): void {
    const { leader } = this;
    if (leader === undefined) return;
    addressFrame(frame, 0, this.groupCode, false);
    leader.send(frame);
  }

  /** The take that the frame names waits no longer; the node that has it is told. */
  cancel(frame: Buffer): void {
    const entry = this.entries.takeOf(frame);
    if (entry === undefined) return;
    entry.waitUntilMs = 0;
    if (entry.sentTo === undefined) return;
    addressFrame(frame, 0, this.groupCode, false);
    entry.sentTo.send(frame);
  }

  /**
   * Forgets what is with no node now, and where the answers of the rest should go. Nothing of a client that is gone is sent
   * again: it may have had its answer elsewhere long ago.
   */
  drop(origin: Origin, nobody: Origin): void {
    for (const entry of this.entries) {
      if (entry.origin !== origin) continue;
      entry.isOrphan = true;
      if (entry.sentTo === undefined) this.#remove(entry, false);
      else if (entry.kind !== frameKinds.attach) entry.origin = nobody;
    }
    this.#flow.advance();
  }

  /** Another leader, or none. In flight elsewhere becomes unknown once there is one. */
  setLeader(leader: LaneLink | undefined): void {
    if (leader === this.leader) return;
    this.#flow.setLeader(leader);
    if (leader === undefined) return;
    for (const entry of this.entries) {
      if (entry.isCounted || entry.waits) if (entry.sentTo !== leader) this.#giveUp(entry);
    }
    this.#flow.advance();
  }

  /** The way to a node is cut: what it has of ours may or may not come to the log. */
  linkClosed(link: LaneLink): void {
    if (link === this.leader) this.#flow.setLeader(undefined);
    for (const entry of this.entries) {
      if (entry.sentTo !== link) continue;
      this.#giveUp(entry);
      if (entry.isAny && !entry.isDone) this.dispatch(entry);
    }
    this.#flow.advance();
  }

  /** Reads that any replica may answer do not wait for a leader. */
  linkOpened(): void {
    for (const entry of this.entries) {
      if (entry.isAny && entry.sentTo === undefined && !entry.isHeld) this.dispatch(entry);
    }
  }

  /** The leader's link takes frames again. */
  linkReady(link: LaneLink): void {
    if (link === this.leader && this.state === 'draining') this.#flow.advance();
  }

  onAnswer(link: LaneLink, correlation: number, kind: number, frame: Buffer): void {
    const entry = this.entries.get(correlation);
    if (entry === undefined) return;
    const isCurrent = entry.sentTo === link;
    // The late word of an attempt that was given up counts only if the log speaks.
    if (!isCurrent && (kind !== frameKinds.result || isForgetful(bodyOf(frame)))) return;
    switch (kind) {
      case frameKinds.result:
        if (entry.isUnknown && entry.kind === frameKinds.request && isForgetful(bodyOf(frame)))
          this.#answerUnknown(entry);
        else this.#finish(entry, frame, true);
        break;
      case frameKinds.refused:
        this.#onRefused(entry, frame);
        break;
      case frameKinds.unknown:
        entry.isUnknown ||= entry.isWrite;
        this.#bounce(entry, bounceMs);
        break;
      case frameKinds.notLeader:
        this.#bounce(entry, bounceMs);
        break;
      case frameKinds.wrongShard:
      case frameKinds.frozen:
        this.#onRedirect(entry, frame);
        break;
      default:
        this.#finish(entry, frame, true);
        break;
    }
  }

  /** Nobody asks any more: whoever waits is told what is known. */
  close(): void {
    this.#deadlines.cancel();
    this.#flow.close();
    for (const entry of this.entries) {
      if (entry.mayBeApplied) this.#answerUnknown(entry);
      else this.refuse(entry, 'CLOSED', 'the router is closed');
    }
  }

  /** Hands an answer of the shard `from` to the client, who alone can send the request again under a newer map. */
  handOver(entry: Entry, kind: 'wrongShard' | 'frozen', body: Uint8Array, from: number): void {
    this.#remove(entry, false);
    entry.origin.answer(entryAnswer(entry, kind, body, from));
  }

  refuse(entry: Entry, code: ServiceRefusal, message: string, retryAfterMs = 0): void {
    const body = encodeRefused({ code, message, retryAfterMs });
    this.#remove(entry, false);
    entry.origin.answer(entryAnswer(entry, 'refused', body, this.shard.number));
  }

  #send(entry: Entry, link: LaneLink): void {
    const nowMs = this.#host.clock.monotonicMs();
    if (entry.deadlineMs <= nowMs) return;
    entry.sentTo = link;
    if (!entry.isAny) {
      this.#flow.sent(entry);
      if (!entry.isUnderWay) entry.holds?.began(entry);
    }
    addressFrame(entry.frame, entry.correlation, this.groupCode, entry.isAny);
    writeTimes(entry.frame, entry.deadlineMs, entry.waitUntilMs, nowMs);
    link.send(entry.frame);
  }

  #finish(entry: Entry, answer: Buffer, served: boolean): void {
    this.#remove(entry, served);
    returnFrame(answer, entry.callerCorrelation, this.shard.number);
    this.#flow.answered();
    this.#flow.advance();
    entry.origin.answer(answer);
  }

  #answerUnknown(entry: Entry): void {
    this.#finish(entry, entryAnswer(entry, 'unknown', nothing, this.shard.number), false);
  }

  /** A refusal is final only for a request of which no earlier attempt may have been applied. */
  #onRefused(entry: Entry, frame: Buffer): void {
    const { code, retryAfterMs } = readRefused(bodyOf(frame));
    if (entry.isAny || code === 'BUSY' || code === 'CLOSED')
      this.#bounce(entry, Math.min(bounceMaxMs, Math.max(bounceMs, retryAfterMs)));
    else if (entry.isUnknown) this.#answerUnknown(entry);
    else this.#finish(entry, frame, false);
  }

  #onRedirect(entry: Entry, frame: Buffer): void {
    const { holds } = entry;
    // What a replica knows of owners may be old: the leader decides, and until then nobody else waits.
    if (entry.isAny) this.#bounce(entry, bounceMs);
    // It names no bucket: only whoever sent it knows where it belongs, and nobody else has to wait for that.
    else if (holds === undefined) this.#finish(entry, frame, false);
    else if (this.#recall(entry)) holds.redirected(entry, frame);
    this.#flow.advance();
  }

  /** The shard cannot serve now. Nothing more goes there until all that is in flight is answered: then again, in order. */
  #bounce(entry: Entry, delayMs: number): void {
    const wasAny = entry.isAny;
    entry.isAny = false;
    const goesOn = this.#recall(entry);
    if (wasAny) {
      if (goesOn) this.dispatch(entry);
      return;
    }
    this.#flow.hold(delayMs);
    this.#flow.advance();
  }

  #giveUp(entry: Entry): void {
    if (entry.sentTo === undefined) return;
    entry.isUnknown ||= entry.isWrite;
    if (this.#recall(entry)) entry.keep();
  }

  /** The entry is with no node any more. @returns false if that is its end, because nobody waits for it. */
  #recall(entry: Entry): boolean {
    this.#flow.back(entry);
    if (!entry.isOrphan) return true;
    this.#remove(entry, false);
    return false;
  }

  #remove(entry: Entry, served: boolean): void {
    this.entries.delete(entry);
    this.#flow.back(entry);
    entry.isDone = true;
    entry.holds?.ended(entry, served);
  }

  #sweep(): void {
    const nowMs = this.#host.clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const entry of this.entries) {
      if (entry.deadlineMs > nowMs) nextMs = Math.min(nextMs, entry.deadlineMs);
      else this.#expire(entry);
    }
    this.#deadlines.at(Math.max(nextMs, nowMs + sweepStepMs));
    this.#flow.advance();
  }

  #expire(entry: Entry): void {
    if (entry.mayBeApplied) this.#answerUnknown(entry);
    else this.refuse(entry, 'DEADLINE_EXCEEDED', this.#host.describe(this));
  }
}

const nothing = new Uint8Array(0);
