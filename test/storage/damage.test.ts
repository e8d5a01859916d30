import { describe, expect, it } from 'vitest';
import { isRaftsmanError } from '../../src/base/errors.ts';
import type { StorageWrite } from '../../src/ports/storage.ts';
import { BatchEncoder } from '../../src/storage/file/batch.ts';
import { batchLayout, segmentLayout, segmentName } from '../../src/storage/file/layout.ts';
import { seedOf } from '../../src/storage/file/segment.ts';
import {
  after,
  append,
  directory,
  life,
  load,
  log,
  noState,
  open,
  type State,
  stateOf,
  vote,
  write,
} from './on-disk.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';

type Files = ReadonlyMap<string, Buffer>;

/** The disk after each completed append, and what it says. */
interface Recording {
  readonly files: readonly Files[];
  readonly states: readonly State[];
  readonly closed: Files;
}

const batches: readonly (readonly StorageWrite[])[] = [
  [write({ hardState: vote(1, 'a') })],
  [write({ entries: log(1, 1, 1) })],
  [write({ entries: log(2, 4, 1, 40) })],
  [write({ hardState: vote(2, 'b'), truncateFrom: 3, entries: log(3, 5, 2) })],
  [write({ entries: log(6, 6, 2, 0) })],
  [write({ hardState: vote(3, 'c') })],
  [write({ truncateFrom: 5 })],
  [write({ entries: log(5, 9, 3, 5) })],
];
const segment = segmentName(1);

async function record(): Promise<Recording> {
  const disk = new SimulatedFileSystem();
  const storage = open(disk);
  await load(storage);
  const files = [copyOf(disk)];
  const states = [noState];
  for (const batch of batches) {
    await append(storage, batch);
    files.push(copyOf(disk));
    states.push(after(states.at(-1)!, batch));
  }
  await storage.close();
  return { files, states, closed: copyOf(disk) };
}

function copyOf(disk: SimulatedFileSystem): Files {
  return new Map([...disk.files(directory)].map(([name, bytes]) => [name, Buffer.from(bytes)]));
}

function diskOf(
  files: Files,
  changes: Readonly<Record<string, Buffer | undefined>> = {},
): SimulatedFileSystem {
  const disk = new SimulatedFileSystem();
  for (const [name, bytes] of [...files, ...Object.entries(changes)]) {
    if (bytes === undefined) disk.delete(`${directory}/${name}`);
    else disk.put(`${directory}/${name}`, bytes);
  }
  return disk;
}

function flipped(bytes: Buffer, at: number, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 1 << bit;
  return copy;
}

/** @returns the state, or the code of the error. */
async function outcome(disk: SimulatedFileSystem): Promise<State | string> {
  try {
    const { hardState, entries } = await stateOf(disk);
    return { hardState, entries };
  } catch (error) {
    if (isRaftsmanError(error)) return error.code;
    throw error;
  }
}

async function refusal(disk: SimulatedFileSystem): Promise<Error> {
  try {
    await stateOf(disk);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('the damage was not noticed');
}

describe('a log that was cut off while a batch was written', () => {
  it('gives all completed appends at every byte, never an error, and goes on (pitfall 79)', async () => {
    const { files, states } = await record();
    for (let n = 1; n < files.length; n++) {
      const whole = files[n]!.get(segment)!;
      const start = files[n - 1]!.get(segment)!.length;
      for (let length = start; length <= whole.length; length++) {
        const disk = diskOf(files[n - 1]!, { [segment]: whole.subarray(0, length) });
        const expected = length === whole.length ? states[n] : states[n - 1];
        expect(await outcome(disk), `batch ${n} cut at ${length}`).toEqual(expected);
      }
    }
  });

  it('says how many bytes were cut, and takes the same batch again', async () => {
    const { files, states } = await record();
    for (let n = 1; n < files.length; n++) {
      const torn = files[n]!.get(segment)!.subarray(0, -1);
      const disk = diskOf(files[n - 1]!, { [segment]: torn });
      const storage = open(disk);
      const loaded = await load(storage);
      expect(loaded.tornBytes).toBe(torn.length - files[n - 1]!.get(segment)!.length);
      await append(storage, batches[n - 1]!);
      disk.crash(() => 0);
      expect(await outcome(disk)).toEqual(states[n]);
    }
  });

  it('gives all completed appends when the slot file of the same batch is torn at any byte', async () => {
    const { files, states } = await record();
    for (let n = 1; n < files.length; n++) {
      for (const slot of ['hard-state.0', 'hard-state.1']) {
        const next = files[n]!.get(slot)!;
        const previous = files[n - 1]!.get(slot)!;
        for (let length = 0; length <= next.length; length++) {
          const torn = Buffer.concat([next.subarray(0, length), previous.subarray(length)]);
          const inFlight = await outcome(diskOf(files[n - 1]!, { [slot]: torn }));
          expect(inFlight).toSatisfy(
            (state: State) =>
              state.entries.join() === states[n - 1]!.entries.join() &&
              [states[n - 1], states[n]].some(
                (known) => JSON.stringify(known!.hardState) === JSON.stringify(state.hardState),
              ),
          );
          const logIsThere = await outcome(
            diskOf(files[n - 1]!, { [slot]: torn, [segment]: files[n]!.get(segment) }),
          );
          expect(logIsThere).toEqual(states[n]);
        }
      }
    }
  });

  it('is cut at zeros and at garbage too: a tail that was preallocated or never written', async () => {
    const { files, states } = await record();
    const whole = files.at(-1)!;
    const garbage = Buffer.from(Array.from({ length: 300 }, (_, n) => (n * 131 + 7) & 255));
    for (const tail of [Buffer.alloc(1), Buffer.alloc(4_096), garbage, Buffer.alloc(64, 0xff)]) {
      const disk = diskOf(whole, { [segment]: Buffer.concat([whole.get(segment)!, tail]) });
      const state = await stateOf(disk);
      expect(state).toEqual({ ...states.at(-1), tornBytes: tail.length });
    }
  });

  it('is cut even when a valid batch follows that does not call it synced', async () => {
    const { files, states } = await record();
    const whole = files.at(-1)!.get(segment)!;
    const start = files.at(-2)!.get(segment)!.length;
    const torn = flipped(whole, start + batchLayout.headerBytes + 3, 0);
    for (const [syncedSequence, expected] of [
      [batches.length - 1, states.at(-2)],
      [batches.length, 'LOG_CORRUPT'],
    ] as const) {
      const place = { segment: 1, offset: whole.length, sequence: batches.length + 1, syncedSequence };
      const next = new BatchEncoder(seedOf(life)).encode(place, [write({ entries: log(10, 10, 3) })]);
      const bytes = Buffer.concat([torn, next.bytes.subarray(0, next.length)]);
      expect(await outcome(diskOf(files.at(-2)!, { [segment]: bytes }))).toEqual(expected);
    }
  });
});

describe('a log that was damaged afterwards', () => {
  it('is never silently different: each flipped bit is an error or a cut of what no header calls synced', async () => {
    const { files, states } = await record();
    const whole = files.at(-1)!;
    const bytes = whole.get(segment)!;
    const lastStart = files.at(-2)!.get(segment)!.length;
    for (let at = 0; at < bytes.length; at++) {
      const result = await outcome(diskOf(whole, { [segment]: flipped(bytes, at, at % 8) }));
      expect(result, `byte ${at}`).toEqual(at < lastStart ? 'LOG_CORRUPT' : states.at(-2));
    }
  });

  it('loses nothing after a clean close: the last batch says that all before it was synced', async () => {
    const { closed, states, files } = await record();
    const bytes = closed.get(segment)!;
    const end = files.at(-1)!.get(segment)!.length;
    for (let at = 0; at < bytes.length; at++) {
      const result = await outcome(diskOf(closed, { [segment]: flipped(bytes, at, (at + 3) % 8) }));
      expect(result, `byte ${at}`).toEqual(at < end ? 'LOG_CORRUPT' : states.at(-1));
    }
  });

  it('is refused with file, offset and advice, and not a byte is changed', async () => {
    const { files } = await record();
    const start = files[1]!.get(segment)!.length;
    const disk = diskOf(files.at(-1)!, { [segment]: flipped(files.at(-1)!.get(segment)!, start + 50, 1) });
    const before = copyOf(disk);
    const error = await refusal(disk);
    expect(error.message).toContain(`${directory}/${segment} at offset ${start}`);
    expect(error.message).toContain('move it aside');
    const left = new Map([...copyOf(disk)].filter(([name]) => !name.startsWith('lock.')));
    expect(left).toEqual(new Map([...before].filter(([name]) => !name.startsWith('lock.'))));
  });

  it('is refused when the end that the slot file calls synced is missing', async () => {
    const { files } = await record();
    const disk = diskOf(files.at(-1)!, { [segment]: files[3]!.get(segment) });
    expect(await outcome(disk)).toBe('LOG_CORRUPT');
  });

  it('gives the same state when one slot is damaged or missing, at every byte', async () => {
    const { files, states } = await record();
    const whole = files.at(-1)!;
    for (const slot of ['hard-state.0', 'hard-state.1']) {
      const bytes = whole.get(slot)!;
      for (let at = 0; at < bytes.length; at++) {
        const disk = diskOf(whole, { [slot]: flipped(bytes, at, at % 8) });
        expect(await outcome(disk), `${slot} ${at}`).toEqual(states.at(-1));
      }
      expect(await outcome(diskOf(whole, { [slot]: undefined }))).toEqual(states.at(-1));
      expect(await outcome(diskOf(whole, { [slot]: Buffer.alloc(0) }))).toEqual(states.at(-1));
    }
  });

  it('does not vote when both slots are damaged', async () => {
    const { files } = await record();
    const whole = files.at(-1)!;
    const [a, b] = [whole.get('hard-state.0')!, whole.get('hard-state.1')!];
    for (const [x, y] of [
      [flipped(a, 30, 0), flipped(b, 44, 2)],
      [undefined, undefined],
      [Buffer.alloc(0), Buffer.alloc(200)],
    ]) {
      const error = await refusal(diskOf(whole, { 'hard-state.0': x, 'hard-state.1': y }));
      expect(error).toMatchObject({ code: 'LOG_CORRUPT' });
      expect(error.message).toContain('both damaged');
    }
  });

  it('keeps the vote when the batch that holds it is lost with the end of the log (pitfalls 1 and 4)', async () => {
    const { files, states } = await record();
    // Batch 6 is a vote in term 3.
    const whole = files[6]!;
    const start = files[5]!.get(segment)!.length;
    for (const damaged of [
      whole.get(segment)!.subarray(0, start),
      flipped(whole.get(segment)!, start + 45, 1),
    ]) {
      const result = await outcome(diskOf(whole, { [segment]: damaged }));
      expect(result).toEqual({ hardState: vote(3, 'c'), entries: states[5]!.entries });
    }
  });

  it('refuses a damaged identity at every byte, and a missing one beside a log', async () => {
    const { files } = await record();
    const whole = files.at(-1)!;
    const identity = whole.get('identity')!;
    for (let at = 0; at < identity.length - 1; at++) {
      expect(await outcome(diskOf(whole, { identity: flipped(identity, at, 0) })), `byte ${at}`).toBe(
        'LOG_CORRUPT',
      );
    }
    expect(await outcome(diskOf(whole, { identity: undefined }))).toBe('LOG_CORRUPT');
  });
});

describe('segments', () => {
  async function recordSegments(): Promise<{ readonly files: Files; readonly state: State }> {
    const disk = new SimulatedFileSystem();
    const storage = open(disk, 4_096);
    await load(storage);
    let state = noState;
    for (let index = 1; index <= 50; index++) {
      const batch = [write({ entries: log(index, index, 1, 300) })];
      await append(storage, batch);
      state = after(state, batch);
    }
    return { files: copyOf(disk), state };
  }

  const names = [1, 2, 3, 4, 5].map(segmentName);

  it('follow each other and are read as one log', async () => {
    const { files, state } = await recordSegments();
    expect([...files.keys()].filter((name) => name.endsWith('.seg'))).toEqual(names);
    expect(await outcome(diskOf(files))).toEqual(state);
  });

  it('are refused when one is missing, twice there, empty, cut, swapped or from another directory', async () => {
    const { files } = await recordSegments();
    const [one, two, three, four, five] = names.map((name) => files.get(name)!);
    const other = new SimulatedFileSystem();
    const foreign = open(other);
    await foreign.load({ nodeId: 'a', cluster: 'test', newIncarnation: 'ffeeddccbbaa9988' as never });
    const wrong: Readonly<Record<string, Readonly<Record<string, Buffer | undefined>>>> = {
      'the first is missing': { [names[0]!]: undefined },
      'a middle one is missing': { [names[2]!]: undefined },
      'a middle one is empty': { [names[2]!]: Buffer.alloc(0) },
      'a middle one is cut': { [names[1]!]: two!.subarray(0, -1) },
      'a middle one is longer': { [names[1]!]: Buffer.concat([two!, Buffer.alloc(10)]) },
      'the last is a copy': { [segmentName(6)]: five },
      'the last is a copy of the first': { [names[4]!]: one },
      'two are swapped': { [names[1]!]: three, [names[2]!]: two },
      'a later number': { [segmentName(9)]: four },
      'another directory': { [names[4]!]: other.files(directory).get(segment) },
    };
    for (const [what, changes] of Object.entries(wrong)) {
      expect(await outcome(diskOf(files, changes)), what).toBe('LOG_CORRUPT');
    }
  });

  it('are refused when the header of one is damaged: it was synced before the file got its name', async () => {
    const { files } = await recordSegments();
    const header = files.get(names[4]!)!.subarray(0, segmentLayout.headerBytes);
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(32), Buffer.alloc(4_096), header.subarray(0, 17)]) {
      expect(await outcome(diskOf(files, { [segmentName(6)]: bytes }))).toBe('LOG_CORRUPT');
      expect(await outcome(diskOf(files, { [names[4]!]: bytes }))).toBe('LOG_CORRUPT');
    }
  });

  it('that were being created when the process died are created again', async () => {
    const { files, state } = await recordSegments();
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(17, 1)]) {
      const disk = diskOf(files, { [`${segmentName(6)}.tmp`]: bytes });
      expect(await outcome(disk)).toEqual(state);
      const storage = open(disk, 4_096);
      await load(storage);
      for (let index = 51; index <= 70; index++)
        await append(storage, [write({ entries: log(index, index, 1, 300) })]);
      disk.crash(() => 0);
      expect((await stateOf(disk)).entries).toHaveLength(70);
    }
  });

  it('hold batches that name their own place: one at another place or of another file is refused', async () => {
    const { files } = await recordSegments();
    const two = files.get(names[1]!)!;
    const five = files.get(names[4]!)!;
    const batch = two.subarray(segmentLayout.headerBytes, segmentLayout.headerBytes + 400);
    const length = batchLayout.headerBytes + batch.readUInt32BE(batchLayout.bodyBytes);
    const moved = Buffer.concat([
      five,
      two.subarray(segmentLayout.headerBytes, segmentLayout.headerBytes + length),
    ]);
    expect(await outcome(diskOf(files, { [names[4]!]: moved }))).toBe('LOG_CORRUPT');
    const repeated = Buffer.concat([five, five.subarray(five.length - length)]);
    expect(await outcome(diskOf(files, { [names[4]!]: repeated }))).toBe('LOG_CORRUPT');
  });

  it('hold no batch twice, also one that would change nothing', async () => {
    const disk = new SimulatedFileSystem();
    const storage = open(disk);
    await load(storage);
    await append(storage, [write({ hardState: vote(1, 'a') })]);
    const once = Buffer.from(disk.files(directory).get(segment)!);
    const twice = Buffer.concat([once, once.subarray(segmentLayout.headerBytes)]);
    expect(await outcome(diskOf(copyOf(disk), { [segment]: twice }))).toBe('LOG_CORRUPT');
  });

  it('keep nothing of a torn tail behind the batches that are written over it', async () => {
    const disk = new SimulatedFileSystem();
    const storage = open(disk, 4_096);
    await load(storage);
    await append(storage, [write({ entries: log(1, 1, 1, 10_000) })]);
    const torn = disk.files(directory).get(segment)!.subarray(0, 9_000);
    const again = diskOf(copyOf(disk), { [segment]: torn });
    const next = open(again, 4_096);
    expect((await load(next)).tornBytes).toBeGreaterThan(8_000);
    for (let index = 1; index <= 15; index++)
      await append(next, [write({ entries: log(index, index, 1, 300) })]);
    again.crash(() => 0);
    expect((await stateOf(again)).entries).toHaveLength(15);
  });

  it('ignore files that are none of theirs', async () => {
    const { files, state } = await recordSegments();
    const changes = {
      'log-1.seg': Buffer.alloc(9),
      'notes.txt': Buffer.from('hello'),
      'log-0000000001.seg.bak': Buffer.alloc(3),
    };
    expect(await outcome(diskOf(files, changes))).toEqual(state);
  });
});
