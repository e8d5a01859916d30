import { type StartProxyOptions, startProxy } from '../src/start-proxy.ts';
import { meetBench } from './processes.ts';

/** A proxy as it is deployed: a process of its own, default settings. */
const bench = await meetBench<StartProxyOptions>();
const proxy = await startProxy(bench.options);
bench.onCommand((command) => {
  if (command.type === 'usage') {
    const { user, system } = process.cpuUsage();
    bench.send({ type: 'usage', cpuUs: user + system });
  }
  if (command.type === 'stop') proxy.close().then(() => process.exit(0));
});
bench.send({ type: 'ready', address: proxy.status().address ?? '' });
