import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import type { Logger } from '../../ports/logger.ts';
import type { Link, Listener, Transport } from '../../ports/transport.ts';
import {
  closeTimeoutMs,
  fragmentsMax,
  headerBytesMax,
  payloadBytesMax,
  socketsMax,
  subprotocol,
  upgradeTimeoutMs,
} from './limits.ts';
import { WebSocketLink } from './websocket-link.ts';

/**
 * Where links are accepted: on a port of our own, on a server of the application (which is never closed here), or wherever the
 * application calls `handleUpgrade` itself (false).
 */
export type WebSocketListen =
  | { readonly host: string; readonly port: number }
  | { readonly server: Server; readonly path: string }
  | false;

export interface WebSocketTransportOptions {
  readonly listen: WebSocketListen;
  readonly logger: Logger;
}

/** Both ends: no compression, no answers to pings (nobody here sends any, and a flood of them would be answered from memory). */
const socketOptions = {
  perMessageDeflate: false,
  maxPayload: payloadBytesMax,
  maxFragments: fragmentsMax,
  autoPong: false,
  closeTimeout: closeTimeoutMs,
} as const;

/** Links over WebSockets. Addresses are `ws://host:port/path`. */
export class WebSocketTransport implements Transport {
  readonly #listen: WebSocketListen;
  readonly #logger: Logger;
  readonly #upgrades: WebSocketServer;
  #onLink: ((link: Link) => void) | undefined;

  constructor(options: WebSocketTransportOptions) {
    this.#listen = options.listen;
    this.#logger = options.logger;
    this.#upgrades = new WebSocketServer({
      ...socketOptions,
      noServer: true,
      clientTracking: false,
      handleProtocols: () => subprotocol,
    });
    this.#upgrades.on('error', (error) => this.#warn(error, 'the WebSocket server reported an error'));
  }

  async listen(onLink: (link: Link) => void): Promise<Listener> {
    if (this.#onLink !== undefined) throw new Error('this transport listens already');
    const listen = this.#listen;
    if (listen === false) return this.#accept(onLink, '', () => undefined);
    if ('server' in listen) return this.#listenOn(listen.server, listen.path, onLink);
    return this.#listenOwn(listen.host, listen.port, onLink);
  }

  dial(address: string, { signal }: { readonly signal: AbortSignal }): Promise<Link> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const socket = new WebSocket(address, [subprotocol], { ...socketOptions, generateMask: fillZero });
      socket.on('error', reject);
      const onAbort = (): void => {
        reject(signal.reason);
        socket.terminate();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      socket.once('close', () => {
        signal.removeEventListener('abort', onAbort);
        reject(new Error(`${address} closed the connection`));
      });
      socket.once('open', () => {
        signal.removeEventListener('abort', onAbort);
        resolve(new WebSocketLink(socket, address));
      });
    });
  }

  /**
   * Offers an upgrade request of the application's own server.
   *
   * @returns false if it is not for raftsman; the socket is then untouched.
   */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const offered = request.headers['sec-websocket-protocol']?.split(',').map((name) => name.trim());
    if (offered === undefined || !offered.includes(subprotocol)) return false;
    socket.on('error', ignore);
    if (this.#onLink === undefined) refuseUpgrade(socket, '503 Service Unavailable');
    else if (request.headers.origin !== undefined) refuseUpgrade(socket, '403 Forbidden');
    else this.#upgrade(request, socket, head, this.#onLink);
    return true;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, onLink: (link: Link) => void): void {
    const { remoteAddress = 'unknown', remotePort = 0 } = request.socket;
    this.#upgrades.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('error', ignore);
      onLink(new WebSocketLink(webSocket, `${remoteAddress}:${remotePort}`));
    });
  }

  #accept(onLink: (link: Link) => void, address: string, stop: () => void): Listener {
    this.#onLink = onLink;
    const close = async (): Promise<void> => {
      if (this.#onLink !== onLink) return;
      this.#onLink = undefined;
      stop();
    };
    return { address, close };
  }

  #listenOn(server: Server, path: string, onLink: (link: Link) => void): Listener {
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
      const isOurs = pathOf(request) === path && this.handleUpgrade(request, socket, head);
      if (!isOurs && server.listenerCount('upgrade') === 1) refuseUpgrade(socket, '404 Not Found');
    };
    server.on('upgrade', onUpgrade);
    const address = server.listening ? addressOf(server, undefined) + path : path;
    return this.#accept(onLink, address, () => server.off('upgrade', onUpgrade));
  }

  async #listenOwn(host: string, port: number, onLink: (link: Link) => void): Promise<Listener> {
    const server = createServer({
      maxHeaderSize: headerBytesMax,
      headersTimeout: upgradeTimeoutMs,
      requestTimeout: upgradeTimeoutMs,
      keepAlive: false,
    });
    server.on('error', (error) => this.#warn(error, 'the listener reported an error'));
    server.on('clientError', (_error, socket) => socket.destroy());
    server.on('request', (_request, response) => {
      response.on('error', ignore);
      response
        .writeHead(426, { connection: 'close', upgrade: 'websocket' })
        .end('raftsman speaks WebSocket here\n');
    });
    server.maxConnections = socketsMax;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    server.on('upgrade', (request, socket, head) => {
      const isOurs = pathOf(request) === '/' && this.handleUpgrade(request, socket, head);
      if (!isOurs) refuseUpgrade(socket, '404 Not Found');
    });
    return this.#accept(onLink, addressOf(server, host), () => {
      server.close();
      server.closeIdleConnections();
    });
  }

  #warn(error: Error, message: string): void {
    this.#logger.warn({ error: error.message }, message);
  }
}

/** An all-zero mask spares both ends the work; masks protect intermediaries that a mesh does not have. */
function fillZero(mask: Buffer): void {
  mask.fill(0);
}

function ignore(): void {}

function refuseUpgrade(socket: Duplex, status: string): void {
  socket.on('error', ignore);
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function pathOf(request: IncomingMessage): string {
  const [path = '/'] = (request.url ?? '/').split('?');
  return path;
}

function addressOf(server: Server, host: string | undefined): string {
  const bound: AddressInfo | string | null = server.address();
  if (bound === null || typeof bound === 'string') return bound ?? '';
  const name = host ?? bound.address;
  return `ws://${name.includes(':') ? `[${name}]` : name}:${bound.port}`;
}
