import { join } from 'node:path';
import type { LogEntry, LogIndex } from '../../raft/types.ts';
import { countWithin } from '../group-log.ts';
import { readEntries } from './batch.ts';
import { type Files, readFully } from './files.ts';
import type { GroupIndex, Run } from './group-index.ts';
import { segmentName } from './layout.ts';

/** One read of the disk takes at most this much, or one blob. */
const spanBytesMax = 4 * 1024 * 1024;

/** Reads entries from `from` on: neighbouring blobs of one segment by one read. */
export function readRange(
  files: Files,
  directory: string,
  index: GroupIndex,
  from: LogIndex,
  bytesMax: number,
  done: (error: Error | undefined, entries: readonly LogEntry[]) => void,
): void {
  const runs = runsFrom(index, from, Math.min(bytesMax, spanBytesMax));
  const start = runs[0]!.offset;
  const end = runs.at(-1)!.offset + runs.at(-1)!.bytes;
  const path = join(directory, segmentName(runs[0]!.segment));
  readSpan(files, path, start, end - start, (error, span) => {
    if (error !== null) {
      done(error, []);
      return;
    }
    try {
      const entries = runs.flatMap((run) => {
        const blob = span.subarray(run.offset - start, run.offset - start + run.bytes);
        const decoded = readEntries(blob, `${path} at offset ${run.offset}`);
        return decoded.slice(Math.max(0, from - run.first), run.last - run.first + 1);
      });
      done(undefined, entries.slice(0, countWithin(entries, 0, bytesMax)));
    } catch (damage) {
      done(damage instanceof Error ? damage : new Error(String(damage)), []);
    }
  });
}

function runsFrom(index: GroupIndex, from: LogIndex, bytesMax: number): readonly Run[] {
  const runs: Run[] = [];
  for (let run = index.runAt(from); run !== undefined; run = index.runAt(run.last + 1)) {
    const first = runs[0] ?? run;
    const isNear = run.segment === first.segment && run.offset + run.bytes - first.offset <= bytesMax;
    if (runs.length > 0 && !isNear) break;
    runs.push(run);
  }
  return runs;
}

/** Opens the file for itself, so that no other call can close it meanwhile. */
function readSpan(
  files: Files,
  path: string,
  position: number,
  length: number,
  done: (error: Error | null, span: Buffer) => void,
): void {
  files.fs.open(path, 'r', (openError, fd) => {
    if (openError !== null) {
      done(openError, Buffer.alloc(0));
      return;
    }
    readFully(files.fs, fd, length, position, (readError, span) => {
      files.fs.close(fd, (closeError) => done(readError ?? closeError, span));
    });
  });
}
