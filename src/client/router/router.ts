import type { Buffer } from 'node:buffer';
import { ClosedError, InvalidArgumentError, ReloadInProgressError } from '../../base/errors.ts';
import type { ClientId } from '../../base/ids.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Random } from '../../ports/random.ts';
import type { ShardDirectory } from '../../sharding/shard-directory.ts';
import { encodeRefused, type ServiceRefusal } from '../../wire/client-frame.ts';
import { frameKinds, noBucket } from '../../wire/client-header.ts';
import { type ClaimedMap, Claims } from './claims.ts';
import { Entry, ownAnswer } from './entry.ts';
import { explainRoute } from './explain.ts';
import { bucketOf, groupOf, kindCodeOf, takeHop } from './frame-fields.ts';
import { busyRetryMs, type Lane } from './lane.ts';
import { Questions } from './questions.ts';
import { RouteTable } from './route-table.ts';
import type {
  OpenNodeChannel,
  Origin,
  RouteExplanation,
  RouterEvents,
  RouterStatus,
  ShardOwnership,
} from './types.ts';
import { Ways } from './ways.ts';

export interface RouterDeps {
  readonly directory: ShardDirectory;
  readonly openNode: OpenNodeChannel;
  /** Of its own links; what the router itself asks goes under this id. */
  readonly clientId: ClientId;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events: RouterEvents;
}

/** Finds shard and leader of each frame, holds what cannot be sent now, and sends again what may have been lost. */
export class Router {
  readonly #clock: Clock;
  readonly #events: RouterEvents;
  readonly #table: RouteTable;
  readonly #ways: Ways;
  readonly #claims: Claims;
  #order = 0;
  #correlation = 0;
  #isReloading = false;
  #isClosed = false;

  constructor({ directory, openNode, clientId, clock, random, logger, events }: RouterDeps) {
    this.#clock = clock;
    this.#events = events;
    this.#ways = new Ways({ openNode, clientId, clock, random }, events);
    this.#table = new RouteTable(directory, {
      clock,
      nextCorrelation: () => {
        this.#correlation = (this.#correlation + 1) % 0x1_0000_0000;
        return this.#correlation;
      },
      replicaOf: (lane) => this.#ways.of(lane).replica(),
      describe: (lane) => this.#ways.of(lane).describe(),
    });
    const submit = (frame: Buffer, origin: Origin, lane: Lane) => this.#enter(frame, origin, lane);
    this.#claims = new Claims({ questions: new Questions(clientId, submit), clock, random, logger, events });
  }

  /** The map in force. */
  get directory(): ShardDirectory {
    return this.#table.directory;
  }

  /** Dials every node of every shard. */
  start(): void {
    this.#ways.sync(this.#table.lanes());
  }

  /** Takes one frame: its header is patched in place from now on. What cannot be routed is refused through `origin`. */
  submit(frame: Buffer, origin: Origin): void {
    const lane = this.#table.laneNumbered(groupOf(frame));
    if (lane === undefined) {
      this.#refuse(frame, origin, 'UNKNOWN_GROUP', `this map has no shard ${groupOf(frame)}`);
      return;
    }
    if (!takeHop(frame)) {
      this.#refuse(frame, origin, 'TOO_MANY_HOPS', 'the frame was passed on too often');
      return;
    }
    switch (kindCodeOf(frame)) {
      case frameKinds.cancel:
        lane.cancel(frame);
        break;
      case frameKinds.settle:
        // Nobody counts them: what a slow node gets too many of is left out, and said again by the next request.
        if (lane.leader?.isFull === false) lane.tell(frame);
        break;
      case frameKinds.renew:
        lane.tell(frame);
        break;
      default:
        this.#route(frame, origin, lane);
        break;
    }
  }

  /** The client is gone: what is with no node is forgotten, the rest runs to its end in silence; answers of `attach` still come. */
  drop(origin: Origin): void {
    for (const lane of this.#table.lanes()) lane.drop(origin, nobody);
  }

  /**
   * Puts another map in force: checks it, has the groups change hands what changes hands, then swaps it whole. A router whose
   * account may not do that leaves it to others, and asks the old owner of a bucket until that one sends it on.
   *
   * @throws ShardFileError, BucketInUseError, ConflictingMapError, LowerVersionError, DeadlineExceededError when a shard does
   * not answer, ReloadInProgressError; then the map in force stays.
   */
  async reload(next: ShardDirectory): Promise<void> {
    if (this.#isClosed) throw new ClosedError('the router is closed');
    if (this.#isReloading) throw new ReloadInProgressError('a reload is under way');
    this.#isReloading = true;
    try {
      const directory = this.directory.successor(next);
      const staged = this.#table.stage(directory);
      this.#ways.sync(staged, directory);
      const done = await this.#claims.move(this.directory, { directory, lanes: staged });
      if (this.#isClosed) throw new ClosedError('the router is closed');
      this.#table.swap(directory, staged, done);
    } finally {
      this.#isReloading = false;
      if (!this.#isClosed) this.#ways.sync(this.#table.lanes());
    }
    this.#events.mapChanged();
    this.#claims.settle(() => this.#claimedMap());
  }

  /**
   * Has the groups own what the map in force says; asks again until it is done.
   *
   * @throws ForbiddenError without `admin`; ConflictingMapError, LowerVersionError or BucketInUseError when a group has another
   * word; ClosedError.
   */
  claim(): Promise<void> {
    return this.#claims.found(() => this.#claimedMap());
  }

  /**
   * What the groups' own logs say that they own, asked now: all, or the shard of a number.
   *
   * @throws ForbiddenError without `admin`; DeadlineExceededError.
   */
  ownership(number?: number): Promise<readonly ShardOwnership[]> {
    const lanes = [...this.#table.lanes()];
    return this.#claims.ownership(lanes.filter(({ shard }) => (number ?? shard.number) === shard.number));
  }

  #claimedMap(): ClaimedMap {
    return { directory: this.directory, lanes: [...this.#table.lanes()] };
  }

  /** @throws InvalidArgumentError for what is no key, or a queue of no namespace. */
  explain(queueOrNamespace: string, key: string): RouteExplanation {
    const map = this.directory.namespaceOf(queueOrNamespace);
    if (map === undefined) throw new InvalidArgumentError(`no namespace has the queue ${queueOrNamespace}`);
    const bucket = map.bucketOf(key);
    const lane = this.#table.routesOf(map.namespace).laneOf(bucket)!;
    return explainRoute({
      map,
      key,
      bucket,
      way: this.#ways.of(lane),
      epoch: this.#claims.epochOf(lane, bucket),
    });
  }

  status(): RouterStatus {
    return {
      mapVersion: this.directory.version,
      reloading: this.#isReloading,
      claimed: this.#claims.isDoneFor(this.directory),
      shards: [...this.#table.lanes()].map((lane) =>
        this.#ways.of(lane).status(this.#table.routesOf(lane.shard.namespace).holds.countFor(lane)),
      ),
    };
  }

  /** Closes every link. What waits is answered: refused if it was never sent, unknown otherwise. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#claims.close();
    this.#table.close();
    this.#ways.close();
  }

  #route(frame: Buffer, origin: Origin, lane: Lane): void {
    const bucket = bucketOf(frame);
    if (bucket === noBucket) {
      this.#enter(frame, origin, lane);
      return;
    }
    const routes = this.#table.routesOf(lane.shard.namespace);
    const { holds } = routes;
    const waitsFor = holds.targetOf(bucket);
    const target = waitsFor ?? routes.laneOf(bucket);
    if (target === undefined) {
      this.#refuse(frame, origin, 'PROTOCOL', `${lane.shard.namespace} has no bucket ${bucket}`);
      return;
    }
    const entry = new Entry(frame, origin, target, holds, this.#order++, this.#clock.monotonicMs());
    if (!this.#register(entry)) return;
    if (waitsFor === undefined) target.dispatch(entry);
    else holds.queue(entry);
  }

  #enter(frame: Buffer, origin: Origin, lane: Lane): void {
    const entry = new Entry(frame, origin, lane, undefined, this.#order++, this.#clock.monotonicMs());
    if (this.#register(entry)) lane.dispatch(entry);
  }

  #register(entry: Entry): boolean {
    const { lane, frame, origin } = entry;
    if (this.#isClosed) this.#refuse(frame, origin, 'CLOSED', 'the router is closed');
    else if (!lane.entries.hasRoomFor(entry))
      this.#refuse(frame, origin, 'BUSY', `too many requests wait for shard ${lane.shard.name}`, busyRetryMs);
    else {
      lane.register(entry);
      return true;
    }
    return false;
  }

  /** Nothing of the frame was sent. Told later: whoever submits is not called back inside. */
  #refuse(frame: Buffer, origin: Origin, code: ServiceRefusal, message: string, retryAfterMs = 0): void {
    if (hasNoAnswer(kindCodeOf(frame))) return;
    const body = encodeRefused({ code, message, retryAfterMs });
    const answer = ownAnswer(frame, 'refused', body, groupOf(frame));
    queueMicrotask(() => origin.answer(answer));
  }
}

const nobody: Origin = { answer: () => undefined };

function hasNoAnswer(kind: number): boolean {
  return kind === frameKinds.cancel || kind === frameKinds.settle || kind === frameKinds.renew;
}
