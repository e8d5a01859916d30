export interface RoundsOptions {
  readonly rounds: number;
  /** Requests a second, of all clients together. */
  readonly rate: number;
  /** Names the faults and their order; how the processes meet them differs from run to run. */
  readonly seed: number;
  readonly json: boolean;
  /** Keep the journals and logs although all promises hold. */
  readonly keep: boolean;
}

const usage = 'usage: npm run rounds -- [--rounds N] [--rate N] [--seed N] [--json] [--keep]';

/** @throws Error with a sentence for a person. */
export function parseRoundsOptions(args: readonly string[]): RoundsOptions {
  let options: RoundsOptions = { rounds: 100, rate: 1_000, seed: 1, json: false, keep: false };
  for (let index = 0; index < args.length; index++) {
    const arg = args[index];
    if (arg === '--json') options = { ...options, json: true };
    else if (arg === '--keep') options = { ...options, keep: true };
    else if (arg === '--rounds') options = { ...options, rounds: whole(arg, args[++index], 1, 10_000) };
    else if (arg === '--rate') options = { ...options, rate: whole(arg, args[++index], 4, 20_000) };
    else if (arg === '--seed') options = { ...options, seed: whole(arg, args[++index], 0, 4_294_967_295) };
    else throw new Error(`unknown argument ${arg}; ${usage}`);
  }
  return options;
}

function whole(name: string, text: string | undefined, least: number, most: number): number {
  const value = Number(text);
  if (text === undefined || !Number.isInteger(value) || value < least || value > most)
    throw new Error(`${name} must be a whole number from ${least} to ${most}; ${usage}`);
  return value;
}
