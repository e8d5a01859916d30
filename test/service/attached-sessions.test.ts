import { describe, expect, it } from 'vitest';
import { clientId, sessionId } from '../../src/base/ids.ts';
import { AttachedSessions } from '../../src/service/attached-sessions.ts';
import { ClientConnection } from '../../src/service/client-connection.ts';
import { LeaderPath } from '../../src/service/leader-path.ts';
import { splitBundle } from '../../src/wire/client-bundle.ts';
import { decodeHeader } from '../../src/wire/client-header.ts';
import { everything, TestCluster } from './test-cluster.ts';

const session = sessionId('cd'.repeat(16));

function connected(): { readonly connection: ClientConnection; readonly kinds: string[] } {
  const kinds: string[] = [];
  const connection = new ClientConnection({
    account: 'test',
    name: 'test',
    may: everything,
    clientId: clientId('ab'.repeat(16)),
    router: false,
    remoteAddress: 'test',
    send: (message) => void kinds.push(...splitBundle(message).map((frame) => decodeHeader(frame).kind)),
    queuedBytes: () => 0,
    pause: () => {},
    close: () => {},
    onFrame: undefined,
    onClose: undefined,
  });
  return { connection, kinds };
}

function sessions(): {
  readonly attached: AttachedSessions;
  readonly cluster: TestCluster;
  readonly told: string[];
} {
  const cluster = new TestCluster();
  cluster.lead('a');
  const told: string[] = [];
  const path = new LeaderPath(cluster.node('b').group, cluster.clock, (_, header) => {
    told.push(header.kind);
    return true;
  });
  return { attached: new AttachedSessions(path, cluster.clock), cluster, told };
}

describe('the sessions of a gateway', () => {
  it('pass on no news older than their attachment: the end of an earlier life is not the end of this one', async () => {
    const { attached, cluster } = sessions();
    const { connection, kinds } = connected();
    attached.attached(session, 5, 10, connection);
    const lost = { session, queue: 'tokens', id: 't1', fence: 1, why: 'session' } as const;
    const news = {
      ready: new Set<string>(),
      leasesLost: [lost],
      sessionsEnded: [session],
      holders: new Map(),
    };
    attached.onApplied(9, news);
    await cluster.clock.settle();
    expect(kinds).toEqual([]);
    attached.onApplied(11, news);
    await cluster.clock.settle();
    expect(kinds).toEqual(['leaseLost', 'sessionEnded']);
  });

  it('belong to the newest attachment: the old link, when it closes, ends nothing', async () => {
    const { attached, told } = sessions();
    const [old, young] = [connected(), connected()];
    attached.attached(session, 5, 10, old.connection);
    attached.attached(session, 6, 11, young.connection);
    // An answer that was under way for longer.
    attached.attached(session, 5, 10, old.connection);
    old.connection.closedBy = 'remote';
    attached.closed(old.connection, [session]);
    expect(told).toEqual([]);
    young.connection.closedBy = 'remote';
    attached.closed(young.connection, [session]);
    expect(told).toEqual(['detach']);
  });
});
