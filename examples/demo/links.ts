import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Ends of TCP connections at one process, as the system tells. */
export interface Socket {
  readonly pid: number;
  readonly local: string;
  readonly remote: string;
}

/** Links at the nodes in the end of all sockets of the run. */
export interface Links {
  /** Ends at nodes whose other end is a node or a proxy. */
  readonly count: number;
  /** Ends at nodes whose other end is a process that should not know them. */
  readonly strangers: number;
}

/** @returns the established sockets of these processes; undefined on a machine that does not tell. */
export function socketsOf(pids: readonly number[]): readonly Socket[] | undefined {
  try {
    return pids.flatMap((pid) => {
      const inodes = inodesOf(pid);
      return ['tcp', 'tcp6'].flatMap((table) =>
        parseTable(readFileSync(`/proc/${pid}/net/${table}`, 'utf8'))
          .filter(({ inode }) => inodes.has(inode))
          .map(({ local, remote }) => ({ pid, local, remote })),
      );
    });
  } catch {
    return undefined;
  }
}

/** @param wanted - processes that may have links to nodes, @param tolerated - those that may, and are not counted. */
export function countLinks(
  sockets: readonly Socket[],
  { nodes, wanted, tolerated }: Readonly<Record<'nodes' | 'wanted' | 'tolerated', ReadonlySet<number>>>,
): Links {
  const pidAt = new Map(sockets.map(({ pid, local, remote }) => [`${local} ${remote}`, pid]));
  let count = 0;
  let strangers = 0;
  for (const { pid, local, remote } of sockets) {
    if (!nodes.has(pid)) continue;
    const other = pidAt.get(`${remote} ${local}`);
    if (other !== undefined && (nodes.has(other) || wanted.has(other))) count++;
    else if (other !== undefined && !tolerated.has(other)) strangers++;
  }
  return { count, strangers };
}

/** @returns the established connections of a table of `/proc/net`. */
export function parseTable(
  text: string,
): readonly { readonly local: string; readonly remote: string; readonly inode: string }[] {
  const established = '01';
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', remote = '', state, , , , , , inode = ''] = line.trim().split(/\s+/);
      return state === established ? [{ local, remote, inode }] : [];
    });
}

function inodesOf(pid: number): ReadonlySet<string> {
  const folder = `/proc/${pid}/fd`;
  const inodes = readdirSync(folder).flatMap((descriptor) => {
    const target = linkTarget(`${folder}/${descriptor}`);
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    return inode === undefined ? [] : [inode];
  });
  return new Set(inodes);
}

/** A descriptor may be closed while they are listed. */
function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
