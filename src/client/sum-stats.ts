import type { QueueStats } from '../queue/types.ts';

/** Counts of a queue over its shards. A client has its session on every shard, so sessions and clients are those of the shard that has most. */
export function sumStats(each: readonly QueueStats[]): QueueStats {
  const sum = (count: (stats: QueueStats) => number): number =>
    each.reduce((total, stats) => total + count(stats), 0);
  const most = (count: (stats: QueueStats) => number): number => Math.max(0, ...each.map(count));
  return {
    states: {
      ready: sum(({ states }) => states.ready),
      delayed: sum(({ states }) => states.delayed),
      taken: sum(({ states }) => states.taken),
      suspect: sum(({ states }) => states.suspect),
      buried: sum(({ states }) => states.buried),
    },
    bands: {
      urgent: sum(({ bands }) => bands.urgent),
      expired: sum(({ bands }) => bands.expired),
      ahead: sum(({ bands }) => bands.ahead),
    },
    oldestExpiredMs: most(({ oldestExpiredMs }) => oldestExpiredMs),
    sessions: most(({ sessions }) => sessions),
    clients: most(({ clients }) => clients),
  };
}
