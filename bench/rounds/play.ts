import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Prng } from '../../src/simulation/prng.ts';
import { pause } from '../measure.ts';
import { drawFaults, type FaultKind, faultKinds } from './faults.ts';
import { readAll } from './final-reads.ts';
import { fromLine, type JournalRow } from './journal.ts';
import { judge, type RoundNote } from './judge.ts';
import { Load } from './load.ts';
import { hurt } from './nemesis.ts';
import type { RoundsOptions } from './options.ts';
import type { Run } from './report.ts';
import { Service } from './service.ts';

const wellWithinMs = 60_000;
/** It must be well for so long before the next round. */
const calmForMs = 300;
const restMs = { least: 200, most: 1_000 } as const;
/** Load before the first fault. */
const warmUpMs = 2_000;
const lookEveryMs = 20;
/** A round that takes longer to become well says what it waited for. */
const slowMs = 4_000;

/** Plays the rounds against a service of its own and judges what came of them. */
export async function play(
  options: RoundsOptions,
  directory: string,
  tell: (line: string) => void,
): Promise<Run> {
  const service = new Service(directory);
  const troubles: string[] = [];
  for (const member of [...service.nodes.values(), ...service.proxies])
    member.onEnd = (how) => troubles.push(`${member.name} ended by itself (${how})`);
  await service.start();
  await well(() => service.complaint());
  const load = new Load(service, directory, options.rate);
  load.onEnd = (what) => troubles.push(what);
  await load.ready();
  load.run();
  const startedAt = performance.now();
  await pause(warmUpMs);
  const rounds: RoundNote[] = [];
  const { kinds, skipped } = possibleKinds();
  try {
    await playRounds({ options, directory, service, load, kinds, troubles, rounds, tell });
  } catch (error) {
    troubles.push(error instanceof Error ? error.message : String(error));
  }
  await load.finish();
  const seconds = (performance.now() - startedAt) / 1_000;
  tell('reading every key at its shard');
  const rows = load.journals.flatMap(readJournal);
  const { records, tasks } = await readAll(service, [...new Set(rows.map(({ key }) => key))]);
  await load.stop();
  await service.stop();
  const verdict = judge({ rows, finals: (key) => records.get(key) ?? [], tasks, rounds });
  return {
    options,
    rounds: rounds.length,
    seconds,
    withheld: load.sum('withheld'),
    skipped,
    troubles,
    verdict,
  };
}

interface Stage {
  readonly options: RoundsOptions;
  readonly directory: string;
  readonly service: Service;
  readonly load: Load;
  readonly kinds: readonly FaultKind[];
  readonly troubles: readonly string[];
  readonly rounds: RoundNote[];
  readonly tell: (line: string) => void;
}

async function playRounds(stage: Stage): Promise<void> {
  const { options, directory, service, load, kinds, troubles, rounds, tell } = stage;
  const prng = new Prng(options.seed);
  const faults = drawFaults(prng.fork('faults'), kinds);
  const complaint = (): string => service.complaint() || load.complaint();
  await well(complaint);
  for (let round = 1; round <= options.rounds && troubles.length === 0; round++) {
    const fault = faults.next().value;
    const startedAt = Date.now();
    const { detail, lastsMs, heal } = await hurt(service, fault);
    await pause(lastsMs);
    await heal();
    const healedAt = Date.now();
    const last = await well(complaint).catch((error: unknown) => {
      throw new Error(`after round ${round} (${fault.kind}, ${detail}): ${String(error)}`);
    });
    const healedMs = Date.now() - healedAt;
    const note = { round, kind: fault.kind, detail, startedAt, healedMs };
    rounds.push(note);
    appendFileSync(join(directory, 'rounds.jsonl'), `${JSON.stringify(note)}\n`);
    const counts = `${load.sum('answered')} calls, ${load.sum('failed')} failed`;
    const why = healedMs > slowMs ? ` (${last})` : '';
    tell(`${round}/${options.rounds} ${counts} | ${fault.kind}: ${detail}; well after ${healedMs} ms${why}`);
    await pause(prng.between(restMs.least, restMs.most));
  }
}

/** Resolves with the last complaint, when there was none for a while. */
async function well(complaint: () => string): Promise<string> {
  const giveUpAt = performance.now() + wellWithinMs;
  let calmSince = performance.now();
  let last = '';
  for (;;) {
    const what = complaint();
    const now = performance.now();
    if (what !== '') {
      calmSince = now;
      last = what;
    }
    if (now - calmSince >= calmForMs) return last;
    if (now > giveUpAt) throw new Error(`not well after ${wellWithinMs / 1_000} s: ${what}`);
    await pause(lookEveryMs);
  }
}

/** Windows cannot stop a process for a while. */
function possibleKinds(): { readonly kinds: readonly FaultKind[]; readonly skipped: readonly string[] } {
  if (process.platform !== 'win32') return { kinds: faultKinds, skipped: [] };
  const isFreeze = (kind: FaultKind): boolean => kind.startsWith('freeze');
  return {
    kinds: faultKinds.filter((kind) => !isFreeze(kind)),
    skipped: faultKinds
      .filter(isFreeze)
      .map((kind) => `${kind}: this system cannot stop a process for a while`),
  };
}

function readJournal(path: string): readonly JournalRow[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1).map(fromLine);
}
