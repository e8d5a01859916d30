import { join } from 'node:path';
import { DirectoryLockedError } from '../../base/errors.ts';
import type { Files } from './files.ts';
import type { ProcessMark, ProcessTable } from './process-table.ts';

/** How often a claim looks again while another that started at the same moment withdraws; each look reads the directory. */
const looksMax = 2_000;
const heldMark = 'held\n';

/** A lock that is held; `release` removes it. A process that was killed leaves a claim which the next one removes. */
export interface Lock {
  release(): Promise<void>;
}

/**
 * Takes the lock `prefix` of a directory for this process. Every claimant first creates a claim file under a name of its own
 * (`<prefix>.<boot>.<namespace>.<pid>.<start>.<n>`) and then looks for others: who sees no other living claim has the lock. Of two
 * that see each other the higher name withdraws and the lower one looks again. A claim created later sees this one, so two can never both be alone.
 *
 * @throws DirectoryLockedError when another living process holds it.
 */
export async function takeLock(
  files: Files,
  directory: string,
  prefix: string,
  processes: ProcessTable,
): Promise<Lock> {
  const own = await createClaim(files, directory, prefix, processes.self);
  const path = join(directory, own.name);
  try {
    await waitUntilAlone(files, directory, prefix, own.name, processes);
    await files.write(own.fd, Buffer.from(heldMark), 0);
  } catch (error) {
    await files.remove(path);
    throw error;
  } finally {
    await files.close(own.fd);
  }
  return { release: () => files.remove(path) };
}

async function createClaim(
  files: Files,
  directory: string,
  prefix: string,
  self: ProcessMark,
): Promise<{ readonly name: string; readonly fd: number }> {
  const taken = new Set(await files.names(directory));
  for (let n = 0; ; n++) {
    const name = `${prefix}.${self.boot}.${self.namespace}.${self.pid}.${self.start}.${n}`;
    if (taken.has(name)) continue;
    return { name, fd: await files.open(join(directory, name), 'wx+') };
  }
}

async function waitUntilAlone(
  files: Files,
  directory: string,
  prefix: string,
  own: string,
  processes: ProcessTable,
): Promise<void> {
  for (let look = 0; look < looksMax; look++) {
    const others = await livingClaims(files, directory, prefix, own, processes);
    if (others.length === 0) return;
    for (const other of others) {
      if (other < own || (await isHeld(files, join(directory, other)))) throw lockedBy(directory, other);
    }
  }
  throw new DirectoryLockedError(`another process is taking ${directory} and does not answer`);
}

/** Removes the claims of dead processes: their names never come back to life. */
async function livingClaims(
  files: Files,
  directory: string,
  prefix: string,
  own: string,
  processes: ProcessTable,
): Promise<string[]> {
  const living: string[] = [];
  for (const name of await files.names(directory)) {
    if (name === own || !name.startsWith(`${prefix}.`)) continue;
    const mark = markOf(name.slice(prefix.length + 1));
    if (mark === undefined) continue;
    if (processes.isAlive(mark)) living.push(name);
    else await files.remove(join(directory, name));
  }
  return living;
}

function markOf(text: string): ProcessMark | undefined {
  const match = /^([0-9a-z]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)\.[0-9]+$/.exec(text);
  if (match === null) return undefined;
  return { boot: match[1]!, namespace: match[2]!, pid: match[3]!, start: match[4]! };
}

async function isHeld(files: Files, path: string): Promise<boolean> {
  return (await files.content(path))?.toString() === heldMark;
}

function lockedBy(directory: string, claim: string): DirectoryLockedError {
  const pid = claim.split('.').at(-3);
  return new DirectoryLockedError(`${directory} is open in process ${pid} (${claim}); stop it first`);
}
