import { Buffer } from 'node:buffer';
import { WebSocket } from 'ws';
import type { ClosedBy, CloseReason, Link } from '../../ports/transport.ts';
import { asBuffer } from '../../wire/msgpack.ts';

const closeCodes = {
  unsupportedData: 1003,
  noStatus: 1005,
  abnormal: 1006,
  protocol: 1002,
  tooLarge: 1009,
} as const;
/** What a close frame may hold beside its code, in bytes. */
const closeTextBytesMax = 123;
const sendOptions = { binary: true, compress: false } as const;

/** One open WebSocket as a link: binary messages only. Nothing is read before `onFrame` is set. */
export class WebSocketLink implements Link {
  readonly remoteAddress: string;
  onDrain: (() => void) | undefined;
  onClose: ((by: ClosedBy, code: number, text: string) => void) | undefined;
  readonly #socket: WebSocket;
  #onFrame: ((frame: Uint8Array) => void) | undefined;
  #frameBytesMax: number = Number.POSITIVE_INFINITY;
  #isPaused = false;
  #wasQueued = false;
  /** How the link ended, once this side knows; the socket may take a moment longer. */
  #end: { readonly by: ClosedBy; readonly code: number; readonly text: string } | undefined;
  #isReported = false;

  /** Takes a WebSocket that is open and has an `error` listener already. */
  constructor(socket: WebSocket, remoteAddress: string) {
    this.#socket = socket;
    this.remoteAddress = remoteAddress;
    socket.pause();
    socket.on('error', (error: NodeJS.ErrnoException) => this.#onError(error));
    socket.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on('close', (code, reason) => this.#onSocketClose(code, reason.toString()));
  }

  get onFrame(): ((frame: Uint8Array) => void) | undefined {
    return this.#onFrame;
  }

  set onFrame(handler: ((frame: Uint8Array) => void) | undefined) {
    this.#onFrame = handler;
    this.pause(this.#isPaused);
  }

  send(frame: Uint8Array): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(asBuffer(frame), sendOptions, this.#onSent);
    if (this.#socket.bufferedAmount > 0) this.#wasQueued = true;
  }

  queuedBytes(): number {
    return this.#socket.readyState === WebSocket.OPEN ? this.#socket.bufferedAmount : 0;
  }

  setFrameBytesMax(bytes: number): void {
    this.#frameBytesMax = bytes;
    limitReceiver(this.#socket, bytes);
  }

  pause(paused: boolean): void {
    this.#isPaused = paused;
    if (this.#end === undefined && paused) this.#socket.pause();
    else this.#socket.resume();
  }

  close(reason: CloseReason = { code: 1000, text: '' }): void {
    if (this.#end !== undefined) return;
    this.#end = { by: 'local', ...reason };
    this.#socket.resume();
    this.#socket.close(reason.code, cutText(reason.text));
    queueMicrotask(() => this.#report());
  }

  readonly #onSent = (): void => {
    if (!this.#wasQueued || this.#socket.bufferedAmount > 0) return;
    this.#wasQueued = false;
    if (this.#end === undefined) this.onDrain?.();
  };

  #onMessage(data: WebSocket.RawData, isBinary: boolean): void {
    if (this.#end !== undefined) return;
    if (!isBinary || !Buffer.isBuffer(data)) {
      this.close({ code: closeCodes.unsupportedData, text: 'binary messages only' });
    } else if (data.length > this.#frameBytesMax) {
      this.close({ code: closeCodes.tooLarge, text: 'frame too large' });
    } else {
      this.#onFrame?.(data);
    }
  }

  /** `ws` closes the socket itself after an error; kept is only what the error says about who ended it. */
  #onError(error: NodeJS.ErrnoException): void {
    if (this.#end !== undefined) return;
    const text = error.message;
    if (error.code === 'ETIMEDOUT') this.#end = { by: 'timeout', code: closeCodes.abnormal, text };
    else if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') {
      this.#end = { by: 'local', code: closeCodes.tooLarge, text };
    } else if (error.code?.startsWith('WS_ERR') === true) {
      this.#end = { by: 'local', code: closeCodes.protocol, text };
    }
    if (this.#end !== undefined) queueMicrotask(() => this.#report());
  }

  #onSocketClose(code: number, text: string): void {
    this.#end ??= { by: 'remote', code: code === closeCodes.noStatus ? closeCodes.abnormal : code, text };
    this.#report();
  }

  #report(): void {
    if (this.#isReported || this.#end === undefined) return;
    this.#isReported = true;
    const { by, code, text } = this.#end;
    this.onClose?.(by, code, text);
  }
}

/**
 * Makes `ws` refuse a long message by its header, before it is collected. The limit of an open socket is not public in `ws`
 * 8.23; without it the link still refuses by length, after `ws` has collected up to its own limit.
 */
function limitReceiver(socket: WebSocket, bytes: number): void {
  const receiver: unknown = Reflect.get(socket, '_receiver');
  if (typeof receiver !== 'object' || receiver === null) return;
  if (typeof Reflect.get(receiver, '_maxPayload') === 'number') Reflect.set(receiver, '_maxPayload', bytes);
}

function cutText(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= closeTextBytesMax) return text;
  let end = closeTextBytesMax;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end).toString();
}
