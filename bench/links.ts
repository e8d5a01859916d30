import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { platform } from 'node:process';
import { BenchCluster } from './cluster.ts';
import { pause } from './measure.ts';
import { startProxyProcess } from './proxy-place.ts';

const proxyCount = 3;
const established = '01';
const settleLimitMs = 20_000;
/** Dials that met are merged into one link; the number stands when it stood for so long. */
const calmMs = 500;

/**
 * How many link ends do the nodes of so many shards of three have together, with three proxies and without a client? Counted from
 * the open sockets of the processes, by shard count; `undefined` where the system does not show them.
 *
 * @throws Error when it is another number than each node's one link per other member of its shard and one per proxy.
 */
export async function countLinks(): Promise<Readonly<Record<string, number>> | undefined> {
  if (platform !== 'linux') return undefined;
  const clusters: BenchCluster[] = [];
  const counted: Record<string, number> = {};
  for (const shardCount of [1, 2, 3]) {
    clusters.push(await BenchCluster.start(`bench-${shardCount}`));
    if (shardCount > 1) counted[shardCount] = await countFor(clusters);
  }
  await Promise.all(clusters.map((cluster) => cluster.close()));
  return counted;
}

async function countFor(clusters: readonly BenchCluster[]): Promise<number> {
  const proxies = Array.from({ length: proxyCount }, (_, at) =>
    startProxyProcess(`proxy-${at + 1}`, clusters),
  );
  await Promise.all(proxies.map((proxy) => proxy.ready));
  const processIds = clusters.flatMap((cluster) => cluster.processIds);
  const nodesEach = clusters[0]?.ids.length ?? 0;
  const expected = clusters.length * nodesEach * (nodesEach - 1 + proxyCount);
  const count = await settledCount(() => linkEndsOf(processIds), expected);
  for (const proxy of proxies) proxy.send({ type: 'stop' });
  await Promise.all(proxies.map((proxy) => proxy.exited));
  if (count !== expected) {
    throw new Error(`${clusters.length} shards have ${count} link ends at their nodes, not ${expected}`);
  }
  return count;
}

/** The number once it is as expected and stays so for a while, or the last one when time is over. */
async function settledCount(count: () => number, expected: number): Promise<number> {
  const giveUpAt = performance.now() + settleLimitMs;
  let since = performance.now();
  for (;;) {
    const now = performance.now();
    const links = count();
    if (links !== expected) since = now;
    if (now - since >= calmMs || now > giveUpAt) return links;
    await pause(20);
  }
}

/** TCP connections that stand at these processes; one between two of them counts twice. */
export function linkEndsOf(processIds: readonly number[]): number {
  const open = new Set([
    ...establishedIn(readFileSync('/proc/net/tcp', 'utf8')),
    ...establishedIn(readFileSync('/proc/net/tcp6', 'utf8')),
  ]);
  return processIds.flatMap(socketsOf).filter((inode) => open.has(inode)).length;
}

/** The inodes of the connections in a table such as `/proc/net/tcp`. */
export function establishedIn(table: string): readonly string[] {
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === established)
    .map((fields) => fields[9] ?? '');
}

function socketsOf(processId: number): readonly string[] {
  const directory = `/proc/${processId}/fd`;
  return readdirSync(directory).flatMap((name) => {
    const [, inode] = /^socket:\[(\d+)\]$/.exec(targetOf(`${directory}/${name}`)) ?? [];
    return inode === undefined ? [] : [inode];
  });
}

/** A descriptor may be closed between its listing and now. */
function targetOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
