import { readFileSync } from 'node:fs';
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

  it.each(['readme-proxy.ts', 'readme-client.ts'])('shows the program that examples/%s is', (name) => {
    const file = readFileSync(new URL(`examples/${name}`, root), 'utf8');
    const program = file.replace(/'\.\.\/src\/\S*'; \/\/ in your own program: from ('\S+')/, '$1;');
    expect(readme).toContain(`\`\`\`ts\n${program}\`\`\`\n`);
  });
});
