import { InvalidOptionError } from '../base/errors.ts';
import { type ClusterId, type Incarnation, isName, type NodeId } from '../base/ids.ts';
import type { RaftOptions } from './types.ts';

/** The longest lease a round may ask for; a longer one is impossible and dropped. */
export const leaseMsMax = 600_000;
/** The widest drift a member may be told to expect; each member has its own. */
export const driftBoundMax = 0.5;
/** The highest term; a message above it is impossible. */
export const termMax: number = 2 ** 52;
/** Bytes a leader appends beyond its commit index, in windows of `inflightBytesMax`; more is refused as `busy`. */
export const uncommittedWindowsMax = 4;
/** The most members a first configuration may have. */
export const membersMax = 63;

/** What a caller says; the numbers have defaults. */
export interface RaftOptionsInput {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly peers: readonly NodeId[];
  readonly random: () => number;
  readonly mintClusterId: () => ClusterId;
  readonly heartbeatMs?: number | undefined;
  readonly electionTimeoutMinMs?: number | undefined;
  readonly electionTimeoutMaxMs?: number | undefined;
  readonly leaseMs?: number | undefined;
  readonly driftBound?: number | undefined;
  readonly rankStepMs?: number | undefined;
  readonly rankOffset?: number | undefined;
  readonly appendBytesMax?: number | undefined;
  readonly inflightBytesMax?: number | undefined;
  readonly logBytesMax?: number | undefined;
  readonly readsMax?: number | undefined;
}

/**
 * Fills in the defaults and checks ranges and relations.
 *
 * @throws InvalidOptionError naming the option and what it contradicts.
 */
export function resolveRaftOptions(input: RaftOptionsInput): RaftOptions {
  const electionTimeoutMinMs = input.electionTimeoutMinMs ?? 1_000;
  const options: RaftOptions = {
    id: input.id,
    incarnation: input.incarnation,
    peers: [...input.peers].sort(),
    random: input.random,
    mintClusterId: input.mintClusterId,
    heartbeatMs: input.heartbeatMs ?? 100,
    electionTimeoutMinMs,
    electionTimeoutMaxMs: input.electionTimeoutMaxMs ?? electionTimeoutMinMs * 2,
    leaseMs: input.leaseMs ?? electionTimeoutMinMs * 0.8,
    driftBound: input.driftBound ?? 0.05,
    rankStepMs: input.rankStepMs ?? 10,
    rankOffset: input.rankOffset ?? 0,
    appendBytesMax: input.appendBytesMax ?? 1024 * 1024,
    inflightBytesMax: input.inflightBytesMax ?? 4 * 1024 * 1024,
    logBytesMax: input.logBytesMax ?? 256 * 1024 * 1024,
    readsMax: input.readsMax ?? 10_000,
  };
  checkMembers(options);
  checkTimes(options);
  checkBounds(options);
  return options;
}

function checkMembers({ id, peers }: RaftOptions): void {
  require(isName(id), `id must be 1 to 64 characters of A-Z a-z 0-9 . _ -, got "${id}"`);
  for (const peer of peers) require(isName(peer), `peers names "${peer}", which is not a valid id`);
  require(new Set(peers).size === peers.length, 'peers names an id twice');
  require(peers.includes(id), `peers must name this node (${id}) too`);
  require(peers.length <= membersMax, `peers may name ${membersMax} members at most, got ${peers.length}`);
}

function checkTimes(options: RaftOptions): void {
  const { heartbeatMs, electionTimeoutMinMs, electionTimeoutMaxMs, leaseMs, driftBound, rankStepMs } =
    options;
  require(heartbeatMs > 0, `heartbeatMs must be above 0, got ${heartbeatMs}`);
  require(heartbeatMs * 2 <=
    electionTimeoutMinMs, `heartbeatMs (${heartbeatMs}) must be at most half of electionTimeoutMinMs (${electionTimeoutMinMs})`);
  require(Number.isFinite(electionTimeoutMaxMs) &&
    electionTimeoutMaxMs >
      electionTimeoutMinMs, `electionTimeoutMaxMs (${electionTimeoutMaxMs}) must be above electionTimeoutMinMs (${electionTimeoutMinMs})`);
  require(leaseMs >=
    2 *
      heartbeatMs, `leaseMs (${leaseMs}) must be at least two heartbeatMs (${heartbeatMs}): each renews it`);
  require(leaseMs <=
    0.8 *
      electionTimeoutMinMs, `leaseMs (${leaseMs}) must be at most 0.8 of electionTimeoutMinMs (${electionTimeoutMinMs})`);
  require(leaseMs <= leaseMsMax, `leaseMs must be at most ${leaseMsMax}, got ${leaseMs}`);
  require(driftBound >= 0 &&
    driftBound <= driftBoundMax, `driftBound must be from 0 to ${driftBoundMax}, got ${driftBound}`);
  require(rankStepMs > 0 &&
    rankStepMs <=
      heartbeatMs, `rankStepMs (${rankStepMs}) must be above 0 and at most heartbeatMs (${heartbeatMs})`);
}

function checkBounds({
  appendBytesMax,
  inflightBytesMax,
  logBytesMax,
  readsMax,
  rankOffset,
}: RaftOptions): void {
  require(Number.isSafeInteger(rankOffset) &&
    rankOffset >= 0, `rankOffset must be a whole number from 0, got ${rankOffset}`);
  requireCount('appendBytesMax', appendBytesMax);
  requireCount('inflightBytesMax', inflightBytesMax);
  requireCount('logBytesMax', logBytesMax);
  requireCount('readsMax', readsMax);
  require(appendBytesMax <=
    inflightBytesMax, `appendBytesMax (${appendBytesMax}) must be at most inflightBytesMax (${inflightBytesMax})`);
}

function requireCount(name: string, value: number): void {
  require(Number.isSafeInteger(value) && value > 0, `${name} must be a whole number above 0, got ${value}`);
}

function require(condition: boolean, message: string): void {
  if (!condition) throw new InvalidOptionError(message);
}
