import { Buffer } from 'node:buffer';
import { ProtocolError } from '../base/errors.ts';
import { isName } from '../base/ids.ts';
import type { Claim } from '../queue/types.ts';
import type { BucketRange, EpochRange, MapName, PartitionerName } from '../sharding/types.ts';
import { readBin, readEnum, readInt, readList, readOptional, readString, readTuple } from './fields.ts';
import { asBuffer, decodeStrict, encodeTuple, type WireValue } from './msgpack.ts';

/**
 * Bodies of the client frames that speak of shards. Every `read…` throws ProtocolError unless the body is exactly one of its
 * kind; ranges come as one bin of unsigned 32-bit integers, big-endian.
 */

/** The body of `wrongShard` and `frozen`: this attempt did nothing, and never will. */
export interface RedirectBody {
  /** The name of the shard that owns the bucket as far as this group's log says; undefined when it says nothing. */
  readonly owner: string | undefined;
  /** The newest map version in this group's log, 0 for none; if this group is the owner, the one that brought it the bucket. */
  readonly version: number;
}

/** Buckets that a group gave up, and to whom. */
export interface CededRange extends EpochRange {
  readonly owner: string;
}

/** The body of `ownershipResult`: what the group's log says that it owns, as a read that holds every acknowledged write. */
export interface OwnershipBody {
  /** Undefined for a group that was never told of a map: it serves every key, and no sharded client. */
  readonly map: MapName | undefined;
  readonly shard: string | undefined;
  readonly owned: readonly EpochRange[];
  readonly ceded: readonly CededRange[];
  /** Owned buckets that hold a task, a lease or a remembered answer: those cannot move. */
  readonly occupied: readonly BucketRange[];
}

/** The body of `claim`: a change of ownership for the group's log. Idempotent: the same claim twice is one. */
export type ClaimBody = Claim;

/** One namespace as a router tells its clients: enough to find a key's shard, and no address. */
export interface NamespaceTable extends MapName {
  readonly shards: readonly { readonly name: string; readonly number: number }[];
  /** Every bucket once, ascending; `number` is the owner's. */
  readonly owners: readonly (BucketRange & { readonly number: number })[];
}

/** The body of `shards`, pushed when a link opens and after each change. */
export interface ShardTable {
  readonly version: number;
  readonly namespaces: readonly NamespaceTable[];
}

export function encodeRedirect(body: RedirectBody): Buffer {
  return encodeTuple([body.owner ?? null, body.version]);
}

export function readRedirect(bytes: Uint8Array): RedirectBody {
  const [owner, version] = readTuple(decodeStrict(bytes), 'redirect', 2);
  return {
    owner: readOptional(owner, 'owner', readName),
    version: readInt(version, 'version', 0, uint32Max),
  };
}

export function encodeOwnership(body: OwnershipBody): Buffer {
  const { map, shard, owned, ceded, occupied } = body;
  const owners = [...new Set(ceded.map((range) => range.owner))];
  return encodeTuple([
    map === undefined ? null : mapToTuple(map),
    shard ?? null,
    packNumbers(owned.flatMap(({ from, to, epoch }) => [from, to, epoch])),
    owners,
    packNumbers(ceded.flatMap(({ from, to, epoch, owner }) => [from, to, epoch, owners.indexOf(owner)])),
    packNumbers(occupied.flatMap(({ from, to }) => [from, to])),
  ]);
}

export function readOwnership(bytes: Uint8Array): OwnershipBody {
  const [map, shard, owned, names, ceded, occupied] = readTuple(decodeStrict(bytes), 'ownership', 6);
  const owners = readList(names, 'owners', shardsMax, readName);
  return {
    map: readOptional(map, 'map', readMapName),
    shard: readOptional(shard, 'shard', readName),
    owned: readRows(owned, 'owned', 3).map(([from = 0, to = 0, epoch = 0]) => ({ from, to, epoch })),
    ceded: readRows(ceded, 'ceded', 4).map(([from = 0, to = 0, epoch = 0, at = 0]) => {
      const owner = owners[at];
      if (owner === undefined) throw new ProtocolError('ceded: no such owner');
      return { from, to, epoch, owner };
    }),
    occupied: readRows(occupied, 'occupied', 2).map(([from = 0, to = 0]) => ({ from, to })),
  };
}

export function encodeClaim(body: ClaimBody): Buffer {
  return encodeTuple(claimToTuple(body));
}

export function readClaim(bytes: Uint8Array): ClaimBody {
  return claimFromTuple(decodeStrict(bytes), 'claim');
}

/** For whoever puts a claim into a larger tuple: the log. */
export function claimToTuple(body: ClaimBody): readonly WireValue[] {
  const map = mapToTuple(body.map);
  if (body.type === 'own') {
    return [0, map, body.shard, packNumbers(body.ranges.flatMap(({ from, to, epoch }) => [from, to, epoch]))];
  }
  return [1, map, body.to, packNumbers(body.ranges.flatMap(({ from, to }) => [from, to]))];
}

export function claimFromTuple(value: unknown, what: string): ClaimBody {
  const [code, name, shard, ranges] = readTuple(value, what, 4);
  const type = readEnum(code, 'claim', claimTypes);
  const map = readMapName(name, 'map');
  if (type === 'own') {
    const rows = readRows(ranges, 'ranges', 3).map(([from = 0, to = 0, epoch = 0]) => ({ from, to, epoch }));
    return { type, map, shard: readName(shard, 'shard'), ranges: rows };
  }
  const rows = readRows(ranges, 'ranges', 2).map(([from = 0, to = 0]) => ({ from, to }));
  return { type, map, to: readName(shard, 'to'), ranges: rows };
}

export function encodeShardTable(table: ShardTable): Buffer {
  const namespaces = table.namespaces.map((each) => [
    mapToTuple(each),
    each.shards.map(({ name, number }) => [name, number]),
    packNumbers(each.owners.flatMap(({ from, to, number }) => [from, to, number])),
  ]);
  return encodeTuple([table.version, namespaces]);
}

export function readShardTable(bytes: Uint8Array): ShardTable {
  const [version, namespaces] = readTuple(decodeStrict(bytes), 'shards', 2);
  return {
    version: readInt(version, 'version', 0, uint32Max),
    namespaces: readList(namespaces, 'namespaces', namespacesMax, readNamespace),
  };
}

const uint32Max = 0xffff_ffff;
const bucketsMax = 65_536;
const shardsMax = 4_096;
const namespacesMax = 64;
const claimTypes = ['own', 'disown'] as const;
const partitionerCodes: readonly PartitionerName[] = [
  'buckets',
  'crc32',
  'sumbur',
  'guava',
  'jump',
  'tarantoolGuava',
];

function mapToTuple(map: MapName): readonly WireValue[] {
  const { namespace, version, digest, partitioner, bucketCount } = map;
  return [namespace, version, digest, partitionerCodes.indexOf(partitioner), bucketCount];
}

function readMapName(value: unknown, what: string): MapName {
  const [namespace, version, digest, partitioner, bucketCount] = readTuple(value, what, 5);
  return {
    namespace: readName(namespace, 'namespace'),
    version: readInt(version, 'version', 0, uint32Max),
    digest: readInt(digest, 'digest', 0, uint32Max),
    partitioner: readEnum(partitioner, 'partitioner', partitionerCodes),
    bucketCount: readInt(bucketCount, 'bucketCount', 1, bucketsMax),
  };
}

function readNamespace(value: unknown, what: string): NamespaceTable {
  const [map, shards, owners] = readTuple(value, what, 3);
  return {
    ...readMapName(map, 'map'),
    shards: readList(shards, 'shards', shardsMax, (item, name) => {
      const [shard, number] = readTuple(item, name, 2);
      return { name: readName(shard, 'name'), number: readInt(number, 'number', 1, 65_535) };
    }),
    owners: readRows(owners, 'owners', 3).map(([from = 0, to = 0, number = 0]) => ({ from, to, number })),
  };
}

function readName(value: unknown, what: string): string {
  const text = readString(value, what, 64);
  if (!isName(text)) throw new ProtocolError(`${what} is no name`);
  return text;
}

/** As rows of ranges travel: unsigned 32-bit integers, big-endian. */
export function packNumbers(numbers: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(numbers.length * 4);
  for (const [at, number] of numbers.entries()) bytes.writeUInt32BE(number, at * 4);
  return bytes;
}

/** Rows of numbers of which the first two are a range of buckets. */
export function readRows(value: unknown, what: string, width: number): readonly (readonly number[])[] {
  const bytes = asBuffer(readBin(value, what, bucketsMax * width * 4));
  if (bytes.length % (width * 4) !== 0) throw new ProtocolError(`${what} ends early`);
  const rows: number[][] = [];
  for (let at = 0; at < bytes.length; at += width * 4) {
    const row = Array.from({ length: width }, (_, field) => bytes.readUInt32BE(at + field * 4));
    const [from = 0, to = 0] = row;
    if (from > to || to >= bucketsMax) throw new ProtocolError(`${what} holds no range`);
    rows.push(row);
  }
  return rows;
}
