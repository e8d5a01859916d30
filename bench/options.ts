const benchNames = ['failover', 'write', 'queue', 'route', 'proxy'] as const;

export interface BenchOptions {
  readonly bench: (typeof benchNames)[number];
  readonly json: boolean;
  /** How often a thing that happens once is repeated. */
  readonly rounds: number;
  /** How long a throughput is measured. */
  readonly seconds: number;
}

/** What a bench hands back: lines for a person, one object for a program. */
export interface BenchResult {
  readonly table: readonly string[];
  readonly json: object;
}

const usage = `usage: npm run bench -- ${benchNames.join('|')} [--json] [--rounds N] [--seconds N]`;

/** @throws Error with a sentence for a person. */
export function parseBenchOptions(args: readonly string[]): BenchOptions {
  const [first, ...rest] = args;
  const bench = benchNames.find((name) => name === first);
  if (bench === undefined) throw new Error(`which bench? ${usage}`);
  let json = false;
  let rounds = 15;
  let seconds = 5;
  for (let index = 0; index < rest.length; index++) {
    const arg = rest[index];
    if (arg === '--json') json = true;
    else if (arg === '--rounds') rounds = whole(arg, rest[++index]);
    else if (arg === '--seconds') seconds = whole(arg, rest[++index]);
    else throw new Error(`unknown argument ${arg}; ${usage}`);
  }
  return { bench, json, rounds, seconds };
}

function whole(name: string, text: string | undefined): number {
  const value = Number(text);
  if (text === undefined || !Number.isInteger(value) || value < 1 || value > 1_000) {
    throw new Error(`${name} must be a whole number from 1 to 1000; ${usage}`);
  }
  return value;
}
