import { meetParent } from './child.ts';
import { startAuthorizationServer } from './oauth-provider.ts';

/** The authorisation server's process. */
const { parent, start } = await meetParent();
const server = await startAuthorizationServer(start.settings, start.deployment.secrets.provider);

parent.onMessage = (message) => {
  if (message.type === 'watch') {
    server.whenOutstanding(message.worker, message.calls, () =>
      parent.send({ type: 'outstanding', worker: message.worker, calls: server.outstanding(message.worker) }),
    );
  }
  if (message.type === 'stop') server.close().then(() => process.exit(0));
};
parent.send({ type: 'ready', address: `${server.issuer}/token`, journalUrl: server.journalUrl });
