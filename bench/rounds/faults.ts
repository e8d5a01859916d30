import type { Prng } from '../../src/simulation/prng.ts';
import type { WireFault } from './wire.ts';

/** What a round does, before it is known who leads. */
export type Fault =
  | { readonly kind: 'kill leader' | 'kill follower'; readonly shard: number; readonly downMs: number }
  | { readonly kind: 'kill proxy'; readonly proxy: number; readonly downMs: number }
  | {
      readonly kind: 'kill leader and proxy';
      readonly shard: number;
      readonly proxy: number;
      readonly downMs: number;
    }
  | { readonly kind: 'kill both leaders'; readonly downMs: number }
  | { readonly kind: 'freeze leader'; readonly shard: number; readonly lastsMs: number }
  | { readonly kind: 'freeze proxy'; readonly proxy: number; readonly lastsMs: number }
  | Cut;

/** Links that are hurt for a while. */
export interface Cut {
  readonly kind: 'cut router links' | 'cut node links' | 'cut client links';
  readonly shard: number;
  readonly proxy: number;
  /** Which of the links: every kind has a few sets of them. */
  readonly where: number;
  readonly how: WireFault;
  readonly then: 'pass' | 'reset';
  readonly lastsMs: number;
}

export type FaultKind = Fault['kind'];

export const faultKinds: readonly FaultKind[] = [
  'kill leader',
  'kill follower',
  'kill proxy',
  'kill leader and proxy',
  'kill both leaders',
  'freeze leader',
  'freeze proxy',
  'cut router links',
  'cut node links',
  'cut client links',
];
const wireFaults: readonly WireFault[] = ['hold', 'silentUp', 'silentDown', 'reset', 'midFrame'];

/** Each kind once, in an order of its own, before any comes again. */
export function* drawFaults(prng: Prng, kinds: readonly FaultKind[]): Generator<Fault, never> {
  for (;;) for (const kind of prng.shuffled(kinds)) yield drawFault(prng, kind);
}

function drawFault(prng: Prng, kind: FaultKind): Fault {
  const shard = prng.below(2);
  const proxy = prng.below(2);
  const downMs = Math.round(prng.between(0, 1_500));
  const where = prng.below(3);
  switch (kind) {
    case 'kill leader':
    case 'kill follower':
      return { kind, shard, downMs };
    case 'kill proxy':
      return { kind, proxy, downMs };
    case 'kill leader and proxy':
      return { kind, shard, proxy, downMs };
    case 'kill both leaders':
      return { kind, downMs };
    case 'freeze leader':
      return { kind, shard, lastsMs: Math.round(prng.between(500, 4_000)) };
    case 'freeze proxy':
      return { kind, proxy, lastsMs: Math.round(prng.between(500, 3_000)) };
    case 'cut router links':
    case 'cut node links':
    case 'cut client links': {
      const how = prng.pick(wireFaults);
      const then = prng.chance(0.5) ? 'pass' : 'reset';
      return { kind, shard, proxy, where, how, then, lastsMs: Math.round(prng.between(300, 3_000)) };
    }
  }
}
