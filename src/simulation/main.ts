import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { SystemClock } from '../system/system-clock.ts';
import { parseArguments, type SimulationCommand, usage } from './arguments.ts';
import { Batch, type BatchSummary, type Failure, isClean } from './batch.ts';
import { runSeed } from './run-seed.ts';
import type { SeedReport } from './seed-report.ts';
import { SeedWorker } from './seed-worker.ts';
import { type WorldName, worldOf } from './world-name.ts';

const clock = new SystemClock();
const processesMax = 8;
const failuresShown = 10;
const linesShown = 25;

interface Task {
  readonly seed: number;
  readonly world: WorldName | undefined;
}

/** One process of a batch: takes a seed, hands back its report. */
function work(): void {
  const worker = new SeedWorker(() => new Promise((resolve) => clock.soon(resolve)));
  process.on('message', ({ seed, world }: Task) => {
    void worker.run(seed, world).then((report) => process.send?.(report));
  });
}

async function runBatch({
  from,
  seeds,
  json,
  world,
}: SimulationCommand & { type: 'batch' }): Promise<number> {
  const batch = new Batch();
  const startedMs = clock.monotonicMs();
  const isTerminal = process.stderr.isTTY === true;
  const tasks = Array.from({ length: seeds }, (_, place) => ({ seed: from + place, world }));
  await forEachSeed(tasks, (report) => {
    const failure = batch.add(report);
    if (failure !== undefined && batch.failureCount <= failuresShown)
      showFailure(failure, report, isTerminal);
    if (isTerminal) showProgress(batch, seeds, clock.monotonicMs() - startedMs);
  });
  if (isTerminal) process.stderr.write('\r\x1b[K');
  const summary = batch.summary(clock.monotonicMs() - startedMs);
  if (json) console.log(JSON.stringify(summary));
  else showSummary(summary);
  return isClean(summary) ? 0 : 1;
}

/** Gives seeds to as many processes as there are cores, and every report to `onReport`. */
function forEachSeed(tasks: readonly Task[], onReport: (report: SeedReport) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let next = 0;
    let running = 0;
    const feed = (child: ChildProcess): void => {
      const task = tasks[next++];
      if (task !== undefined) child.send(task);
      else child.disconnect();
    };
    const count = Math.min(availableParallelism(), processesMax, tasks.length);
    for (let i = 0; i < count; i += 1) {
      const child = fork(fileURLToPath(import.meta.url), ['--worker']);
      running += 1;
      child.on('message', (report: SeedReport) => {
        onReport(report);
        feed(child);
      });
      child.on('exit', (code) => {
        running -= 1;
        if (code !== 0) reject(new Error(`a process of the batch ended with code ${code}`));
        else if (running === 0) resolve();
      });
      feed(child);
    }
  });
}

function showFailure(
  { seed, replay, messages }: Failure,
  { lines, world }: SeedReport,
  isTerminal: boolean,
): void {
  if (isTerminal) process.stderr.write('\r\x1b[K');
  console.error(`\nseed ${seed} (world of ${world}) failed; ${replay}`);
  for (const message of messages.slice(0, failuresShown)) console.error(`  ${message}`);
  console.error('  the end of its transcript:');
  for (const line of lines.slice(-linesShown)) console.error(`  | ${line}`);
}

function showProgress(batch: Batch, seeds: number, elapsedMs: number): void {
  const rate = Math.round(batch.steps / Math.max(1, elapsedMs));
  process.stderr.write(
    `\r\x1b[K${batch.seeds}/${seeds} seeds, ${batch.steps} steps, ${rate},000 steps/s, ${batch.failureCount} failed`,
  );
}

function showSummary({
  seeds,
  steps,
  stepsPerSecond,
  violations,
  unconverged,
  coverage,
}: BatchSummary): void {
  console.log('how often each fault, shape and pre-condition was met:');
  for (const [name, times] of Object.entries(coverage.counts))
    console.log(`  ${String(times).padStart(10)} ${name}`);
  for (const name of coverage.missing) console.log(`  NEVER MET: ${name}`);
  console.log(
    `${seeds} seeds, ${steps} steps (${stepsPerSecond}/s): ${violations} violations, ${unconverged} unconverged, ${coverage.missing.length} never met`,
  );
}

/** Prints the transcript of both runs; they are the same, or determinism is broken. */
async function replay(seed: number, world: WorldName = worldOf(seed)): Promise<number> {
  const hashes: string[] = [];
  let failed = false;
  for (const run of ['first', 'second']) {
    console.log(`--- seed ${seed}, world of ${world}, ${run} run`);
    const report = await runSeed(seed, { world, onLine: (line) => console.log(line) });
    console.log(`--- ${report.steps} steps, trace ${report.traceHash}`);
    hashes.push(report.traceHash);
    failed = report.violations.length > 0 || report.unconverged.length > 0;
  }
  if (hashes[0] !== hashes[1]) {
    console.log('THE TWO RUNS DIFFER (D1)');
    failed = true;
  }
  return failed ? 1 : 0;
}

async function main(argv: readonly string[]): Promise<number> {
  const command = parseArguments(argv);
  if (command.type === 'replay') return replay(command.seed, command.world);
  if (command.type === 'batch') return runBatch(command);
  console.log(usage);
  return 0;
}

if (process.argv.includes('--worker')) work();
else {
  main(process.argv.slice(2)).then(
    (code) => {
      process.exitCode = code;
    },
    (error: unknown) => {
      console.error(`sim: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 2;
    },
  );
}
