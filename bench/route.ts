import { crc32 } from 'node:zlib';
import { ShardMap } from '../src/sharding/shard-map.ts';
import { type PartitionerName, partitionerNames } from '../src/sharding/types.ts';
import { row } from './measure.ts';
import type { BenchOptions, BenchResult } from './options.ts';

const keyCount = 8_192;

/**
 * What does it cost to find the shard of a key? Keys are 20 to 30 bytes long, each call one of 8,192; the figure is in
 * nanoseconds. Beside it: the same loop doing nothing, and zlib's checksum of the same strings alone.
 */
export async function benchRoute(options: BenchOptions): Promise<BenchResult> {
  const keys = Array.from({ length: keyCount }, (_, at) => `user-${at * 7_919 + 1_000_000}@mail.example`);
  const seconds = options.seconds / 20;
  const measure = <K>(list: readonly K[], call: (key: K) => number) => nanoseconds(list, call, seconds);
  const maps = new Map(partitionerNames.map((name) => [name, mapOf(name, name === 'buckets' ? 16_384 : 16)]));
  const map = maps.get('buckets') ?? mapOf('buckets', 16_384);
  const json = {
    routeNs: measure(keys, (key) => map.shardOf(key).number),
    routeBytesNs: measure(
      keys.map((key) => new TextEncoder().encode(key)),
      (key) => map.shardOf(key).number,
    ),
    routeTagNs: measure(
      keys.map((key) => `{${key}}`),
      (key) => map.shardOf(key).number,
    ),
    routeCyrillicNs: measure(
      keys.map((key) => `ключ-${key}`),
      (key) => map.shardOf(key).number,
    ),
    partitioners: Object.fromEntries(
      [...maps].map(([name, each]) => [name, measure(keys, (key) => each.shardOf(key).number)]),
    ),
    yardstick: {
      loopNs: measure(keys, (key) => key.length),
      zlibCrc32Ns: measure(keys, (key) => crc32(key)),
    },
  };
  const { loopNs, zlibCrc32Ns } = json.yardstick;
  const line = (what: string, ns: number) =>
    row(what, `${ns.toFixed(1)} ns`, `zlib crc32 ${zlibCrc32Ns.toFixed(1)} ns`, ns / zlibCrc32Ns);
  return {
    json,
    table: [
      'route(key): bucket and owner of a key of 20 to 30 bytes',
      line('buckets, 16,384 of them', json.routeNs),
      line('  the key as bytes', json.routeBytesNs),
      line('  the key in braces', json.routeTagNs),
      line('  a key that is not ASCII', json.routeCyrillicNs),
      ...partitionerNames
        .filter((name) => name !== 'buckets')
        .map((name) => line(`${name}, 16 shards`, json.partitioners[name] ?? 0)),
      row('the loop alone', `${loopNs.toFixed(1)} ns`),
    ],
  };
}

/** The first figure alone. */
export function measureRoute(seconds: number): number {
  const keys = Array.from({ length: keyCount }, (_, at) => `user-${at * 7_919 + 1_000_000}@mail.example`);
  const map = mapOf('buckets', 16_384);
  return nanoseconds(keys, (key) => map.shardOf(key).number, seconds);
}

function mapOf(partitioner: PartitionerName, bucketCount: number): ShardMap {
  const shards = Array.from({ length: 16 }, (_, at) => {
    const name = `tokens-${at + 1}`;
    return {
      name,
      number: at + 1,
      namespace: 'tokens',
      cluster: name,
      group: 'main',
      nodes: new Map<string, string>(),
    };
  });
  const owners = Array.from({ length: bucketCount }, (_, bucket) => {
    return { from: bucket, to: bucket, number: (bucket % shards.length) + 1 };
  });
  return new ShardMap({ namespace: 'tokens', version: 1, partitioner, bucketCount, shards, owners });
}

/**
 * Of one call: the best of many passes over the keys, after one second in five to warm up. A pass lasts less than a millisecond,
 * so that some of them are not interrupted on a busy machine either.
 */
function nanoseconds<K>(keys: readonly K[], call: (key: K) => number, seconds: number): number {
  const startedAt = performance.now();
  const warmAt = startedAt + seconds * 200;
  const endAt = startedAt + seconds * 1_000;
  let best = Number.POSITIVE_INFINITY;
  for (let now = startedAt; now < endAt; ) {
    sum = (sum + passOver(keys, call)) | 0;
    const passedAt = performance.now();
    if (now > warmAt) best = Math.min(best, passedAt - now);
    now = passedAt;
  }
  return Math.round((best * 1e7) / keys.length) / 10;
}

/** Kept, so that no call can be left out as useless. */
let sum = 0;

function passOver<K>(keys: readonly K[], call: (key: K) => number): number {
  let all = 0;
  for (let at = 0; at < keys.length; at++) all += call(keys[at]!);
  return all;
}
