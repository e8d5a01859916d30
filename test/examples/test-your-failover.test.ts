import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));

describe('the example of the how-to "test your failover"', () => {
  it('runs to its end and says what happened', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--import',
      import.meta.resolve('tsx'),
      path('examples/test-your-failover.ts'),
    ]);
    expect(stdout).toMatch(/leads after \d+\.\d ms of virtual time/);
    expect(stdout).toContain('with a higher token');
    expect(stdout).toContain('with a still higher token');
  });

  it('is named by the how-to, which names every method of the cluster', async () => {
    const text = readFileSync(path('docs/how-to/test-your-failover.md'), 'utf8');
    expect(text).toContain('examples/test-your-failover.ts');
    const source = readFileSync(path('src/testing/local-cluster.ts'), 'utf8');
    const methods = [...source.matchAll(/^ {2}(?:async |get |readonly )?([a-zA-Z]+)(?:\(|<|: Clock)/gm)].map(
      ([, name]) => name!,
    );
    const missing = methods.filter(
      (name) => !['constructor', 'isOver', 'result', 'size', 'seed'].includes(name),
    );
    expect(missing.filter((name) => !text.includes(name))).toEqual([]);
  });
});
