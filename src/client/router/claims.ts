import {
  BucketInUseError,
  ClosedError,
  ConflictingMapError,
  DeadlineExceededError,
  ForbiddenError,
  UnknownOutcomeError,
} from '../../base/errors.ts';
import type { Clock, Scheduled } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Random } from '../../ports/random.ts';
import type { ShardDirectory } from '../../sharding/shard-directory.ts';
import type { ShardMap } from '../../sharding/shard-map.ts';
import type { Lane } from './lane.ts';
import {
  allOf,
  changeHands,
  EpochMovedOn,
  isSettled,
  type OwnershipWork,
  surveyOwnership,
} from './ownership-driver.ts';
import type { Questions } from './questions.ts';
import type { RouterEvents, ShardOwnership } from './types.ts';

export interface ClaimsDeps {
  readonly questions: Questions;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events: RouterEvents;
}

/** A map and the lanes of its shards. */
export interface ClaimedMap {
  readonly directory: ShardDirectory;
  readonly lanes: readonly Lane[];
}

/** How often a change of hands that met another one, or a failover, is done over. */
const triesMax = 4;
/** How often in a row a change of hands may find, when it is through, that others have changed something too. */
const roundsMax = 8;
const retryMs = { first: 200, longest: 5_000 } as const;

/** Sees to it that the groups own what a map gives them. Any number of routers may do so at once. */
export class Claims {
  readonly #deps: ClaimsDeps;
  readonly #waits = new Map<Scheduled, (error: ClosedError) => void>();
  /** The last map that all groups were seen to follow. */
  #doneFor: ShardDirectory | undefined;
  /** What the groups of each namespace said last. */
  readonly #works = new Map<string, OwnershipWork>();
  #isSettling = false;
  #isClosed = false;

  constructor(deps: ClaimsDeps) {
    this.#deps = deps;
  }

  isDoneFor(directory: ShardDirectory): boolean {
    return this.#doneFor === directory;
  }

  /** The epoch that the group itself last told; undefined if it was not asked, or does not own the bucket. */
  epochOf(lane: Lane, bucket: number): number | undefined {
    const reports = this.#works.get(lane.shard.namespace)?.reports;
    const body = reports?.find(({ shard }) => shard.number === lane.shard.number)?.body;
    return body?.owned.find(({ from, to }) => from <= bucket && bucket <= to)?.epoch;
  }

  /**
   * Before a reload: all groups give up and take what changes hands from `before` to `next`. Nothing is changed unless all can; what is
   * begun and cannot be ended by this call is ended by `settle`, or by whoever asks for this map or a newer one.
   *
   * @returns false if this router's account may not do that.
   * @throws what a group refuses it with.
   */
  async move(before: ShardDirectory, { directory, lanes }: ClaimedMap): Promise<boolean> {
    const maps = [...directory.namespaces.values()].filter(
      (map) => !hasSameOwners(before.namespaces.get(map.namespace), map),
    );
    for (let tries = 1; ; tries++) {
      try {
        const isVerified = await this.#driveAll(maps, lanes);
        if (isVerified && maps.length === directory.namespaces.size) this.#doneFor = directory;
        return true;
      } catch (error) {
        if (error instanceof ForbiddenError) return false;
        if (!isPassing(error) || tries >= triesMax || this.#isClosed) throw error;
        await this.#wait(retryMs.first * this.#deps.random.next());
      }
    }
  }

  /** Until it is done. @throws what a group refuses it with for good. */
  async found(current: () => ClaimedMap): Promise<void> {
    let isLate = false;
    for (let tries = 0; ; tries++) {
      const { directory, lanes } = current();
      try {
        await allOf([...directory.namespaces.values()].map((map) => this.#drive(map, lanes)));
        this.#doneFor = directory;
        if (isLate)
          this.#deps.logger.info({ version: directory.version }, 'the groups own what the map says');
        isLate = false;
        // Another map may have come into force while this one was carried out.
        if (current().directory === directory) return;
      } catch (error) {
        if (this.#isClosed) throw new ClosedError('the router is closed');
        // Another map is in force, and may be why this one was refused.
        if (current().directory !== directory) continue;
        if (!isPassing(error) && !(error instanceof BucketInUseError)) throw error;
        const why = error instanceof Error ? error.message : '';
        if (!isLate) this.#deps.logger.warn({ why }, 'the groups do not own yet what the map says');
        isLate = true;
        const stepMs = Math.min(retryMs.longest, retryMs.first * 2 ** Math.min(tries, 8));
        await this.#wait(stepMs * (0.5 + this.#deps.random.next()));
      }
    }
  }

  /**
   * After a reload, in the background: what was not asked of every group, or was left half-way by somebody who died, is put right. What
   * a group refuses for good is logged.
   */
  settle(current: () => ClaimedMap): void {
    if (this.#isSettling || this.#isClosed || this.isDoneFor(current().directory)) return;
    this.#isSettling = true;
    this.found(current)
      .catch((error: unknown) => {
        if (this.#isClosed || error instanceof ForbiddenError) return;
        const why = error instanceof Error ? error.message : String(error);
        this.#deps.logger.warn({ why }, 'the groups do not own what the map says');
      })
      .finally(() => {
        this.#isSettling = false;
      });
  }

  /** What the groups say now. @throws ForbiddenError, DeadlineExceededError, ClosedError */
  ownership(lanes: readonly Lane[]): Promise<readonly ShardOwnership[]> {
    return allOf(
      lanes.map(async (lane) => {
        const { name, number, namespace } = lane.shard;
        const { map, owned, ceded, occupied } = await this.#deps.questions.ownership(lane);
        return { name, number, namespace, mapVersion: map?.version ?? 0, owned, ceded, occupied };
      }),
    );
  }

  close(): void {
    this.#isClosed = true;
    for (const [timer, reject] of this.#waits) {
      timer.cancel();
      reject(new ClosedError('the router is closed'));
    }
    this.#waits.clear();
  }

  /** All is asked before anything is claimed: a bucket that is in use stops the whole change. @returns as `#finish` for all. */
  async #driveAll(maps: readonly ShardMap[], lanes: readonly Lane[]): Promise<boolean> {
    const works = await this.#reporting(lanes, () => allOf(maps.map((map) => this.#survey(map, lanes))));
    const ends = await this.#reporting(lanes, () => allOf(works.map((work) => this.#finish(work))));
    return ends.every((isVerified) => isVerified);
  }

  /** One namespace, whatever becomes of the others. */
  async #drive(map: ShardMap, lanes: readonly Lane[]): Promise<void> {
    const work = await this.#reporting(lanes, () => this.#survey(map, lanes));
    if (await this.#reporting(lanes, () => this.#finish(work))) return;
    throw new EpochMovedOn('not every group could be asked whether all stayed as it was made');
  }

  /**
   * Has buckets change hands until the groups, asked anew, say that nothing is left: whoever carries out an older map may have taken a
   * bucket from its owner after the survey, until that group heard of this map.
   *
   * @returns false if all was taken and given, but some group did not answer when it was asked anew.
   */
  async #finish(first: OwnershipWork): Promise<boolean> {
    let work = first;
    for (let rounds = 1; !isSettled(work); rounds++) {
      if (rounds > roundsMax) throw new EpochMovedOn('others change the same buckets at the same time');
      await changeHands(this.#deps.questions, work);
      const seen = await this.#survey(work.map, work.lanes).catch((error: unknown) => {
        if (isPassing(error)) return undefined;
        throw error;
      });
      if (seen === undefined) return false;
      work = seen;
    }
    return true;
  }

  async #survey(map: ShardMap, lanes: readonly Lane[]): Promise<OwnershipWork> {
    if (this.#isClosed) throw new ClosedError('the router is closed');
    const own = lanes.filter(({ shard }) => shard.namespace === map.namespace);
    const work = await surveyOwnership(this.#deps.questions, map, own);
    this.#works.set(map.namespace, work);
    return work;
  }

  /** That a group does not take the map is a problem, beside an error. */
  async #reporting<T>(lanes: readonly Lane[], work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof ConflictingMapError) {
        const shard = lanes.find((lane) => error.message.includes(lane.shard.name))?.shard.name ?? '';
        this.#deps.events.problem({
          kind: 'conflictingMap',
          shard,
          address: undefined,
          message: error.message,
        });
      }
      throw error;
    }
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#deps.clock.after(delayMs, () => {
        this.#waits.delete(timer);
        resolve();
      });
      this.#waits.set(timer, reject);
    });
  }
}

/** True for what another try may not meet again. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof DeadlineExceededError ||
    error instanceof UnknownOutcomeError ||
    error instanceof EpochMovedOn
  );
}

/** True if no bucket changes its owner: then there is nothing to ask anybody. */
function hasSameOwners(before: ShardMap | undefined, next: ShardMap): boolean {
  if (before === undefined || before.owners.length !== next.owners.length) return false;
  return before.owners.every((range, at) => {
    const other = next.owners[at];
    return other?.from === range.from && other.to === range.to && other.number === range.number;
  });
}
