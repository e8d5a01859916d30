import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StorageWrite } from '../../src/ports/storage.ts';
import type { FileStorage } from '../../src/storage/file/file-storage.ts';
import {
  after,
  append,
  entryText,
  load,
  log,
  noState,
  open,
  readAll,
  type State,
  stateOf,
  vote,
  write,
} from './on-disk.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';

const segmentBytes = 4_096;

/** What is done in one step; numbers are reduced to what the state allows. */
interface Step {
  readonly term: number;
  readonly votes: boolean;
  readonly truncate: number;
  readonly entries: number;
  readonly bytes: number;
  /** The process ends after so many calls of the file system, or not at all. */
  readonly endsAfter: number | undefined;
  /** The machine ends with the process. */
  readonly powerFails: boolean;
  readonly closes: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  term: fc.integer({ min: 0, max: 2 }),
  votes: fc.boolean(),
  truncate: fc.integer({ min: 0, max: 20 }),
  entries: fc.integer({ min: 0, max: 4 }),
  bytes: fc.constantFrom(0, 3, 100, 700),
  endsAfter: fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined }),
  powerFails: fc.boolean(),
  closes: fc.boolean(),
});

/** A storage with the model beside it. */
class World {
  readonly disk: SimulatedFileSystem = new SimulatedFileSystem();
  /** What is certainly durable. */
  state: State = noState;
  /** What may be durable too: the batch that was in flight when the process ended. */
  maybe: State | undefined;
  #storage: FileStorage | undefined;
  #random: () => number;
  #onEnd: (() => void) | undefined;

  constructor(seed: number) {
    this.#random = randomOf(seed);
  }

  async take(step: Step): Promise<void> {
    this.#endAfter(step);
    const storage = this.#storage ?? (await this.#start());
    if (storage === undefined) return;
    const batch = batchOf(step, this.state);
    this.maybe = after(this.state, batch);
    const isDone = await this.#unlessEnded(append(storage, batch).then(() => true));
    if (isDone === undefined) return;
    this.state = this.maybe;
    this.maybe = undefined;
    if (!step.closes) return;
    this.#storage = undefined;
    await this.#unlessEnded(storage.close().then(() => true));
  }

  /** Loads, if need be again and again, and compares with the model. */
  async #start(): Promise<FileStorage | undefined> {
    const storage = open(this.disk, segmentBytes);
    const found = await this.#unlessEnded(read(storage));
    if (found === undefined) return undefined;
    expect([this.state.entries, this.maybe?.entries]).toContainEqual(found.entries);
    expect([this.state.hardState, this.maybe?.hardState]).toContainEqual(found.hardState);
    // What a load has said is durable from then on: the core acts on it.
    this.state = found;
    this.maybe = undefined;
    this.#storage = storage;
    return storage;
  }

  async finish(): Promise<void> {
    this.disk.fault = () => undefined;
    this.disk.crash(this.#random);
    this.#storage = undefined;
    await this.#start();
    this.disk.crash(() => 0);
    const { hardState, entries } = await stateOf(this.disk);
    expect({ hardState, entries }).toEqual(this.state);
  }

  #endAfter(step: Step): void {
    let left = step.endsAfter ?? Number.POSITIVE_INFINITY;
    this.disk.fault = () => {
      if (left-- > 0) return undefined;
      if (step.powerFails) this.disk.crash(this.#random);
      else this.disk.kill();
      this.#storage = undefined;
      this.disk.fault = () => undefined;
      this.#onEnd?.();
      return undefined;
    };
  }

  /** @returns undefined if the process ended before the call did. */
  #unlessEnded<T>(call: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      this.#onEnd = () => resolve(undefined);
      call.then(resolve, reject);
    });
  }
}

async function read(storage: FileStorage): Promise<State> {
  const loaded = await load(storage);
  const entries = (await readAll(storage)).map(entryText);
  return { hardState: loaded.groups[0]?.hardState, entries };
}

function batchOf(step: Step, state: State): readonly StorageWrite[] {
  const term = (state.hardState?.currentTerm ?? 0) + step.term;
  const mayVote = step.votes && (step.term > 0 || state.hardState?.votedFor === undefined);
  const changesVote = mayVote || step.term > 0;
  const truncates = step.truncate > 0 && step.truncate <= state.entries.length;
  const first = truncates ? step.truncate : state.entries.length + 1;
  // Stamps of this log grow with the term, so a new suffix needs one at least as high as the last.
  const lastTerm = Number(state.entries[first - 2]?.split(' ')[1] ?? 0);
  return [
    write({
      hardState: changesVote ? vote(term, mayVote ? `node-${term}` : undefined) : undefined,
      truncateFrom: truncates ? first : undefined,
      entries: log(first, first + step.entries - 1, Math.max(term, lastTerm), step.bytes),
    }),
  ];
}

function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('a process or machine that ends at any call of the file system', () => {
  it('loses nothing that was completed or loaded, and keeps the batch in flight whole or not at all (pitfall 1)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.nat(), async (steps, seed) => {
        const world = new World(seed);
        for (const each of steps) await world.take(each);
        await world.finish();
      }),
      { numRuns: 400 },
    );
  });

  it('is found out when the disk lies about its syncs: the test above can fail', async () => {
    const property = fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.nat(), async (steps, seed) => {
      const world = new World(seed);
      world.disk.lies = true;
      for (const each of steps) await world.take(each);
      await world.finish();
    });
    expect((await fc.check(property, { numRuns: 200 })).failed).toBe(true);
  });
});
