import type { Clock } from '../../ports/clock.ts';
import type { ClosedBy, CloseReason, Link } from '../../ports/transport.ts';

/** Close code of a frame over the limit, as WebSocket has it. */
const tooLargeCode = 1009;

type Parcel =
  | { readonly type: 'frame'; readonly bytes: Uint8Array }
  | { readonly type: 'end'; readonly code: number; readonly text: string };

/** One end of a connection within a process. Frames arrive in a later turn than the one that sent them, in order. */
export class MemoryLink implements Link {
  readonly remoteAddress: string;
  /** The other end; set by `join` before either end is handed over. */
  other!: MemoryLink;
  onFrame: ((frame: Uint8Array) => void) | undefined;
  onDrain: (() => void) | undefined;
  onClose: ((by: ClosedBy, code: number, text: string) => void) | undefined;
  readonly #clock: Pick<Clock, 'soon'>;
  readonly #forget: () => void;
  #frameBytesMax = Number.POSITIVE_INFINITY;
  /** Sent by the other end and not yet delivered here. */
  #unread: Parcel[] = [];
  /** Bytes this end sent that the other end has not yet taken. */
  #queuedBytes = 0;
  #isOpen = true;
  #isPaused = false;
  #isHeld = false;
  #isLost = false;
  #isReading = false;

  constructor(remoteAddress: string, clock: Pick<Clock, 'soon'>, forget: () => void) {
    this.remoteAddress = remoteAddress;
    this.#clock = clock;
    this.#forget = forget;
  }

  /** Joins the two ends of one connection. */
  static join(one: MemoryLink, two: MemoryLink): void {
    one.other = two;
    two.other = one;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  send(frame: Uint8Array): void {
    if (!this.#isOpen) return;
    this.#queuedBytes += frame.length;
    this.other.arrive({ type: 'frame', bytes: frame });
  }

  queuedBytes(): number {
    return this.#queuedBytes;
  }

  setFrameBytesMax(bytes: number): void {
    this.#frameBytesMax = bytes;
  }

  pause(paused: boolean): void {
    this.#isPaused = paused;
    this.#readSoon();
  }

  close(reason: CloseReason = { code: 1000, text: '' }): void {
    if (!this.#isOpen) return;
    this.other.arrive({ type: 'end', code: reason.code, text: reason.text });
    this.#end('local', reason.code, reason.text);
  }

  /** The network holds what arrives (true) or lets it through: a cut wire that nobody notices. */
  hold(held: boolean): void {
    this.#isHeld = held;
    if (!held && this.#isLost) this.lose();
    this.#readSoon();
  }

  /** The connection breaks as when the other process dies: what was sent and not read is lost. Noticed when nothing is held. */
  lose(): void {
    this.#isLost = true;
    if (this.#isHeld) return;
    this.#unread = [];
    this.#end('remote', 1006, '');
  }

  /** The process at this end died: nothing more leaves, arrives or is reported. */
  abandon(): void {
    this.#isOpen = false;
    this.onClose = undefined;
    this.#forget();
  }

  /** Called by the other end. */
  arrive(parcel: Parcel): void {
    if (!this.#isOpen) return;
    this.#unread.push(parcel);
    this.#readSoon();
  }

  #end(by: ClosedBy, code: number, text: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#queuedBytes = 0;
    this.#forget();
    this.#clock.soon(() => this.onClose?.(by, code, text));
  }

  #readSoon(): void {
    if (this.#isReading || this.#unread.length === 0) return;
    this.#isReading = true;
    this.#clock.soon(() => {
      this.#isReading = false;
      this.#read();
    });
  }

  #read(): void {
    while (this.#isOpen && !this.#isPaused && !this.#isHeld) {
      const parcel = this.#unread.shift();
      if (parcel === undefined) return;
      if (parcel.type === 'end') this.#end('remote', parcel.code, parcel.text);
      else this.#receive(parcel.bytes);
    }
  }

  #receive(bytes: Uint8Array): void {
    this.other.taken(bytes.length);
    if (bytes.length > this.#frameBytesMax) this.close({ code: tooLargeCode, text: 'frame too large' });
    else this.onFrame?.(bytes);
  }

  /** Called by the other end when it took bytes that this end sent. */
  taken(bytes: number): void {
    if (!this.#isOpen) return;
    this.#queuedBytes -= bytes;
    if (this.#queuedBytes === 0) this.#clock.soon(() => this.#isOpen && this.onDrain?.());
  }
}
