import { isRaftsmanError } from './base/errors.ts';
import { clientId } from './base/ids.ts';
import { nodeDial } from './client/router/front-dial.ts';
import { Router } from './client/router/router.ts';
import type { ShardOwnership } from './client/router/types.ts';
import type { Logger } from './ports/logger.ts';
import { type AccessOptions, resolveAccess } from './proxy/proxy-options.ts';
import { readShards } from './proxy/reloads.ts';
import type { Shard } from './sharding/types.ts';
import { readTextFile } from './storage/file/watched-file.ts';
import { SystemClock } from './system/system-clock.ts';
import { SystemRandom } from './system/system-random.ts';
import { WebSocketTransport } from './transport/websocket/websocket-transport.ts';

/** What the shards say and why others say nothing, both in the order of the shard file. */
export interface OwnershipReport {
  readonly shards: readonly ShardOwnership[];
  readonly problems: readonly { readonly shard: string; readonly code: string; readonly message: string }[];
}

/**
 * Asks every shard what it owns; changes nothing, and listens nowhere. What a shard does not say within 5 s is a problem.
 *
 * @throws InvalidOptionError and ShardFileError before anything is dialled; what reading the file throws.
 */
export async function readOwnership(options: AccessOptions): Promise<OwnershipReport> {
  const { name, shards, secret, checkMap: check } = resolveAccess(options);
  const directory = await readShards(shards, { readText: readTextFile, check });
  const clock = new SystemClock();
  const random = new SystemRandom();
  const id = clientId(Buffer.from(random.bytes(16)).toString('hex'));
  const transport = new WebSocketTransport({ listen: false, logger: silent });
  const openNode = nodeDial({ transport, clock, random, secret, name }, id);
  const router = new Router({
    directory,
    openNode,
    clientId: id,
    clock,
    random,
    logger: silent,
    events: deaf,
  });
  router.start();
  try {
    const reports = await Promise.all(directory.shards.map((shard) => ask(router, shard)));
    return {
      shards: reports.flatMap((report) => report.shards),
      problems: reports.flatMap((report) => report.problems),
    };
  } finally {
    router.close();
  }
}

async function ask(router: Router, { name, number }: Shard): Promise<OwnershipReport> {
  try {
    return { shards: await router.ownership(number), problems: [] };
  } catch (error) {
    if (!isRaftsmanError(error)) throw error;
    return { shards: [], problems: [{ shard: name, code: error.code, message: error.message }] };
  }
}

/** What went wrong stands in the report. */
const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const nothing = (): void => {};
const deaf = { push: nothing, leader: nothing, mapChanged: nothing, problem: nothing, problemOver: nothing };
