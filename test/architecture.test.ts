import { describe, expect, it } from 'vitest';
import { type ImportOf, importsOf, type SourceFile, sourceFiles } from './source-files.ts';

/**
 * The import table of docs/explanation/architecture: a folder may import itself, the folders of `values`, and for types alone
 * those of `types`. What a folder may take from Node and from packages is named too.
 */
interface Layer {
  readonly values: readonly string[];
  readonly types: readonly string[];
  readonly node?: readonly string[];
  readonly packages?: readonly string[];
}

const edges: Layer = {
  values: ['base', 'ports', 'wire', 'mesh', 'queue', 'sharding'],
  types: ['node', 'raft'],
  node: ['node:crypto'],
  packages: ['eventemitter3'],
};
const adapters: Layer = { values: ['base', 'ports', 'wire'], types: ['raft', 'queue'] };
const everyFolder = [
  'base',
  'raft',
  'queue',
  'sharding',
  'wire',
  'ports',
  'mesh',
  'node',
  'transport',
  'storage',
  'service',
  'client',
  'proxy',
  'status',
  'simulation',
  'testing',
];
const judges: Layer = {
  values: everyFolder,
  types: [],
  node: ['node:crypto', 'node:assert'],
  packages: ['eventemitter3'],
};

const layers: Readonly<Record<string, Layer>> = {
  base: { values: [], types: [] },
  raft: { values: ['base'], types: [] },
  queue: { values: ['base'], types: ['sharding'] },
  sharding: { values: ['base'], types: [] },
  wire: {
    values: ['base'],
    types: ['raft', 'queue', 'mesh', 'sharding'],
    node: ['node:buffer', 'node:zlib'],
    packages: ['msgpack-lite'],
  },
  ports: { values: ['base'], types: ['raft', 'queue'] },
  mesh: { values: ['base', 'ports', 'wire'], types: ['raft'], node: ['node:crypto'] },
  node: {
    values: ['base', 'raft', 'queue', 'sharding', 'ports', 'mesh'],
    types: [],
    packages: ['eventemitter3'],
  },
  transport: {
    ...adapters,
    node: ['node:http', 'node:https', 'node:stream', 'node:net', 'node:buffer'],
    packages: ['ws'],
  },
  storage: { ...adapters, node: ['node:fs', 'node:path', 'node:zlib', 'node:os', 'node:buffer'] },
  system: { ...adapters, node: ['node:crypto', 'node:os', 'node:perf_hooks', 'node:timers'] },
  service: edges,
  client: { ...edges, node: ['node:buffer', 'node:crypto'] },
  proxy: {
    ...edges,
    values: [...edges.values, 'client'],
    node: ['node:buffer', 'node:crypto', 'node:http', 'node:stream'],
  },
  status: { ...edges, node: ['node:http'] },
  cli: {
    values: [...edges.values, 'storage', 'proxy', 'start-proxy.ts', 'read-ownership.ts'],
    types: ['node', 'client'],
    node: ['node:util', 'node:fs', 'node:fs/promises', 'node:path'],
  },
  // Checkers decode for themselves: they share no code with what they judge.
  simulation: { ...judges, packages: ['eventemitter3', 'msgpack-lite'] },
  testing: judges,
};

/** Files that put the parts together: they may import anything. */
const wiring: ReadonlySet<string> = new Set([
  'src/index.ts',
  'src/start-node.ts',
  'src/connect.ts',
  'src/client/index.ts',
  'src/testing/index.ts',
  'src/simulation/index.ts',
  'src/simulation/main.ts',
  'src/service/assemble-node.ts',
  'src/proxy/index.ts',
  'src/start-proxy.ts',
  'src/read-ownership.ts',
  'src/cli/proxy-command.ts',
]);

/** The real adapters, which nothing deterministic may touch. */
const realAdapters = /^src\/(?:system\/|cli\/|transport\/websocket|storage\/file)/;

const clocks =
  /\b(?:Date\b|performance\b|setTimeout\b|setInterval\b|setImmediate\b|Math\.random\b|randomBytes\b|randomUUID\b|randomInt\b|randomFillSync\b|randomFill\b|getRandomValues\b|hrtime\b|AbortSignal\.timeout\b|process\.uptime\b|os\.uptime\b)/;

const source = sourceFiles('src');
const all = [...source, ...['test', 'examples', 'bench'].flatMap((folder) => sourceFiles(folder))];

const folderOf = (path: string): string => path.split('/')[1] ?? '';
const lineCount = (file: SourceFile): number => file.text.split('\n').length - 1;

function mayImport(file: SourceFile, wanted: ImportOf): boolean {
  const from = folderOf(file.path);
  const layer = layers[from];
  if (layer === undefined) return false;
  if (wanted.specifier.startsWith('node:')) return (layer.node ?? []).includes(wanted.specifier);
  if (wanted.target === undefined) return (layer.packages ?? []).includes(wanted.specifier);
  if (!wanted.target.startsWith('src/')) return false;
  if ((from === 'simulation' || from === 'testing') && realAdapters.test(wanted.target)) return false;
  const to = folderOf(wanted.target);
  return to === from || layer.values.includes(to) || (wanted.typeOnly && layer.types.includes(to));
}

function offences(pattern: RegExp, files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) =>
    file.code
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file.path}:${index + 1}: ${line.trim()}`] : [])),
  );
}

describe('the architecture', () => {
  it('has imports that point inward only, as the table says', () => {
    const broken = source
      .filter((file) => !wiring.has(file.path))
      .flatMap((file) =>
        importsOf(file)
          .filter((wanted) => !mayImport(file, wanted))
          .map(
            (wanted) =>
              `${file.path} must not import ${wanted.specifier}${wanted.typeOnly ? ' (types)' : ''}`,
          ),
      );
    expect(broken).toEqual([]);
  });

  it('names every folder of src in the table', () => {
    const unknown = [
      ...new Set(source.filter((file) => file.path.split('/').length > 2).map((file) => folderOf(file.path))),
    ];
    expect(unknown.filter((folder) => layers[folder] === undefined)).toEqual([]);
  });

  it('takes time and randomness from src/system alone', () => {
    expect(
      offences(
        clocks,
        source.filter((file) => folderOf(file.path) !== 'system'),
      ),
    ).toEqual([]);
  });

  it('has no timer, process or promise in the pure parts', () => {
    const pure = source.filter((file) => ['base', 'raft', 'queue', 'sharding'].includes(folderOf(file.path)));
    expect(offences(/\b(?:async\b|await\b|process\.|Buffer\b|console\.)/, pure)).toEqual([]);
  });

  it('has no any and no cast outside wire and the id constructors', () => {
    expect(offences(/(?:[:<|&]|\bas)\s*any\b(?!\s*[:(])|,\s*any\s*>/, all)).toEqual([]);
    const judged = source.filter((file) => folderOf(file.path) !== 'wire' && file.path !== 'src/base/ids.ts');
    const casts = offences(/\sas\s+(?!const\b)[\w{([]/, judged).filter(
      (line) => !/:\d+: (?:import|export|type\s)|^\S+ \* as |\{.*\bas\b.*\} from/.test(line),
    );
    expect(casts).toEqual([]);
  });

  it('names no path of one machine', () => {
    const strings = all.flatMap((file) =>
      file.text
        .split('\n')
        .flatMap((line, index) =>
          /['"`(]\/(?:home|root|Users|work|tmp)\//.test(line)
            ? [`${file.path}:${index + 1}: ${line.trim()}`]
            : [],
        ),
    );
    expect(strings.filter((line) => !line.startsWith('test/architecture.test.ts'))).toEqual([]);
  });

  it('tells one story per file: none above 350 lines', () => {
    const long = source.filter((file) => lineCount(file) > 300);
    for (const file of long) console.warn(`${file.path} has ${lineCount(file)} lines: split it near 300`);
    expect(
      source.filter((file) => lineCount(file) > 350).map((file) => `${file.path}: ${lineCount(file)}`),
    ).toEqual([]);
  });
});
