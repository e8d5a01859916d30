#!/usr/bin/env node
// What a signal or a lost reader does is said before anything else is loaded: loading takes a tenth of a second.
const isService = process.argv[2] === 'proxy';
let wasHungUp = false;
if (isService)
  process.on('SIGHUP', () => {
    wasHungUp = true;
  });
for (const stream of [process.stdout, process.stderr]) stream.on('error', isService ? ignore : end);

const { runCommand } = await import('./run-command.ts');
process.exitCode = await runCommand(process.argv.slice(2), () => wasHungUp);

/** A service lives on without whoever read what it says. */
function ignore(): void {}

/** Whoever reads our output may stop reading (`| head`): that is no error. A full disk is one. */
function end(error: Error): void {
  if ('code' in error && error.code === 'EPIPE') process.exit();
  process.stderr.write(`raftsman: the output cannot be written: ${error.message}\n`);
  process.exit(1);
}
