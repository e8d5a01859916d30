import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { clusterId, incarnation, nodeId } from '../../src/base/ids.ts';
import { defaultPolicy, defaultProvider } from '../../src/queue/limits.ts';
import { resolveRaftOptions } from '../../src/raft/options.ts';
import { root } from '../source-files.ts';

const api = readFileSync(join(root, 'docs/reference/api.md'), 'utf8');
const queueApi = readFileSync(join(root, 'docs/reference/queue-api.md'), 'utf8');

/** Rows of the tables below a heading, up to the next heading: the names of the first cell, and the others. Headers are left out. */
function rowsBelow(
  page: string,
  heading: string,
): readonly { readonly names: readonly string[]; readonly cells: readonly string[] }[] {
  const section = new RegExp(`^#+ ${heading}.*\\n([\\s\\S]*?)(?=^#|(?![\\s\\S]))`, 'm').exec(page)?.[1] ?? '';
  return [...section.matchAll(/^\| (`.*)\|$(?!\n\|-)/gm)].map(([, row = '']) => {
    const [first = '', ...cells] = row.split(' | ').map((cell) => cell.trim());
    return { names: [...first.matchAll(/`(\w+)/g)].map(([, name = '']) => name), cells };
  });
}

function namesBelow(page: string, heading: string): readonly string[] {
  return rowsBelow(page, heading)
    .flatMap(({ names }) => names)
    .sort();
}

/** The fields that an interface declares itself. */
function fieldsOf(path: string, name: string): readonly string[] {
  const text = readFileSync(join(root, path), 'utf8');
  const body = new RegExp(`interface ${name}\\b[^{]*\\{\\n([\\s\\S]*?)^\\}`, 'm').exec(text)?.[1] ?? '';
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)(?:\?|\()?[^\n]*/gm)].map(([, field = '']) => field);
}

/** `1,000` as a number. */
const numeral = (cell: string): number => Number(cell.replaceAll(',', ''));

describe('docs/reference/api.md', () => {
  it('lists every option of startNode, and no other', () => {
    const declared = [
      ...fieldsOf('src/node/start-options.ts', 'CommonOptions'),
      ...fieldsOf('src/start-node.ts', 'StartNodeOptions'),
    ];
    expect(declared.length).toBeGreaterThan(15);
    expect(namesBelow(api, 'startNode')).toEqual([...declared].sort());
  });

  it('gives the defaults that the core has', () => {
    const core = resolveRaftOptions({
      id: nodeId('a'),
      incarnation: incarnation('00'),
      peers: [nodeId('a')],
      random: () => 0,
      mintClusterId: () => clusterId('00'),
    });
    const shown = new Map(rowsBelow(api, 'startNode').map(({ names, cells }) => [names[0], cells[1]]));
    expect(numeral(shown.get('heartbeatMs') ?? '')).toBe(core.heartbeatMs);
    expect(numeral(shown.get('electionTimeoutMs') ?? '')).toBe(core.electionTimeoutMinMs);
    expect(shown.get('leaseMs')).toBe(`${core.leaseMs / core.electionTimeoutMinMs} of \`electionTimeoutMs\``);
    expect(numeral(shown.get('driftBound') ?? '')).toBe(core.driftBound);
    expect(numeral(shown.get('rankStepMs') ?? '')).toBe(core.rankStepMs);
    expect(shown.get('logBytesMax')).toBe(`${core.logBytesMax / 1024 ** 2} MiB`);
  });

  it('lists the fields of what runWhileLeader gives, of a view, and the events', () => {
    expect(namesBelow(api, 'runWhileLeader')).toEqual(
      [...fieldsOf('src/node/leadership.ts', 'Leadership')].sort(),
    );
    expect(namesBelow(api, 'observe')).toEqual([...fieldsOf('src/node/node-events.ts', 'NodeView')].sort());
    expect(namesBelow(api, 'on, once, off')).toEqual(
      [...fieldsOf('src/node/node-events.ts', 'NodeEvents')].sort(),
    );
  });

  it('names every field of status()', () => {
    const fields = fieldsOf('src/node/node-events.ts', 'NodeStatus');
    expect(fields.length).toBeGreaterThan(10);
    const section = /### status and explain\n([\s\S]*?)\n## /.exec(api)?.[1] ?? '';
    expect(fields.filter((field) => !new RegExp(`\\b${field}\\b`).test(section))).toEqual([]);
  });
});

describe('docs/reference/queue-api.md', () => {
  const types = 'src/client/types.ts';

  it.each([
    ['connect', ['ConnectOptions']],
    ['put', ['NewTask', 'PutOptions']],
    ['take', ['TakeOptions']],
  ])('lists every option of %s, and no other', (heading, interfaces) => {
    const declared = interfaces.flatMap((name) => fieldsOf(types, name));
    expect(declared.length).toBeGreaterThan(3);
    expect(namesBelow(queueApi, `${heading}\\(`)).toEqual([...declared].sort());
  });

  it('lists every option of work', () => {
    const names = namesBelow(queueApi, 'work\\(');
    for (const field of fieldsOf(types, 'WorkOptions')) expect(names).toContain(field);
  });

  it('gives the defaults of providers and policies', () => {
    const shown = Object.fromEntries(
      rowsBelow(queueApi, 'setProvider').map(({ names, cells }) => [
        names[0] ?? '',
        cells[0]?.replaceAll('`', '') ?? '',
      ]),
    );
    const { name: _name, version: _version, ...policy } = defaultPolicy;
    const expected = Object.entries({ ...defaultProvider, ...policy }).map(([key, value]) => [
      key,
      String(value),
    ]);
    expect(
      Object.fromEntries(Object.entries(shown).map(([key, cell]) => [key, cell.replaceAll(',', '')])),
    ).toEqual(Object.fromEntries(expected));
  });
});
