import type { RouteExplanation } from './router/types.ts';
import type { Place, QueueRoutes } from './routes.ts';
import type { KeyExplanation } from './types.ts';

/** @param route - what the router in this process says; undefined without one. */
export function explainKey(
  routes: QueueRoutes,
  { shard, bucket }: Place,
  connected: boolean,
  route: RouteExplanation | undefined,
): KeyExplanation {
  // The map in force here, not the version that a request on this key would carry.
  const { namespace, mapVersion } = routes;
  if (namespace === undefined) {
    const summary = 'One group serves every key, through the node that is connected.';
    return { ...nothing, via: 'node', connected, summary };
  }
  const name = routes.shards.find(({ number }) => number === shard)?.name;
  const known = { namespace, shard: name, bucket, mapVersion, connected } as const;
  if (route === undefined) {
    const summary = `Bucket ${bucket} of ${namespace} belongs to ${name} by map version ${mapVersion}; a proxy finds its leader.`;
    return { ...known, via: 'proxy', summary };
  }
  const { epoch, leaderId, term, state, held, inFlight, summary } = route;
  return { ...known, via: 'router', epoch, leaderId, term, state, held, inFlight, summary };
}

const nothing = { namespace: undefined, shard: undefined, bucket: undefined, mapVersion: 0 } as const;
