import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { proxyCommand } from '../../src/cli/proxy-command.ts';
import { root } from '../source-files.ts';

const page = readFileSync(join(root, 'docs/reference/proxy.md'), 'utf8');

/** The names in the first cells of the tables below a heading, up to the next heading. */
function namesBelow(heading: string, table = 0): readonly string[] {
  const section = new RegExp(`^#+ ${heading}.*\\n([\\s\\S]*?)(?=^#|(?![\\s\\S]))`, 'm').exec(page)?.[1] ?? '';
  const tables = section
    .split(/\n\n/)
    .map((block) => block.trim())
    .filter((block) => block.startsWith('|'));
  const rows = (tables[table] ?? '').split('\n').slice(2);
  return rows
    .flatMap((row) => [...(row.split(' | ')[0] ?? '').matchAll(/`(\w+)/g)].map(([, name = '']) => name))
    .sort();
}

/** The fields that an interface declares itself. */
function fieldsOf(path: string, name: string): readonly string[] {
  const text = readFileSync(join(root, path), 'utf8');
  const body = new RegExp(`interface ${name}\\b[^{]*\\{\\n([\\s\\S]*?)^\\}`, 'm').exec(text)?.[1] ?? '';
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)(?:\?|\()?[^\n]*/gm)].map(([, field = '']) => field);
}

describe('docs/reference/proxy.md', () => {
  it('lists every option of startProxy, and no other', () => {
    const declared = [
      ...fieldsOf('src/proxy/proxy-options.ts', 'CommonProxyOptions'),
      ...fieldsOf('src/start-proxy.ts', 'StartProxyOptions'),
    ];
    expect(declared.length).toBeGreaterThan(8);
    expect(namesBelow('startProxy')).toEqual([...declared].sort());
  });

  it('lists every field of status(), every event and every kind of problem', () => {
    expect(namesBelow('status\\(')).toEqual([...fieldsOf('src/proxy/types.ts', 'ProxyStatus')].sort());
    expect(namesBelow('Events', 0)).toEqual([...fieldsOf('src/proxy/types.ts', 'ProxyEvents')].sort());
    const types = readFileSync(join(root, 'src/client/router/types.ts'), 'utf8');
    const kinds = /interface RouterProblem \{\n {2}readonly kind:([^;]*);/.exec(types)?.[1] ?? '';
    const declared = [...kinds.matchAll(/'(\w+)'/g)].map(([, kind = '']) => kind);
    expect(declared.length).toBeGreaterThan(4);
    expect(namesBelow('Events', 1)).toEqual(declared.sort());
  });

  it('lists every key of the configuration, and every option of the command', () => {
    expect(namesBelow('raftsman proxy')).toEqual(
      [...fieldsOf('src/cli/proxy-config.ts', 'ProxyConfigFile')].sort(),
    );
    for (const option of [...proxyCommand.flags, ...proxyCommand.values])
      expect(page).toContain(`--${option}`);
  });
});
