import { WebSocket } from 'ws';
import { type BenchProcess, startProcess } from './processes.ts';

/** A bare WebSocket echo in another process, reached directly and through a relay. Each call sends one frame of so many bytes. */
export class EchoYardstick {
  readonly #processes: readonly BenchProcess[];
  readonly echo: () => Promise<void>;
  readonly relay: () => Promise<void>;

  private constructor(processes: readonly BenchProcess[], echo: WebSocket, relay: WebSocket, bytes: number) {
    this.#processes = processes;
    this.echo = callsOn(echo, bytes);
    this.relay = callsOn(relay, bytes);
  }

  static async start(bytes: number): Promise<EchoYardstick> {
    const echo = startProcess('./echo-process.ts', undefined);
    const address = await echo.ready;
    const relay = startProcess('./proxy-relay-process.ts', address);
    const sockets = await Promise.all([openSocket(address), openSocket(await relay.ready)]);
    return new EchoYardstick([relay, echo], ...sockets, bytes);
  }

  async close(): Promise<void> {
    for (const peer of this.#processes) peer.kill();
    await Promise.all(this.#processes.map((peer) => peer.exited));
  }
}

/** Answers come in the order of the calls. */
function callsOn(socket: WebSocket, bytes: number): () => Promise<void> {
  const frame = Buffer.alloc(bytes, 7);
  const waiting: (() => void)[] = [];
  socket.on('message', () => waiting.shift()?.());
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      socket.send(frame);
    });
}

function openSocket(address: string): Promise<WebSocket> {
  const socket = new WebSocket(address, { perMessageDeflate: false });
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () => resolve(socket));
  });
}
