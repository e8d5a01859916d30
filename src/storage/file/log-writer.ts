import { join } from 'node:path';
import type { StorageWrite } from '../../ports/storage.ts';
import { BatchEncoder, type EntriesPlace } from './batch.ts';
import { type Files, writeFully } from './files.ts';
import { segmentName } from './layout.ts';
import { encodeSegmentHeader, seedOf } from './segment.ts';

/** Where the log goes on. */
export interface LogEnd {
  readonly fd: number;
  readonly segment: number;
  readonly offset: number;
  /** The last sequence; it is synced. */
  readonly sequence: number;
}

/** A batch that is durable, and where its entries stand, one place per write that has some. */
export interface Written {
  readonly segment: number;
  readonly sequence: number;
  readonly places: readonly EntriesPlace[];
}

/** Writes batches behind each other and starts a new segment when one is full. One call at a time; after an error none. */
export class LogWriter {
  readonly #files: Files;
  readonly #directory: string;
  readonly #incarnation: string;
  readonly #segmentBytes: number;
  readonly #encoder: BatchEncoder;
  #end: LogEnd;

  constructor(files: Files, directory: string, incarnation: string, segmentBytes: number, end: LogEnd) {
    this.#files = files;
    this.#directory = directory;
    this.#incarnation = incarnation;
    this.#segmentBytes = segmentBytes;
    this.#encoder = new BatchEncoder(seedOf(incarnation));
    this.#end = end;
  }

  /** The last sequence that is synced. */
  get sequence(): number {
    return this.#end.sequence;
  }

  write(
    batch: readonly StorageWrite[],
    done: (error: Error | null, written: Written | undefined) => void,
  ): void {
    if (this.#end.offset < this.#segmentBytes) {
      this.#append(batch, done);
      return;
    }
    this.#startSegment().then(
      () => this.#append(batch, done),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error)), undefined),
    );
  }

  close(): Promise<void> {
    return this.#files.close(this.#end.fd);
  }

  #append(
    batch: readonly StorageWrite[],
    done: (error: Error | null, written: Written | undefined) => void,
  ): void {
    const { fd, segment, offset } = this.#end;
    const sequence = this.#end.sequence + 1;
    const place = { segment, offset, sequence, syncedSequence: this.#end.sequence };
    const { bytes, length, places } = this.#encoder.encode(place, batch);
    writeFully(this.#files.fs, fd, bytes, length, offset, (writeError) => {
      if (writeError !== null) {
        done(writeError, undefined);
        return;
      }
      this.#files.fs.fdatasync(fd, (syncError) => {
        if (syncError !== null) {
          done(syncError, undefined);
          return;
        }
        this.#end = { fd, segment, offset: offset + length, sequence };
        done(null, {
          segment,
          sequence,
          places: places.map(({ at, bytes }) => ({ at: offset + at, bytes })),
        });
      });
    });
  }

  /** The header is synced before the file gets its name, and the name before a batch is written: no crash leaves half a segment. */
  async #startSegment(): Promise<void> {
    const { fd: oldFd, sequence } = this.#end;
    const segment = this.#end.segment + 1;
    const header = encodeSegmentHeader({
      segment,
      firstSequence: sequence + 1,
      incarnation: this.#incarnation,
    });
    const path = join(this.#directory, segmentName(segment));
    await this.#files.replace(path, header);
    const fd = await this.#files.open(path, 'r+');
    this.#end = { fd, segment, offset: header.length, sequence };
    await this.#files.close(oldFd);
  }
}
