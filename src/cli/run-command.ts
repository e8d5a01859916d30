import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { UsageError } from './arguments.ts';
import type { ExitCode, TerminalSignal } from './command.ts';
import { commands } from './commands.ts';
import { run } from './run.ts';

/** More than any file that a command reads. */
const fileBytesMax = 8 * 1024 * 1024;

/** Runs a command line in this process. @param wasHungUp - a SIGHUP has come before anybody asked for it. */
export function runCommand(args: readonly string[], wasHungUp: () => boolean): Promise<ExitCode> {
  const manifest: { readonly version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  return run(args, commands, manifest.version, {
    out: (text) => void process.stdout.write(`${text}\n`),
    err: (text) => void process.stderr.write(`${text}\n`),
    readFile,
    env: process.env,
    onSignal: (name: TerminalSignal, callback: () => void) => {
      process.on(name, callback);
      if (name === 'SIGHUP' && wasHungUp()) callback();
    },
  });
}

async function readFile(path: string): Promise<string> {
  const bytes = await readBytes(path).catch((error: unknown) => {
    throw new UsageError(`cannot read ${path}: ${reasonOf(error)}`);
  });
  try {
    // A byte order mark is kept: whoever parses the text says what to do about it.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UsageError(`cannot read ${path}: it is not UTF-8`);
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  await using file = await open(path, 'r');
  if ((await file.stat()).isDirectory()) throw new Error('it is a directory');
  const bytes = Buffer.allocUnsafe(fileBytesMax + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length, null);
    length += bytesRead;
    if (length > fileBytesMax) throw new Error(`it has more than ${fileBytesMax} bytes`);
    if (bytesRead === 0) return bytes.subarray(0, length);
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'permission denied';
  return error instanceof Error ? error.message : String(error);
}
