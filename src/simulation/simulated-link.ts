import type { ClosedBy, CloseReason, Link } from '../ports/transport.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** What a socket buffer takes before `queuedBytes` counts. */
const kernelBufferBytes = 128 * 1024;

export type Parcel =
  | { readonly type: 'frame'; readonly bytes: Uint8Array }
  | { readonly type: 'end'; readonly code: number; readonly text: string };

/** One end of a connection, in the hands of one process. */
export class SimulatedLink implements Link {
  readonly remoteAddress: string;
  readonly process: SimulatedProcess;
  /** The connection's number; both ends have the same. */
  readonly connection: number;
  readonly dialled: boolean;
  onFrame: ((frame: Uint8Array) => void) | undefined;
  onDrain: (() => void) | undefined;
  onClose: ((by: ClosedBy, code: number, text: string) => void) | undefined;
  /** The other end; set once, when the connection is made. */
  other!: SimulatedLink;
  /** Frames sent from this end so far. */
  sentCount = 0;
  /** When the last parcel sent from this end arrives; a connection keeps its order. */
  arrivalMs = 0;
  /** Sent from this end and not arrived, oldest first. */
  readonly inFlight: Parcel[] = [];
  /** Arrivals that a cut wire prevented; they are tried again when it is back. */
  lostArrivals = 0;
  /** Parcels of a lost connection that are still under way do not arrive. */
  isSevered = false;
  readonly #network: SimulatedNetwork;
  #isOpen = true;
  #isPaused = false;
  #frameBytesMax = Number.POSITIVE_INFINITY;
  #unreadBytes = 0;
  /** Arrived and not read: the link is paused, or the whole host reads nothing. */
  #unread: Parcel[] = [];

  constructor(options: {
    readonly network: SimulatedNetwork;
    readonly process: SimulatedProcess;
    readonly connection: number;
    readonly dialled: boolean;
    readonly remoteAddress: string;
  }) {
    this.#network = options.network;
    this.process = options.process;
    this.connection = options.connection;
    this.dialled = options.dialled;
    this.remoteAddress = options.remoteAddress;
  }

  get hostName(): string {
    return this.process.host.name;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  send(frame: Uint8Array): void {
    if (!this.#isOpen || !this.process.isAlive) return;
    this.sentCount += 1;
    this.#unreadBytes += frame.length;
    this.#network.carry(this, { type: 'frame', bytes: frame });
  }

  queuedBytes(): number {
    return Math.max(0, this.#unreadBytes - kernelBufferBytes);
  }

  setFrameBytesMax(bytes: number): void {
    this.#frameBytesMax = bytes;
  }

  pause(paused: boolean): void {
    this.#isPaused = paused;
    if (!paused) this.process.soon(() => this.readOn());
  }

  close(reason: CloseReason = { code: 1000, text: '' }): void {
    if (!this.#isOpen || !this.process.isAlive) return;
    this.#isOpen = false;
    this.#network.carry(this, { type: 'end', code: reason.code, text: reason.text });
    this.#network.forget(this);
    this.process.soon(() => this.onClose?.('local', reason.code, reason.text));
  }

  /** Called by the network when a parcel of the other end arrives at this process. */
  arrive(parcel: Parcel): void {
    if (!this.#isOpen) return;
    this.#unread.push(parcel);
    this.readOn();
  }

  readOn(): void {
    while (this.#isOpen && !this.#isPaused && !this.#network.isDeaf(this.hostName)) {
      const parcel = this.#unread.shift();
      if (parcel === undefined) return;
      if (parcel.type === 'end') this.lose(parcel.code, parcel.text);
      else this.#receive(parcel.bytes);
    }
  }

  /** The other side, or the network, ended the connection. */
  lose(code: number, text: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#network.forget(this);
    this.onClose?.('remote', code, text);
  }

  /** The process at this end died: nothing more leaves or arrives. */
  abandon(): void {
    this.#isOpen = false;
  }

  /** The other process read (or the network lost) a frame sent from this end. */
  release(bytes: number): void {
    const before = this.queuedBytes();
    this.#unreadBytes -= bytes;
    if (before > 0 && this.queuedBytes() === 0) this.process.soon(() => this.#isOpen && this.onDrain?.());
  }

  #receive(bytes: Uint8Array): void {
    this.other.release(bytes.length);
    if (bytes.length > this.#frameBytesMax) {
      this.close({ code: 1009, text: 'frame too large' });
      return;
    }
    this.onFrame?.(bytes);
  }
}
