import { connect } from '../src/client/index.ts';
import type { HolderOptions } from './cluster.ts';
import { meetBench } from './processes.ts';

/** An updater that takes one task and holds on to it until it is killed. */
const bench = await meetBench<HolderOptions>();
const { endpoints, secret, queue } = bench.options;
const client = await connect({ endpoints, name: 'bench', secret });
bench.send({ type: 'ready', address: '' });
await client.queue(queue).take({ waitMs: 60_000, timeoutMs: 70_000 });
bench.send({ type: 'holding' });
