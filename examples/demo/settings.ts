/** What a person chooses. */
export interface DemoOptions {
  readonly tokens: number;
  readonly seconds: number;
  readonly json: boolean;
  /** 1: one cluster that everybody dials. 2: two clusters behind two proxies. */
  readonly shards: number;
}

/** Everything that the processes of one run share. Durations in ms unless the name says otherwise. */
export interface Settings {
  readonly tokens: number;
  readonly seconds: number;
  readonly shards: number;
  /** Lifetime of an access token, in whole seconds: a third of the run. */
  readonly lifetimeSeconds: number;
  /** A refresh starts so long before the token expires. */
  readonly leadMs: number;
  readonly urgentMs: number;
  /** How long nobody touches a rotating token whose refresh was cut short: time for its updater to come back. */
  readonly suspectMs: number;
  /** The bound on one refresh: patient, because an answer that comes after it is lost like one that died with its process. */
  readonly callMs: number;
  /** How long an updater waits after 429, 5xx or a refused connection. */
  readonly backOffMs: number;
  /** Refreshes at a time per updater. */
  readonly concurrency: number;
  /** A provider is not next door: each answer takes about so long, half of it after the token was rotated. */
  readonly latencyMs: number;
}

export const updaterIds = ['updater-1', 'updater-2', 'updater-3'] as const;
export const queueNames = { tokens: 'tokens', marks: 'marks', probes: 'probes' } as const;

/** A killed updater is started again so long after. */
export const updaterRestartMs = 2_000;

/** Two clients of the authorisation server: refresh tokens of the first rotate, those of the second do not. */
export const providers = ['rotating', 'steady'] as const;
export type ProviderName = (typeof providers)[number];

/** The script of two shards has more to do. */
const shardsSecondsMin = 30;

const usage = 'usage: npm run demo -- [--shards N] [--tokens N] [--seconds N] [--json]';

/** @throws Error with a sentence for a person. */
export function parseOptions(args: readonly string[]): DemoOptions {
  let tokens = 1_000;
  let seconds = 60;
  let json = false;
  let shards = 1;
  for (let index = 0; index < args.length; index++) {
    const arg = args[index];
    if (arg === '--json') json = true;
    else if (arg === '--tokens') tokens = whole(arg, args[++index], 2, 20_000);
    else if (arg === '--shards') shards = whole(arg, args[++index], 1, 2);
    else if (arg === '--seconds') seconds = whole(arg, args[++index], 24, 3_600);
    else throw new Error(`unknown argument ${arg}; ${usage}`);
  }
  if (shards > 1 && seconds < shardsSecondsMin)
    throw new Error(`--seconds must be at least ${shardsSecondsMin} with two shards; ${usage}`);
  return { tokens, seconds, json, shards };
}

function whole(name: string, text: string | undefined, min: number, max: number): number {
  const value = Number(text);
  if (text === undefined || !Number.isInteger(value) || value < min || value > max) {
    throw new Error(`${name} must be a whole number from ${min} to ${max}; ${usage}`);
  }
  return value;
}

/** Scales everything to the length of the run, so that a short run tells the same story. */
export function settingsFor(options: DemoOptions): Settings {
  const lifetimeSeconds = Math.floor(options.seconds / 3);
  const lifetimeMs = lifetimeSeconds * 1_000;
  return {
    tokens: options.tokens,
    seconds: options.seconds,
    shards: options.shards,
    lifetimeSeconds,
    leadMs: lifetimeMs * 0.5,
    urgentMs: lifetimeMs * 0.1,
    suspectMs: lifetimeMs * 0.35,
    callMs: lifetimeMs * 0.35,
    backOffMs: lifetimeMs * 0.02,
    concurrency: 25,
    latencyMs: 60,
  };
}
