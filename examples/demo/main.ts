import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeDeployment } from './deployment.ts';
import { brokenPromises, renderReport, resultOf } from './report.ts';
import { Scene } from './scene.ts';
import { parseOptions, settingsFor } from './settings.ts';

/** Starts the demo's processes, kills some of them on a script, and reports what the judge found. Exit 1: a promise was broken. */
const options = (() => {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  }
})();

/** Everything but the timed part, at most: start, drain, final reads. */
const aroundMs = options.shards === 1 ? 45_000 : 90_000;

const settings = settingsFor(options);
const directory = mkdtempSync(join(tmpdir(), 'raftsman-demo-'));
const scene = new Scene({
  settings,
  deployment: await makeDeployment(settings.shards, join(directory, 'shards.json')),
  directory,
  live: process.stdout.isTTY === true && !options.json,
});

const giveUp = (why: string) => {
  console.error(`\n${why}; the files are in ${directory}`);
  scene.killAll();
  process.exit(1);
};
setTimeout(() => giveUp('the demo did not end in time'), settings.seconds * 1_000 + aroundMs).unref();
process.on('SIGINT', () => giveUp('interrupted'));
process.on('SIGTERM', () => giveUp('interrupted'));

try {
  const run = await scene.play();
  const broken = brokenPromises(run);
  console.log(renderReport(run));
  if (broken.length === 0) rmSync(directory, { recursive: true, force: true });
  else console.error(`\nThe logs are in ${directory}`);
  if (options.json) console.log(JSON.stringify(resultOf(run)));
  process.exitCode = broken.length === 0 ? 0 : 1;
} catch (error) {
  giveUp(error instanceof Error ? error.message : String(error));
}
