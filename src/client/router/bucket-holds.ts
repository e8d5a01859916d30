import type { Buffer } from 'node:buffer';
import { Alarm } from '../../base/alarm.ts';
import type { Clock } from '../../ports/clock.ts';
import { bodyOf, frameKinds } from '../../wire/client-header.ts';
import { encodeRedirect, type RedirectBody, readRedirect } from '../../wire/shard-frames.ts';
import type { Entry } from './entry.ts';
import { kindCodeOf } from './frame-fields.ts';
import type { Lane } from './lane.ts';
import type { NamespaceRoutes } from './routes.ts';

/** A bucket that nobody owns is asked for again this often. */
export const frozenRetryMs = 20;
/** After so long the client is told, and asks again itself: it alone knows whether it still waits. */
export const frozenHoldMs = 1_000;

/** One bucket whose requests wait until its owner is known. */
interface Hold {
  readonly bucket: number;
  /** In order of arrival. */
  readonly queue: Entry[];
  /** Who is asked next. */
  target: Lane;
  /** The newest map version that a shard named with an owner. */
  version: number;
  /** The first of the queue, which is at the target to find out. */
  probe: Entry | undefined;
  /** Shards that sent us on since the last pause: asked twice, they would keep us spinning. */
  readonly askedInVain: Set<Lane>;
  resumeAtMs: number;
}

/**
 * The buckets of one namespace that are between two owners. Requests of such a bucket wait here, in order, until those under way
 * are answered; then the first goes to the shard that was named, and when that one is served the others follow.
 */
export class BucketHolds {
  readonly #routes: NamespaceRoutes;
  readonly #clock: Clock;
  /** The lane of a shard that an answer names; undefined if the map in force has none of that name. */
  readonly #laneNamed: (name: string) => Lane | undefined;
  readonly #alarm: Alarm;
  readonly #holds = new Map<number, Hold>();
  /** By bucket: requests that a shard may have. */
  readonly #underWay: Uint32Array;

  constructor(routes: NamespaceRoutes, clock: Clock, laneNamed: (name: string) => Lane | undefined) {
    this.#routes = routes;
    this.#clock = clock;
    this.#laneNamed = laneNamed;
    this.#underWay = new Uint32Array(routes.map.bucketCount);
    this.#alarm = new Alarm(clock, () => this.#stepAll());
  }

  /** How many buckets wait for this shard. */
  countFor(lane: Lane): number {
    let count = 0;
    for (const hold of this.#holds.values()) if (hold.target === lane) count++;
    return count;
  }

  /** The shard that a held bucket's requests wait for; undefined if the bucket is not held. */
  targetOf(bucket: number): Lane | undefined {
    return this.#holds.size === 0 ? undefined : this.#holds.get(bucket)?.target;
  }

  /** The entry, registered with the hold's target, waits behind the others of its bucket. */
  queue(entry: Entry): void {
    const hold = this.#holds.get(entry.bucket);
    if (hold !== undefined) this.#insert(hold, entry);
  }

  /** The entry goes to a shard for the first time. */
  began(entry: Entry): void {
    entry.isUnderWay = true;
    this.#underWay[entry.bucket]!++;
  }

  /** The entry is over. */
  ended(entry: Entry, served: boolean): void {
    this.#leave(entry);
    if (this.#holds.size === 0) return;
    const hold = this.#holds.get(entry.bucket);
    if (hold === undefined) return;
    const wasProbe = hold.probe === entry;
    if (wasProbe) hold.probe = undefined;
    if (wasProbe && served) this.#release(hold);
    else this.#step(hold);
  }

  /** A shard said that the bucket is not its own, or not for a request as old as this one: this attempt did nothing. */
  redirected(entry: Entry, answer: Buffer): void {
    const from = entry.lane;
    const redirect = readRedirect(bodyOf(answer));
    const isFrozen = kindCodeOf(answer) === frameKinds.frozen;
    const owner = redirect.owner === undefined ? undefined : this.#laneNamed(redirect.owner);
    entry.isAny = false;
    // A shard that names nobody knows no more than one that is frozen: the bucket is on its way to somebody.
    if (isFrozen || redirect.owner === undefined || (owner !== undefined && owner !== from))
      this.#hold(entry, from, redirect, isFrozen ? from : (owner ?? this.#routes.ownerOf(entry.bucket)));
    else this.#handOver(entry, from, redirect, owner);
  }

  /** The map says that the bucket moved: what was not sent waits here until the rest is answered. */
  moved(entry: Entry, target: Lane): void {
    const hold = this.#holdOf(entry.bucket, target);
    if (hold.probe === entry) hold.probe = undefined;
    if (!entry.isUnderWay && entry.sentTo === undefined) this.#insert(hold, entry);
  }

  /** After a reload: every held bucket goes where the routes say now. */
  retarget(): void {
    for (const hold of [...this.#holds.values()]) {
      hold.target = this.#routes.laneOf(hold.bucket) ?? hold.target;
      hold.askedInVain.clear();
      this.#step(hold);
    }
  }

  close(): void {
    this.#alarm.cancel();
    this.#holds.clear();
  }

  #hold(entry: Entry, from: Lane, redirect: RedirectBody, next: Lane): void {
    this.#leave(entry);
    const hold = this.#holdOf(entry.bucket, from);
    if (hold.probe === entry) hold.probe = undefined;
    this.#insert(hold, entry);
    hold.version = Math.max(hold.version, redirect.version);
    hold.target = next;
    const mustPause = redirect.owner === undefined || next === from || hold.askedInVain.has(next);
    hold.askedInVain.add(from);
    if (mustPause) this.#pause(hold, redirect, from);
    this.#step(hold);
  }

  /** No router can do more for it; nor for those behind it, which must not overtake it on its way round by the client. */
  #handOver(entry: Entry, from: Lane, redirect: RedirectBody, owner: Lane | undefined): void {
    const hold = this.#holds.get(entry.bucket);
    const isProbe = hold?.probe === entry;
    const behind = isProbe ? hold.queue.filter(({ isDone }) => !isDone) : [];
    if (isProbe) this.#holds.delete(entry.bucket);
    if (isProbe && owner !== undefined) this.#routes.learn(entry.bucket, owner, redirect.version);
    for (const each of [entry, ...behind])
      each.lane.handOver(each, 'wrongShard', encodeRedirect(redirect), from.shard.number);
  }

  #leave(entry: Entry): void {
    if (!entry.isUnderWay) return;
    entry.isUnderWay = false;
    this.#underWay[entry.bucket]!--;
  }

  #holdOf(bucket: number, target: Lane): Hold {
    const known = this.#holds.get(bucket);
    if (known !== undefined) return known;
    const askedInVain = new Set<Lane>();
    const hold: Hold = {
      bucket,
      queue: [],
      target,
      version: 0,
      probe: undefined,
      askedInVain,
      resumeAtMs: 0,
    };
    this.#holds.set(bucket, hold);
    return hold;
  }

  #insert(hold: Hold, entry: Entry): void {
    entry.isHeld = true;
    entry.keep();
    if (entry.heldSinceMs === 0) entry.heldSinceMs = this.#clock.monotonicMs();
    const { queue } = hold;
    let place = queue.length;
    while (place > 0 && queue[place - 1]!.order > entry.order) place--;
    queue.splice(place, 0, entry);
  }

  /**
   * Nobody serves the bucket now. Who has waited long for that is told, and who said so: a client that took it for the word of the shard
   * named there would send by a version that no owner knows.
   */
  #pause(hold: Hold, redirect: RedirectBody, from: Lane): void {
    const nowMs = this.#clock.monotonicMs();
    const kind = redirect.owner === undefined ? 'frozen' : 'wrongShard';
    hold.askedInVain.clear();
    hold.resumeAtMs = nowMs + frozenRetryMs;
    this.#alarm.at(hold.resumeAtMs);
    const isTooLong = (entry: Entry) => !entry.isDone && entry.heldSinceMs + frozenHoldMs <= nowMs;
    for (const entry of hold.queue.filter(isTooLong))
      entry.lane.handOver(entry, kind, encodeRedirect(redirect), from.shard.number);
  }

  #step(hold: Hold): void {
    if (hold.probe !== undefined || this.#underWay[hold.bucket]! > 0) return;
    if (hold.resumeAtMs > this.#clock.monotonicMs()) {
      this.#alarm.at(hold.resumeAtMs);
      return;
    }
    const next = takeFirst(hold.queue);
    if (next === undefined) {
      this.#holds.delete(hold.bucket);
      return;
    }
    hold.probe = next;
    this.#send(hold, next);
  }

  /** The shard that was named serves the bucket: what waited follows, and what comes next goes there at once. */
  #release(hold: Hold): void {
    this.#holds.delete(hold.bucket);
    this.#routes.learn(hold.bucket, hold.target, hold.version);
    for (let entry = takeFirst(hold.queue); entry !== undefined; entry = takeFirst(hold.queue))
      this.#send(hold, entry);
  }

  #send(hold: Hold, entry: Entry): void {
    entry.isHeld = false;
    if (entry.lane !== hold.target) {
      entry.lane.entries.delete(entry);
      hold.target.register(entry);
    }
    hold.target.dispatch(entry);
  }

  #stepAll(): void {
    for (const hold of [...this.#holds.values()]) this.#step(hold);
  }
}

/** The oldest that is not over yet. */
function takeFirst(queue: Entry[]): Entry | undefined {
  for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) if (!entry.isDone) return entry;
  return undefined;
}
