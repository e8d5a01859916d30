import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killAll } from './child.ts';
import { parseRoundsOptions } from './options.ts';
import { play } from './play.ts';
import { brokenPromises, renderReport, resultOf } from './report.ts';

/** `npm run rounds`: kills, freezes and cuts under load, and judges what came of every request. Exit 1: a promise was broken. */
const options = (() => {
  try {
    return parseRoundsOptions(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  }
})();

const aroundMs = 300_000;
const roundMsMax = 20_000;
const columns = 80;

const directory = mkdtempSync(join(tmpdir(), 'raftsman-rounds-'));
const giveUp = (why: string): never => {
  console.error(`\n${why}; the files are in ${directory}`);
  killAll();
  process.exit(1);
};
setTimeout(() => giveUp('the rounds did not end in time'), options.rounds * roundMsMax + aroundMs).unref();
process.on('SIGINT', () => giveUp('interrupted'));
process.on('SIGTERM', () => giveUp('interrupted'));

/** A terminal shows the last line; a file gets all of them. */
function tell(line: string): void {
  const isLive = process.stderr.isTTY === true;
  process.stderr.write(isLive ? `\r${line.slice(0, columns - 1).padEnd(columns - 1)}` : `${line}\n`);
}

try {
  const run = await play(options, directory, tell);
  const isGood = brokenPromises(run).length === 0;
  console.log(renderReport(run));
  if (isGood && !options.keep) rmSync(directory, { recursive: true, force: true });
  else console.error(`The journals and logs are in ${directory}`);
  if (options.json) console.log(JSON.stringify(resultOf(run)));
  process.exit(isGood ? 0 : 1);
} catch (error) {
  giveUp(error instanceof Error ? (error.stack ?? error.message) : String(error));
}
