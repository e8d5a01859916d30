import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './source-files.ts';

interface Locked {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

function read<T>(path: string): T {
  return JSON.parse(readFileSync(join(root, path), 'utf8'));
}

describe('the package', () => {
  it('installs from a clean clone: the lock file names the optional packages of every platform', () => {
    const { packages } = read<{ packages: Record<string, Locked> }>('package-lock.json');
    const missing = Object.entries(packages).flatMap(([path, locked]) =>
      Object.keys(locked.optionalDependencies ?? {}).filter(
        (name) =>
          packages[`node_modules/${name}`] === undefined &&
          packages[`${path}/node_modules/${name}`] === undefined,
      ),
    );
    expect(missing).toEqual([]);
  });

  it('has the four run-time dependencies of the design and no others', () => {
    const { dependencies } = read<{ dependencies: Record<string, string> }>('package.json');
    expect(Object.keys(dependencies).sort()).toEqual(['eventemitter3', 'msgpack-lite', 'pino', 'ws']);
  });
});
