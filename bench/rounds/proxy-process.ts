import type { ProxyStatus } from '../../src/proxy/index.ts';
import { startProxy } from '../../src/start-proxy.ts';
import { meetParent } from './child.ts';

const pulseEveryMs = 100;

const { first, send, onMessage } = await meetParent('proxy');
const proxy = await startProxy(first.options);
const pulse = (): void => {
  const lacks = lacksOf(proxy.status());
  send({ type: 'proxy', isWell: lacks === '', lacks });
};
setInterval(pulse, pulseEveryMs);
onMessage((message) => {
  if (message.type === 'stop') proxy.close().then(() => process.exit(0));
});
send({ type: 'ready', address: proxy.address });

function lacksOf({ claimed, shards }: ProxyStatus): string {
  const lacks = shards.flatMap(({ name, state, nodes }) => [
    ...(state === 'open' ? [] : [`${name} is ${state}`]),
    ...nodes.filter(({ connected }) => !connected).map(({ id }) => `no link to ${name}/${id}`),
  ]);
  return [...lacks, ...(claimed ? [] : ['not all is claimed'])].join(', ');
}
