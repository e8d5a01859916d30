import { readFileSync, readlinkSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/**
 * One process, so that it is not taken for a later one with the same pid: the start of the machine, the pid namespace, the pid
 * and the start of the process. Only digits and lower-case letters in each.
 */
export interface ProcessMark {
  readonly boot: string;
  readonly namespace: string;
  readonly pid: string;
  readonly start: string;
}

/** Tells whether a process that left a lock still runs. */
export interface ProcessTable {
  readonly self: ProcessMark;
  isAlive(mark: ProcessMark): boolean;
}

/**
 * Linux says all of it in /proc. Elsewhere only the pid is known: a pid that was given to another process looks alive.
 * A mark of another boot or of another pid namespace (the container was replaced) is dead: a killed process must never block its own restart.
 */
export function nodeProcessTable(): ProcessTable {
  const pid = String(process.pid);
  const self: ProcessMark = { boot: bootMark(), namespace: namespaceMark(), pid, start: startOf(pid) ?? '0' };
  return { self, isAlive: (mark) => isAlive(self, mark) };
}

function isAlive(self: ProcessMark, mark: ProcessMark): boolean {
  if (mark.boot !== self.boot || mark.namespace !== self.namespace) return false;
  if (self.start !== '0') return startOf(mark.pid) === mark.start;
  try {
    return process.kill(Number(mark.pid), 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function bootMark(): string {
  const text = readText('/proc/sys/kernel/random/boot_id');
  return text === undefined ? '0' : crc32(text.trim()).toString(16).padStart(8, '0');
}

function namespaceMark(): string {
  try {
    return readlinkSync('/proc/self/ns/pid').replace(/\D/g, '') || '0';
  } catch {
    return '0';
  }
}

/** @returns clock ticks from boot to the start of the process; undefined if it is gone or only waits to be reaped. */
function startOf(pid: string): string | undefined {
  const text = readText(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The second field is the name in parentheses, which may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  return state === 'Z' || state === 'X' ? undefined : fields[19];
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
