import type { ShardMap } from '../../sharding/shard-map.ts';
import type { RouteExplanation } from './types.ts';
import type { Way } from './way.ts';

export interface RouteFacts {
  readonly map: ShardMap;
  readonly key: string;
  readonly bucket: number;
  readonly way: Way;
  readonly epoch: number | undefined;
}

/** Says where a key goes and why. */
export function explainRoute({ map, key, bucket, way, epoch }: RouteFacts): RouteExplanation {
  const { name, state, leaderId, term, held, inFlight } = way.status(0);
  const who = leaderId === undefined ? 'no leader of it is reached' : `${leaderId} leads it in term ${term}`;
  const learned = map.ownerOf(bucket).name === name ? '' : ' (learned from a shard; the map says otherwise)';
  return {
    namespace: map.namespace,
    key,
    bucket,
    shard: name,
    mapVersion: map.version,
    epoch,
    leaderId,
    term,
    state,
    held,
    inFlight,
    summary: `${key} of ${map.namespace} is in bucket ${bucket}, which ${name} owns${learned}; ${who}, and its requests are ${words[state]}`,
  };
}

const words = { open: 'sent at once', draining: 'sent as those before them are answered', holding: 'held' };
