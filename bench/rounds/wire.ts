import { createServer, connect as dial, type Server, type Socket } from 'node:net';

/** What a wire does to the bytes that pass. */
export type WireFault =
  /** Nothing passes in either direction, and nothing is said. */
  | 'hold'
  /** The same in one direction, the other works on. */
  | 'silentUp'
  | 'silentDown'
  /** Each connection is reset, new ones too. */
  | 'reset'
  /** Each connection passes half of what it carries next, and is reset. */
  | 'midFrame';

type Direction = 'up' | 'down';

const queueMax = 65_536;

/** A TCP link that can be hurt: whoever dials its port is connected to its target. */
export class Wire {
  readonly name: string;
  /** 0 while nobody listens there. */
  targetPort = 0;
  readonly #server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
    this.#accept(socket),
  );
  readonly #pairs = new Set<WirePair>();
  #fault: WireFault | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get address(): string {
    const address = this.#server.address();
    return `ws://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  /** Connections that stand. */
  get size(): number {
    return this.#pairs.size;
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', queueMax, () => resolve());
    });
  }

  hurt(fault: WireFault): void {
    this.#fault = fault;
    for (const pair of this.#pairs) pair.hurt(fault);
  }

  /** What was held back passes now, late as it is, or its connections are reset. */
  heal(then: 'pass' | 'reset'): void {
    this.#fault = undefined;
    for (const pair of [...this.#pairs]) {
      if (then === 'reset' && pair.isHurt) pair.reset();
      else pair.heal();
    }
  }

  close(): void {
    this.#server.close();
    for (const pair of [...this.#pairs]) pair.reset();
  }

  #accept(socket: Socket): void {
    if (this.#fault === 'reset' || this.targetPort === 0) {
      socket.on('error', () => {});
      socket.resetAndDestroy();
      return;
    }
    const target = dial({ host: '127.0.0.1', port: this.targetPort, allowHalfOpen: true, noDelay: true });
    const pair = new WirePair(socket, target, () => this.#pairs.delete(pair));
    this.#pairs.add(pair);
    if (this.#fault !== undefined) pair.hurt(this.#fault);
  }
}

class WirePair {
  readonly #ends: Readonly<Record<Direction, { readonly from: Socket; readonly to: Socket }>>;
  readonly #held = new Set<Direction>();
  readonly #onEnd: () => void;
  #cutsMidFrame = false;

  constructor(client: Socket, target: Socket, onEnd: () => void) {
    this.#ends = { up: { from: client, to: target }, down: { from: target, to: client } };
    this.#onEnd = onEnd;
    this.#forward('up');
    this.#forward('down');
  }

  get isHurt(): boolean {
    return this.#held.size > 0 || this.#cutsMidFrame;
  }

  hurt(fault: WireFault): void {
    if (fault === 'reset') this.reset();
    if (fault === 'midFrame') this.#cutsMidFrame = true;
    if (fault === 'hold' || fault === 'silentUp') this.#hold('up');
    if (fault === 'hold' || fault === 'silentDown') this.#hold('down');
  }

  heal(): void {
    if (this.#cutsMidFrame) this.reset();
    for (const direction of this.#held) this.#ends[direction].from.resume();
    this.#held.clear();
  }

  /** RST to both ends, as a host that went away does. */
  reset(): void {
    const { from, to } = this.#ends.up;
    from.resetAndDestroy();
    to.resetAndDestroy();
    this.#onEnd();
  }

  #hold(direction: Direction): void {
    this.#held.add(direction);
    this.#ends[direction].from.pause();
  }

  #forward(direction: Direction): void {
    const { from, to } = this.#ends[direction];
    from.on('data', (chunk: Buffer) => {
      if (this.#cutsMidFrame) this.#cut(to, chunk);
      else if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => {
      if (!this.#held.has(direction)) from.resume();
    });
    from.on('end', () => to.end());
    from.on('error', () => this.reset());
    from.on('close', () => {
      if (to.destroyed) this.#onEnd();
    });
  }

  #cut(to: Socket, chunk: Buffer): void {
    this.#cutsMidFrame = false;
    to.write(chunk.subarray(0, Math.ceil(chunk.length / 2)), () => this.reset());
    this.#ends.up.from.pause();
    this.#ends.down.from.pause();
  }
}
