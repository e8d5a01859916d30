import { readFile, stat } from 'node:fs';

/** No secret is longer. */
const secretBytesMax = 4_096;
const othersAny = 0o007;
const groupWrite = 0o020;

/**
 * Reads a secret from a file of its own, without the line end.
 *
 * @throws an Error that names the file and never its contents: when it cannot be read, or others than its owner and group can.
 */
export function readSecretFile(path: string, platform: string = process.platform): Promise<string> {
  return new Promise((resolve, reject) => {
    stat(path, (error, found) => {
      const problem = error?.message ?? problemOf(path, found.mode, found.size, platform);
      if (problem !== undefined) reject(new Error(problem));
      else
        readFile(path, 'utf8', (failure, text) => {
          if (failure === null) resolve(text.replace(/\r?\n$/, ''));
          else reject(failure);
        });
    });
  });
}

function problemOf(path: string, mode: number, size: number, platform: string): string | undefined {
  // Windows has no such bits: what it shows says nothing.
  if (platform !== 'win32' && (mode & (othersAny | groupWrite)) !== 0) {
    const bits = (mode & 0o777).toString(8).padStart(4, '0');
    return `${path} has mode ${bits}: others can get at the secret; chmod 0600 (or 0640) it`;
  }
  return size > secretBytesMax
    ? `${path} is larger than ${secretBytesMax} bytes: it holds one secret`
    : undefined;
}
