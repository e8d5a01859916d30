import { isRaftsmanError, ReloadInProgressError, ShardFileError } from '../base/errors.ts';
import type { ShardsOption } from '../client/types.ts';
import type { Clock } from '../ports/clock.ts';
import { ShardDirectory } from '../sharding/shard-directory.ts';
import { formatShardFile, parseShardFile } from '../sharding/shard-file.ts';
import type { ProxyReload, ProxyReloadError } from './types.ts';

/** Reads a whole text file. */
export type ReadText = (path: string) => Promise<string>;
/** Calls back when a file may be another one; the function it returns ends that. */
export type WatchFile = (path: string, onChange: () => void) => () => void;

/** How maps are read. */
export interface MapReader {
  readonly readText: ReadText;
  /** What else a map must be than valid. @throws ShardFileError */
  readonly check?: ((directory: ShardDirectory) => void) | undefined;
}

export interface ReloadsDeps extends MapReader {
  /** Without it a file is read at a reload alone. */
  readonly watchFile: WatchFile | undefined;
  readonly clock: Clock;
  readonly current: () => ShardDirectory;
  /** Puts another map in force, or throws and changes nothing. */
  readonly apply: (next: ShardDirectory) => Promise<void>;
  readonly onReload: (reload: ProxyReload) => void;
  readonly onError: (error: ProxyReloadError) => void;
  /** After an error: what is read now is what is in force. */
  readonly onCured: (reload: ProxyReload) => void;
}

/** @throws ShardFileError; what reading the file throws. */
export async function readShards(source: ShardsOption, reader: MapReader): Promise<ShardDirectory> {
  const directory = await parse(source, reader.readText);
  reader.check?.(directory);
  return directory;
}

async function parse(source: ShardsOption, readText: ReadText): Promise<ShardDirectory> {
  if ('file' in source) return parseShardFile(await readText(source.file));
  const { map } = source;
  if (map instanceof ShardDirectory) return map;
  return parseShardFile(typeof map === 'string' ? map : textOf(map));
}

/** @throws ShardFileError for a value that JSON cannot say. */
function textOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    throw new ShardFileError([{ path: '', message: error instanceof Error ? error.message : 'not JSON' }]);
  }
}

/** One reload at a time. A map that cannot be read, or that a group refuses, changes nothing. */
export class Reloads {
  readonly #deps: ReloadsDeps;
  #source: ShardsOption;
  #isUnderWay = false;
  /** The file changed while a reload was under way. */
  #isStale = false;
  #isClosed = false;
  #count = 0;
  #lastError: ProxyReloadError | undefined;
  #unwatch: (() => void) | undefined;

  constructor(source: ShardsOption, deps: ReloadsDeps) {
    this.#source = source;
    this.#deps = deps;
  }

  /** Begins to watch the file, if there is one. */
  watch(): void {
    this.#unwatch?.();
    const source = this.#source;
    const { watchFile } = this.#deps;
    const isWatched = 'file' in source && watchFile !== undefined && !this.#isClosed;
    this.#unwatch = isWatched ? watchFile(source.file, () => this.#fileChanged()) : undefined;
    if (isWatched) void this.#compare(source);
  }

  /**
   * Reads the map anew, or takes another source, and puts it in force.
   *
   * @throws ReloadInProgressError; ShardFileError and what the groups refuse it with; what reading the file throws.
   */
  async reload(source: ShardsOption = this.#source): Promise<ProxyReload> {
    if (this.#isUnderWay) throw new ReloadInProgressError('a reload is under way');
    this.#isUnderWay = true;
    try {
      const reload = await this.#apply(source);
      if (source !== this.#source) {
        this.#source = source;
        this.watch();
      }
      const wasRefused = this.#lastError !== undefined;
      this.#lastError = undefined;
      if (reload.changed) this.#deps.onReload(reload);
      else if (wasRefused) this.#deps.onCured(reload);
      return reload;
    } catch (error) {
      this.#failed(error);
      throw error;
    } finally {
      this.#isUnderWay = false;
      this.#catchUp();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.watch();
  }

  get source(): ShardsOption {
    return this.#source;
  }

  get isUnderWay(): boolean {
    return this.#isUnderWay;
  }

  get count(): number {
    return this.#count;
  }

  get lastError(): ProxyReloadError | undefined {
    return this.#lastError;
  }

  async #apply(source: ShardsOption): Promise<ProxyReload> {
    const { current, apply } = this.#deps;
    const next = await readShards(source, this.#deps);
    const changed = formatShardFile(next) !== formatShardFile(current());
    if (changed) {
      await apply(next);
      this.#count++;
    }
    return { version: next.version, changed };
  }

  /** It was read before it was watched, and may have changed in between: the watch takes what it finds for known. */
  async #compare(source: ShardsOption): Promise<void> {
    const isSame = await this.#isInForce(source).catch(() => false);
    if (!isSame && source === this.#source) this.#fileChanged();
  }

  async #isInForce(source: ShardsOption): Promise<boolean> {
    const next = await readShards(source, this.#deps);
    return formatShardFile(next) === formatShardFile(this.#deps.current());
  }

  /** Whoever changed it waits for no answer. */
  #fileChanged(): void {
    if (this.#isUnderWay) this.#isStale = true;
    else if (!this.#isClosed) this.reload().catch(() => {});
  }

  #failed(error: unknown): void {
    if (this.#isClosed) return;
    const code = isRaftsmanError(error) ? error.code : 'READ_FAILED';
    const message = error instanceof Error ? error.message : String(error);
    this.#lastError = { code, message, atMs: this.#deps.clock.wallMs() };
    this.#deps.onError(this.#lastError);
  }

  #catchUp(): void {
    const wasStale = this.#isStale;
    this.#isStale = false;
    if (wasStale) this.#fileChanged();
  }
}
