import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { defaultPolicy, defaultProvider, queueLimits } from '../../src/queue/limits.ts';
import { bandNames, stateNames } from '../../src/queue/task-table.ts';

const page = readFileSync(new URL('../../docs/reference/queue-states.md', import.meta.url), 'utf8');

/** The first two columns of the table under a heading. */
function table(heading: string): readonly (readonly [string, string])[] {
  const [, after = ''] = page.split(`\n## ${heading}\n`);
  const [section = ''] = after.split('\n## ');
  return [...section.matchAll(/^\| `(\w+)` \| ([^|]+?) \|/gm)].map((row) => [row[1]!, row[2]!]);
}

function facts(values: object): readonly (readonly [string, string])[] {
  return Object.entries(values).map(([name, value]) => [name, String(value)]);
}

describe('docs/reference/queue-states.md', () => {
  it('has the bounds of the code, all of them', () => {
    expect(table('Bounds')).toEqual(facts(queueLimits));
  });

  it('has the defaults of the code', () => {
    const { name: _, version: __, ...numbers } = defaultPolicy;
    expect(table('Defaults of a policy')).toEqual(facts(numbers));
    expect(table('Defaults of a provider')).toEqual(facts(defaultProvider));
  });

  it('has every state and band', () => {
    expect(table('States of a task').map(([name]) => name)).toEqual(stateNames);
    for (const band of bandNames) expect(page).toContain(`\`${band}\``);
  });
});
