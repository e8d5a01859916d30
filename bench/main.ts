import { benchFailover } from './failover.ts';
import { parseBenchOptions } from './options.ts';
import { benchProxy } from './proxy.ts';
import { benchQueue } from './queue.ts';
import { benchRoute } from './route.ts';
import { benchWrite } from './write.ts';

/** `npm run bench -- failover|write|queue|route|proxy [--json] [--rounds N] [--seconds N]`: one question per bench, each beside its yardstick. */
const benches = {
  failover: benchFailover,
  write: benchWrite,
  queue: benchQueue,
  route: benchRoute,
  proxy: benchProxy,
};

const options = (() => {
  try {
    return parseBenchOptions(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  }
})();
const { table, json } = await benches[options.bench](options);
console.log(table.join('\n'));
if (options.json) console.log(JSON.stringify(json));
process.exit(0);
