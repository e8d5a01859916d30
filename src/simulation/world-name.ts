import { Prng } from './prng.ts';

export const worldNames = ['elections', 'tokens', 'shards'] as const;
/**
 * `elections`: nodes over a machine that only hashes. `tokens`: the queue, its clients and a provider too. `shards`: several groups
 * behind routers and proxies, and shard files that change.
 */
export type WorldName = (typeof worldNames)[number];

/** Which world a seed is about when nobody says which: three in ten are elections, four tokens, three shards. */
export function worldOf(seed: number): WorldName {
  const place = new Prng(`kind:${seed}`).next();
  if (place < 0.3) return 'elections';
  return place < 0.7 ? 'tokens' : 'shards';
}
