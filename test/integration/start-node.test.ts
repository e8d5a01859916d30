import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ClosedError,
  DirectoryLockedError,
  DirectoryMismatchError,
  InvalidArgumentError,
  InvalidOptionError,
} from '../../src/base/errors.ts';
import { json } from '../../src/client/codec.ts';
import type { Logger } from '../../src/ports/logger.ts';
import type { RaftsmanNode } from '../../src/service/assemble-node.ts';
import { type StartNodeOptions, startNode } from '../../src/start-node.ts';
import { freePorts } from './node-process.ts';

let directory: string;
let ports: readonly number[];
const nodes: RaftsmanNode[] = [];
const servers: Server[] = [];
const said: string[] = [];
const logger: Logger = {
  debug: () => {},
  info: () => {},
  warn: (_data, message) => said.push(message),
  error: (_data, message) => said.push(message),
};

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'raftsman-start-'));
  ports = await freePorts(3);
  said.length = 0;
});
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.close()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(directory, { recursive: true, force: true });
});

function options(more: Partial<StartNodeOptions> = {}): StartNodeOptions {
  return {
    id: 'a',
    cluster: 'start',
    dataDir: join(directory, more.id ?? 'a'),
    listen: { host: '127.0.0.1', port: ports[0]! },
    peers: { a: `ws://127.0.0.1:${ports[0]}` },
    secret: 'a secret of at least thirty-two bytes',
    logger,
    ...more,
  };
}

async function start(more: Partial<StartNodeOptions> = {}): Promise<RaftsmanNode> {
  const node = await startNode(options(more));
  nodes.push(node);
  return node;
}

async function listening(): Promise<Server> {
  const server = createServer((_request, response) => response.end('the application'));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('startNode', () => {
  it('starts a single node that leads at once and keeps its identity over a restart', async () => {
    const first = await start();
    const { term } = await first.waitForLeader({ timeoutMs: 5_000 });
    expect(first.status()).toMatchObject({
      state: 'running',
      role: 'leader',
      health: 'normal',
      failuresTolerated: 0,
    });
    await expect.poll(() => first.status().clusterId).not.toBeNull();
    const { clusterId } = first.status();
    await first.close();
    const second = await start();
    expect((await second.waitForLeader({ timeoutMs: 5_000 })).term).toBeGreaterThan(term);
    await expect.poll(() => second.status().clusterId).toBe(clusterId);
  });

  it('writes nothing when an option is wrong', async () => {
    await expect(startNode(options({ heartbeatMs: 900 }))).rejects.toThrow(InvalidOptionError);
    await expect(startNode(options({ secret: 'short' }))).rejects.toThrow(InvalidOptionError);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('refuses a directory that another live node has open, and frees its own when the port is taken', async () => {
    await start();
    await expect(startNode(options())).rejects.toThrow(DirectoryLockedError);
    const other = options({ id: 'b', peers: { b: `ws://127.0.0.1:${ports[1]}` } });
    await expect(startNode(other)).rejects.toThrow(/EADDRINUSE/);
    const node = await startNode({ ...other, listen: { host: '127.0.0.1', port: ports[1]! } });
    nodes.push(node);
  });

  it('refuses a directory of another node, of another cluster, and a file in its place', async () => {
    await (await start()).close();
    const dataDir = join(directory, 'a');
    await expect(startNode(options({ cluster: 'other' }))).rejects.toThrow(DirectoryMismatchError);
    const renamed = options({ id: 'z', dataDir, peers: { z: `ws://127.0.0.1:${ports[0]}` } });
    await expect(startNode(renamed)).rejects.toThrow(DirectoryMismatchError);
    const file = join(directory, 'file');
    writeFileSync(file, 'not a directory');
    await expect(startNode(options({ dataDir: file }))).rejects.toThrow(/not a directory/);
  });

  it('warns of an even number of members', async () => {
    await start({ peers: { a: `ws://127.0.0.1:${ports[0]}`, b: `ws://127.0.0.1:${ports[1]}` } });
    expect(said).toContain('peers names 2 members: an even number tolerates no more failures than 1');
  });

  it('reports a wrong secret on both sides and connects nobody', async () => {
    const peers = {
      a: `ws://127.0.0.1:${ports[0]}`,
      b: `ws://127.0.0.1:${ports[1]}`,
      c: `ws://127.0.0.1:${ports[2]}`,
    };
    const a = await start({ peers });
    const problems: string[] = [];
    a.on('problem', ({ kind }) => problems.push(kind));
    const b = await start({
      id: 'b',
      peers,
      listen: { host: '127.0.0.1', port: ports[1]! },
      secret: 'another secret of thirty-two bytes!',
    });
    await expect.poll(() => problems, { timeout: 5_000 }).toContain('wrongSecret');
    expect(a.status().members.every(({ connected, self }) => connected === self)).toBe(true);
    await expect
      .poll(
        () =>
          b
            .explain()
            .voters.map(({ says }) => says)
            .join('\n'),
        { timeout: 5_000 },
      )
      .toMatch(/wrongSecret/);
  });
});

describe('node.queue', () => {
  it('puts, takes and acks without a socket, and ends with the node', async () => {
    const node = await start();
    const tokens = node.queue<{ secret: string }>('tokens', { codec: json<{ secret: string }>() });
    const expiresAt = Date.now() + 1_000;
    await tokens.put({ id: 't1', payload: { secret: 'first' }, expiresAt, provider: 'acme' });
    const [lease] = await tokens.take({ waitMs: 2_000 });
    expect(lease?.task).toMatchObject({ id: 't1', payload: { secret: 'first' } });
    await lease?.ack({ payload: { secret: 'second' }, expiresAt: expiresAt + 3_600_000 });
    expect(await tokens.get('t1')).toMatchObject({ payload: { secret: 'second' }, state: 'delayed' });
    await node.close();
    await expect(tokens.get('t1')).rejects.toThrow(ClosedError);
  });
});

describe('listen', () => {
  it('shares a server of the application, and never closes it', async () => {
    const server = await listening();
    const node = await start({
      listen: { server, path: '/raft' },
      peers: { a: `ws://127.0.0.1:${portOf(server)}/raft` },
    });
    await node.waitForLeader({ timeoutMs: 5_000 });
    await node.close();
    expect(server.listening).toBe(true);
    const answer = await fetch(`http://127.0.0.1:${portOf(server)}/`);
    expect(await answer.text()).toBe('the application');
  });

  it('false leaves the sockets to the application, which offers them by handleUpgrade', async () => {
    const server = await listening();
    const peers = { a: `ws://127.0.0.1:${portOf(server)}`, b: `ws://127.0.0.1:${ports[1]}` };
    const a = await start({ listen: false, peers });
    server.on('upgrade', (request, socket, head) => {
      if (!a.handleUpgrade(request, socket, head)) socket.destroy();
    });
    await start({ id: 'b', peers, listen: { host: '127.0.0.1', port: ports[1]! } });
    await expect
      .poll(() => a.status().members.every(({ connected }) => connected), { timeout: 5_000 })
      .toBe(true);
    await a.waitForLeader({ timeoutMs: 5_000 });
  });

  it('is not asked for with a transport of another kind, which takes no sockets', async () => {
    const transport = {
      listen: async () => ({ address: 'nowhere', close: async () => {} }),
      dial: () => Promise.reject(new Error('nobody there')),
    };
    const node = await start({ listen: undefined, transport, peers: { a: 'anything the transport reads' } });
    await node.waitForLeader({ timeoutMs: 5_000 });
    const server = await listening();
    const refused = new Promise((resolve) => {
      server.on('upgrade', (request, socket, head) => {
        try {
          node.handleUpgrade(request, socket, head);
        } catch (error) {
          resolve(error);
        }
        socket.destroy();
      });
    });
    const headers = { connection: 'Upgrade', upgrade: 'websocket' };
    await fetch(`http://127.0.0.1:${portOf(server)}/`).catch(() => undefined);
    const { request } = await import('node:http');
    request({ port: portOf(server), host: '127.0.0.1', headers })
      .on('error', () => {})
      .end();
    expect(await refused).toBeInstanceOf(InvalidArgumentError);
  });
});
