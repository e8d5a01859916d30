import { type WorldName, worldNames } from './world-name.ts';

/** What the command line asks for. `world` is undefined where each seed draws its own. */
export type SimulationCommand =
  | {
      readonly type: 'batch';
      readonly from: number;
      readonly seeds: number;
      readonly json: boolean;
      readonly world: WorldName | undefined;
    }
  | { readonly type: 'replay'; readonly seed: number; readonly world: WorldName | undefined }
  | { readonly type: 'help' };

export const usage: string = `Runs seeded worlds of real nodes, proxies, clients and workers under faults, and judges them from outside.

  npm run sim -- [--world NAME] [--seeds N] [--from S] [--json]   N worlds (100), with seeds from S (1) on
  npm run sim -- [--world NAME] --replay SEED                     one world, twice, with its transcript

  --world elections   nodes over a machine that only hashes
  --world tokens      the queue, its clients and a provider on one cluster
  --world shards      several groups behind routers and proxies, and shard files that change
  Without it the seed picks: three in ten are elections, four tokens, three shards.

Exit code 0: no invariant broke, every world converged, every fault was drawn (from 100 seeds of elections and tokens on, and
from 400 seeds of shards on). 1: not so. 2: wrong arguments.`;

/** @throws Error with a text for people when the arguments make no sense. */
export function parseArguments(argv: readonly string[]): SimulationCommand {
  const numbers = new Map<string, number>();
  let json = false;
  let world: WorldName | undefined;
  for (let i = 0; i < argv.length; i += 1) {
    const name = argv[i]!;
    if (name === '--help' || name === '-h') return { type: 'help' };
    if (name === '--json') json = true;
    else if (name === '--world') {
      i += 1;
      world = worldNamed(argv[i]);
    } else if (name === '--seeds' || name === '--from' || name === '--replay') {
      i += 1;
      numbers.set(name, wholeNumber(name, argv[i]));
    } else throw new Error(`unknown argument ${name}`);
  }
  const replay = numbers.get('--replay');
  if (replay !== undefined) return { type: 'replay', seed: replay, world };
  const seeds = numbers.get('--seeds') ?? 100;
  if (seeds === 0) throw new Error('--seeds must be above 0');
  return { type: 'batch', from: numbers.get('--from') ?? 1, seeds, json, world };
}

function worldNamed(text: string | undefined): WorldName {
  const world = worldNames.find((name) => name === text);
  if (world === undefined)
    throw new Error(`--world must be one of ${worldNames.join(', ')}, got ${text ?? 'nothing'}`);
  return world;
}

function wholeNumber(name: string, text: string | undefined): number {
  if (text === undefined || !/^\d{1,15}$/.test(text))
    throw new Error(`${name} must be a whole number, got ${text ?? 'nothing'}`);
  return Number(text);
}
