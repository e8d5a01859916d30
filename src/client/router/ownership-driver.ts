import {
  BucketInUseError,
  ConflictingMapError,
  InvalidArgumentError,
  LowerVersionError,
  ProtocolError,
} from '../../base/errors.ts';
import type { QueueResult } from '../../queue/types.ts';
import type { ShardMap } from '../../sharding/shard-map.ts';
import type { BucketRange, EpochRange } from '../../sharding/types.ts';
import type { OwnershipBody } from '../../wire/shard-frames.ts';
import type { Lane } from './lane.ts';
import {
  type Gain,
  highestEpochs,
  nextEpochs,
  type Plan,
  planGains,
  type Report,
  without,
} from './ownership-plan.ts';
import type { Questions } from './questions.ts';

type Disowned = Extract<QueueResult, { readonly type: 'disowned' }>;

/** An epoch had been seen where we did not look: asking anew finds a higher one. */
export class EpochMovedOn extends Error {}

/** What one namespace needs, found before anything is claimed. */
export interface OwnershipWork extends Plan {
  readonly map: ShardMap;
  readonly lanes: readonly Lane[];
  readonly reports: readonly Report[];
}

/**
 * Asks every group of a namespace what it owns, and finds what must change hands.
 *
 * @throws what `planGains` throws, and what the groups refuse.
 */
export async function surveyOwnership(
  questions: Questions,
  map: ShardMap,
  lanes: readonly Lane[],
): Promise<OwnershipWork> {
  const shards = map.shards;
  const reports = await allOf(
    lanes.map(async (lane) => {
      const shard = shards.find(({ number }) => number === lane.shard.number) ?? lane.shard;
      return { shard, body: await questions.ownership(lane) };
    }),
  );
  return { map, lanes, reports, ...planGains(map, reports) };
}

/** Nothing changes hands any more, and no group from which an older map could take something has not heard of this one. */
export function isSettled({ map, reports, gains, stays }: OwnershipWork): boolean {
  if (gains.length > 0 || stays.length > 0) return false;
  return reports.every(({ body }) => knows(body, map) || body.owned.length === 0);
}

/**
 * Has every other group give up, or promise never to have, what a shard gains; then that shard takes it under a higher epoch.
 * Every step may be repeated, also by another router at the same time.
 *
 * @throws BucketInUseError when something is in use after the change has begun: the rest goes on to its new owner, and that
 * stays where it was. EpochMovedOn, or what a group refuses.
 */
export async function changeHands(questions: Questions, work: OwnershipWork): Promise<void> {
  if (work.gains.length === 0) await tellVersion(questions, work);
  const stayed = await allOf(work.gains.map((gain) => gainBuckets(questions, work, gain)));
  const [why] = [...work.stays, ...stayed.flat()];
  if (why !== undefined) throw new BucketInUseError(why);
}

function knows({ map: known }: OwnershipBody, map: ShardMap): boolean {
  return known?.version === map.version;
}

/** Nothing changes hands, but whoever still carries out an older map must be refused from now on. */
async function tellVersion(questions: Questions, { map, lanes, reports }: OwnershipWork): Promise<void> {
  await allOf(
    reports.map(async ({ shard, body }) => {
      const lane = lanes.find((each) => each.shard.number === shard.number);
      if (knows(body, map) || body.owned.length === 0 || lane === undefined) return;
      const claim = { type: 'own', map: map.name, shard: shard.name, ranges: body.owned } as const;
      const result = await questions.claim(lane, claim);
      if (result.type !== 'owned') throw refusalOf(result, shard.name);
    }),
  );
}

/** @returns why some buckets stay where they are; nothing if all went. */
async function gainBuckets(
  questions: Questions,
  work: OwnershipWork,
  gain: Gain,
): Promise<readonly string[]> {
  const { map, lanes, reports } = work;
  const others = lanes.filter((lane) => lane.shard.number !== gain.shard.number);
  const given = await allOf(others.map((lane) => giveUp(questions, work, gain, lane)));
  const stays = given.flatMap((answer) => answer.stays);
  const ranges = without(map, gain.ranges, stays);
  const gainer = lanes.find((lane) => lane.shard.number === gain.shard.number);
  if (ranges.length > 0 && gainer !== undefined) {
    const own = reports.find(({ shard }) => shard.number === gain.shard.number)?.body;
    const seen = [...given.map((answer) => answer.epochs), own?.owned ?? [], own?.ceded ?? []];
    const epochs = nextEpochs(ranges, highestEpochs(map, seen));
    const claim = { type: 'own', map: map.name, shard: gain.shard.name, ranges: epochs } as const;
    const result = await questions.claim(gainer, claim);
    if (result.type !== 'owned') throw refusalOf(result, gain.shard.name);
  }
  return given.flatMap((answer) => (answer.why === undefined ? [] : [answer.why]));
}

interface GivenUp {
  readonly epochs: readonly EpochRange[];
  /** What the group keeps after all. */
  readonly stays: readonly BucketRange[];
  readonly why: string | undefined;
}

async function giveUp(questions: Questions, work: OwnershipWork, gain: Gain, lane: Lane): Promise<GivenUp> {
  const { map, reports } = work;
  const disown = async (ranges: readonly BucketRange[]): Promise<QueueResult> =>
    questions.claim(lane, { type: 'disown', map: map.name, to: gain.shard.name, ranges });
  const result = await disown(gain.ranges);
  if (result.type === 'disowned') return { epochs: result.epochs, stays: [], why: undefined };
  if (result.type !== 'refused' || result.code !== 'BUCKET_IN_USE') throw refusalOf(result, lane.shard.name);
  const stays = reports.find(({ shard }) => shard.number === lane.shard.number)?.body.owned ?? [];
  const why = `shard ${lane.shard.name}: ${result.message}`;
  const rest = without(map, gain.ranges, stays);
  if (rest.length === 0) return { epochs: [], stays, why };
  const { epochs } = await promised(disown(rest), lane);
  return { epochs, stays, why };
}

async function promised(answer: Promise<QueueResult>, lane: Lane): Promise<Disowned> {
  const result = await answer;
  if (result.type !== 'disowned') throw refusalOf(result, lane.shard.name);
  return result;
}

function refusalOf(result: QueueResult, shard: string): Error {
  if (result.type !== 'refused')
    return new ProtocolError(`shard ${shard} answered a claim with ${result.type}`);
  const message = `shard ${shard}: ${result.message}`;
  switch (result.code) {
    case 'BUCKET_IN_USE':
      return new BucketInUseError(message);
    case 'CONFLICTING_MAP':
      return new ConflictingMapError(message);
    case 'LOWER_VERSION':
      return new LowerVersionError(message);
    case 'CONDITION_FAILED':
      return new EpochMovedOn(message);
    default:
      return new InvalidArgumentError(`${message} (${result.code})`);
  }
}

/** As Promise.all, but nothing goes on behind the back of whoever gets the first error. */
export async function allOf<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((each) => {
    if (each.status === 'rejected') throw each.reason;
    return each.value;
  });
}
