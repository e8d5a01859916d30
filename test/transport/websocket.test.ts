import { Buffer } from 'node:buffer';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Link, Listener } from '../../src/ports/transport.ts';
import { subprotocol } from '../../src/transport/websocket/limits.ts';
import {
  type WebSocketListen,
  WebSocketTransport,
} from '../../src/transport/websocket/websocket-transport.ts';
import { helloBytesMax } from '../../src/wire/limits.ts';
import { silentLogger } from '../mesh/mesh-world.ts';
import { pause, until } from './real-time.ts';

const loopback: WebSocketListen = { host: '127.0.0.1', port: 0 };
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

interface Host {
  readonly transport: WebSocketTransport;
  readonly listener: Listener;
  readonly links: Link[];
  readonly closes: (readonly [string, number])[];
  readonly frames: Uint8Array[];
}

async function host(listen: WebSocketListen = loopback): Promise<Host> {
  const transport = new WebSocketTransport({ listen, logger: silentLogger });
  const links: Link[] = [];
  const closes: (readonly [string, number])[] = [];
  const frames: Uint8Array[] = [];
  const listener = await transport.listen((link) => {
    links.push(link);
    link.setFrameBytesMax(helloBytesMax);
    link.onFrame = (frame) => frames.push(frame);
    link.onClose = (by, code) => closes.push([by, code]);
  });
  cleanups.push(() => listener.close());
  return { transport, listener, links, closes, frames };
}

/** A WebSocket that is not ours. */
async function stranger(
  address: string,
  options: object = {},
  protocols: readonly string[] = [subprotocol],
): Promise<WebSocket> {
  const socket = new WebSocket(address, [...protocols], options);
  socket.on('error', () => undefined);
  cleanups.push(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

function closeOf(socket: WebSocket): Promise<number> {
  return new Promise((resolve) => {
    socket.once('close', (code) => resolve(code));
  });
}

async function statusOf(
  address: string,
  headers: Readonly<Record<string, string>>,
  path = '/',
): Promise<number> {
  const { hostname, port } = new URL(address);
  const key = Buffer.alloc(16).toString('base64');
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': key,
  };
  const outgoing = request({ hostname, port, path, headers: { ...upgrade, ...headers } });
  outgoing.on('error', () => undefined);
  outgoing.end();
  return new Promise((resolve) => {
    outgoing.once('response', (response) => resolve(response.statusCode ?? 0));
    outgoing.once('upgrade', (_, socket) => {
      socket.destroy();
      resolve(101);
    });
  });
}

async function rawSocket(address: string): Promise<Socket> {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  cleanups.push(() => socket.destroy());
  socket.resume();
  await once(socket, 'connect');
  return socket;
}

const theirs = { 'sec-websocket-protocol': subprotocol };

describe('a WebSocket link', () => {
  it('refuses a text frame with 1003', async () => {
    const { listener, closes, frames } = await host();
    const socket = await stranger(listener.address);
    socket.send('text');
    expect(await closeOf(socket)).toBe(1003);
    expect(closes).toEqual([['local', 1003]]);
    expect(frames).toEqual([]);
  });

  it('refuses an oversized frame with 1009 by its header, before its bytes have come', async () => {
    const { listener, closes } = await host();
    const socket = await stranger(listener.address);
    const header = Buffer.from([0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0]);
    const raw: unknown = Reflect.get(socket, '_socket');
    if (raw !== null && typeof raw === 'object' && 'write' in raw && typeof raw.write === 'function')
      raw.write(header);
    expect(await closeOf(socket)).toBe(1009);
    expect(closes).toEqual([['local', 1009]]);
  });

  it('refuses a message that grows over the limit in fragments', async () => {
    const { listener, closes } = await host();
    const socket = await stranger(listener.address);
    for (let i = 0; i < 100; i++) socket.send(Buffer.alloc(100), { fin: false, binary: true });
    expect(await closeOf(socket)).toBe(1009);
    expect(closes).toEqual([['local', 1009]]);
  });

  it('does not answer pings, so that a flood of them costs no memory', async () => {
    const { listener, links } = await host();
    const socket = await stranger(listener.address);
    let pongCount = 0;
    socket.on('pong', () => pongCount++);
    for (let i = 0; i < 2_000; i++) socket.ping();
    socket.send(Buffer.from('after'));
    await pause(100);
    expect(pongCount).toBe(0);
    expect(links[0]?.queuedBytes()).toBe(0);
  });

  it('survives what is not a WebSocket frame: the link ends, the process does not', async () => {
    const { listener, closes } = await host();
    for (const bytes of [
      Buffer.alloc(64, 0xff),
      Buffer.from([0x82, 0x05, 1, 2, 3, 4, 5]),
      Buffer.from([0xc2, 0x80, 0, 0, 0, 0]),
    ]) {
      const socket = await stranger(listener.address);
      const raw: unknown = Reflect.get(socket, '_socket');
      if (raw !== null && typeof raw === 'object' && 'write' in raw && typeof raw.write === 'function')
        raw.write(bytes);
      await closeOf(socket);
    }
    expect(closes).toHaveLength(3);
    expect(closes.every(([by]) => by === 'local')).toBe(true);
  });

  it('negotiates no compression and sends an all-zero mask', async () => {
    const server = createServer();
    let seen = '';
    let bytes: Buffer = Buffer.alloc(0);
    server.on('upgrade', (incoming, socket) => {
      seen = incoming.headers['sec-websocket-extensions'] ?? 'none';
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        bytes = Buffer.concat([bytes, chunk]);
      });
      const accept = acceptKey(incoming.headers['sec-websocket-key'] ?? '');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`,
      );
      cleanups.push(() => socket.destroy());
    });
    const address = await open(server);
    const transport = new WebSocketTransport({ listen: false, logger: silentLogger });
    const link = await transport.dial(address, { signal: new AbortController().signal });
    link.send(Buffer.from('hello'));
    await until(() => bytes.length >= 11);
    expect(seen).toBe('none');
    expect(bytes.subarray(0, 11)).toEqual(
      Buffer.concat([Buffer.from([0x82, 0x85, 0, 0, 0, 0]), Buffer.from('hello')]),
    );
    link.close();
  });

  it('reports SIGKILL of the other process as closed by remote, long before silence would tell', async () => {
    const program = `
      import { WebSocketServer } from 'ws';
      const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => '${subprotocol}' });
      server.on('listening', () => console.log(server.address().port));
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    cleanups.push(() => child.kill('SIGKILL'));
    const [port] = await once(child.stdout, 'data');
    const transport = new WebSocketTransport({ listen: false, logger: silentLogger });
    const link = await transport.dial(`ws://127.0.0.1:${String(port).trim()}`, {
      signal: new AbortController().signal,
    });
    const closes: (readonly [string, number])[] = [];
    link.onFrame = () => undefined;
    link.onClose = (by, code) => closes.push([by, code]);
    const killedMs = performance.now();
    child.kill('SIGKILL');
    await until(() => closes.length > 0);
    expect(performance.now() - killedMs).toBeLessThan(2_000);
    expect(closes).toEqual([['remote', 1006]]);
  });

  it('that is closed while the other side does not read is over at once for this side', async () => {
    const { listener, links, closes } = await host();
    const socket = await stranger(listener.address);
    socket.pause();
    links[0]?.send(new Uint8Array(1_000_000));
    links[0]?.close({ code: 4000, text: 'x'.repeat(500) });
    await pause(5);
    expect(closes).toEqual([['local', 4000]]);
  });
});

describe('a WebSocket listener', () => {
  it('refuses browsers: a request with an Origin', async () => {
    const { listener, links } = await host();
    expect(await statusOf(listener.address, { ...theirs, origin: 'https://example.org' })).toBe(403);
    expect(await statusOf(listener.address, theirs)).toBe(101);
    await until(() => links.length === 1);
  });

  it('refuses another path, another subprotocol and plain HTTP', async () => {
    const { listener, links } = await host();
    expect(await statusOf(listener.address, theirs, '/other')).toBe(404);
    expect(await statusOf(listener.address, {})).toBe(404);
    expect(await statusOf(listener.address, { 'sec-websocket-protocol': 'raftsman.9' })).toBe(404);
    expect((await fetch(listener.address.replace('ws:', 'http:'))).status).toBe(426);
    expect(links).toEqual([]);
  });

  it('survives sockets that send garbage, nothing, or half a request', async () => {
    const { listener } = await host();
    const garbage = await rawSocket(listener.address);
    garbage.write(Buffer.alloc(2_000, 0x16));
    const half = await rawSocket(listener.address);
    half.write('GET / HTTP/1.1\r\nUpgr');
    half.destroy();
    const reset = await rawSocket(listener.address);
    reset.write(
      `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`,
    );
    reset.resetAndDestroy();
    const long = await rawSocket(listener.address);
    long.write(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`);
    await until(() => garbage.closed && long.closed);
    await pause(20);
    expect(await statusOf(listener.address, theirs)).toBe(101);
  });

  it('rejects when the port is taken', async () => {
    const { listener } = await host();
    const { port } = new URL(listener.address);
    await expect(host({ host: '127.0.0.1', port: Number(port) })).rejects.toThrow(/EADDRINUSE/);
  });

  it('frees its port with close, while its links stay open', async () => {
    const { listener, links, frames } = await host();
    const socket = await stranger(listener.address);
    await listener.close();
    const { port } = new URL(listener.address);
    await host({ host: '127.0.0.1', port: Number(port) });
    socket.send(Buffer.from('still here'));
    await until(() => frames.length === 1);
    links[0]?.close();
  });

  it('can live on a server of the application, at its path, and never closes it', async () => {
    const server = createServer((_, response) => response.end('the application'));
    const address = await open(server);
    const { listener, links } = await host({ server, path: '/raft' });
    expect(listener.address).toBe(`${address}/raft`);
    expect(await statusOf(address, theirs, '/raft?x=1')).toBe(101);
    expect(await statusOf(address, theirs, '/other')).toBe(404);
    await until(() => links.length === 1);
    await listener.close();
    expect(server.listening).toBe(true);
    expect(await (await fetch(address.replace('ws:', 'http:'))).text()).toBe('the application');
    expect(server.listenerCount('upgrade')).toBe(0);
  });

  it('leaves upgrades of the application to its other listeners', async () => {
    const server = createServer();
    const address = await open(server);
    await host({ server, path: '/raft' });
    server.on('upgrade', (incoming, socket) => {
      if (incoming.url === '/chat') socket.end('HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n');
    });
    expect(await statusOf(address, {}, '/chat')).toBe(418);
    expect(await statusOf(address, theirs, '/raft')).toBe(101);
  });

  it('can be fed upgrades by the application, and says which are not its own', async () => {
    const server = createServer();
    const { transport, links, listener } = await host(false);
    const answers: boolean[] = [];
    server.on('upgrade', (incoming, socket, head) => {
      const isOurs = transport.handleUpgrade(incoming, socket, head);
      answers.push(isOurs);
      if (!isOurs) socket.end('HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n');
    });
    const address = await open(server);
    expect(await statusOf(address, theirs, '/anything')).toBe(101);
    expect(await statusOf(address, {}, '/anything')).toBe(418);
    expect(answers).toEqual([true, false]);
    await until(() => links.length === 1);
    await listener.close();
    expect(await statusOf(address, theirs)).toBe(503);
  });
});

describe('a WebSocket dial', () => {
  it('rejects when the server is no raftsman, is no WebSocket server, or the address is malformed', async () => {
    const server = createServer((_, response) => response.end('hello'));
    const address = await open(server);
    const transport = new WebSocketTransport({ listen: false, logger: silentLogger });
    const { signal } = new AbortController();
    await expect(transport.dial(address, { signal })).rejects.toThrow();
    await expect(transport.dial('not an address', { signal })).rejects.toThrow();
    await expect(transport.dial('ws://127.0.0.1:1/', { signal })).rejects.toThrow(/ECONNREFUSED/);
  });

  it('can be aborted while the server does not answer', async () => {
    const silent = createServer();
    silent.on('upgrade', (_, socket) => {
      socket.on('error', () => undefined);
      cleanups.push(() => socket.destroy());
    });
    const address = await open(silent);
    const abort = new AbortController();
    const transport = new WebSocketTransport({ listen: false, logger: silentLogger });
    const reason = new Error('enough');
    const dial = transport.dial(address, { signal: abort.signal });
    setTimeout(() => abort.abort(reason), 20);
    await expect(dial).rejects.toBe(reason);
    await pause(20);
  });
});

async function open(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const bound: AddressInfo | string | null = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('not bound');
  return `ws://127.0.0.1:${bound.port}`;
}

function acceptKey(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}
