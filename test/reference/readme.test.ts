import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
const readme = readFileSync(new URL('README.md', root), 'utf8');

describe('README.md', () => {
  it('shows the program that examples/readme.ts is', () => {
    const [, shown] = /```ts\n(.*?)```/s.exec(readme) ?? [];
    const file = readFileSync(new URL('examples/readme.ts', root), 'utf8');
    const program = file.replace(`'../src/index.ts'; // in your own program: from 'raftsman'`, `'raftsman';`);
    expect(shown).toBe(program);
    expect(program.split('\n').filter((line) => line.trim() !== '').length).toBeLessThan(20);
  });

  it('names only files that exist', () => {
    const pages = [
      'README.md',
      'docs/tutorial/first-cluster.md',
      'docs/explanation/guarantees.md',
      'docs/reference/errors.md',
    ];
    for (const page of pages) {
      const url = new URL(page, root);
      const links = [...readFileSync(url, 'utf8').matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(
        (match) => match[1]!,
      );
      for (const link of links) expect(existsSync(new URL(link, url)), `${page} names ${link}`).toBe(true);
    }
  });
});
