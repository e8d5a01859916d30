import { HandshakeRefusedError } from '../base/errors.ts';
import type { ClientId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { ClosedBy, CloseReason, Transport } from '../ports/transport.ts';
import type { NodeIdentity } from '../wire/handshake.ts';
import { DialAttempt, type DialFailure } from './dial-attempt.ts';
import { clientRole } from './dialler.ts';
import { checkSecret } from './keyring.ts';
import { handshakeTimeoutMs } from './limits.ts';
import { type LiveLink, Sweeper } from './live-link.ts';

export interface DialClientOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly address: string;
  readonly secret: string;
  readonly clientId: ClientId;
  /** What the client calls itself in reports. At most 256 bytes. */
  readonly name: string;
  /** It finds leaders itself; false unless given. */
  readonly router?: boolean | undefined;
  readonly signal: AbortSignal;
}

/** A link on which both sides have proved the client's secret. Frames that come before `onFrame` is set are kept for it. */
export interface AuthenticatedLink {
  /** Who answered, and what it knew of the leader then. */
  readonly node: NodeIdentity;
  readonly remoteAddress: string;
  send(frame: Uint8Array): void;
  queuedBytes(): number;
  pause(paused: boolean): void;
  close(reason?: CloseReason): void;
  onFrame: ((frame: Uint8Array) => void) | undefined;
  onDrain: (() => void) | undefined;
  /** Once, also after a local `close`; at once if the link closed before it was set. */
  onClose: ((by: ClosedBy, code: number, text: string) => void) | undefined;
}

/**
 * Dials a node as a client. The link says by itself that it is alive and closes with 'timeout' when the node falls silent.
 *
 * @throws InvalidOptionError for a short secret; HandshakeRefusedError when the node refused; another Error when it was not reached; `signal.reason`.
 */
export function dialClient(options: DialClientOptions): Promise<AuthenticatedLink> {
  const { transport, clock, random, address, secret, clientId, name, router = false, signal } = options;
  return new Promise((resolve, reject) => {
    checkSecret(secret, 'secret');
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const dial = (connecting: AbortSignal) => transport.dial(address, { signal: connecting });
    const role = clientRole(secret, { clientId, name, router });
    const attempt = new DialAttempt<NodeIdentity>(
      { clock, random, role, dial, silenceMs: handshakeTimeoutMs },
      {
        silent: () => undefined,
        judge: () => undefined,
        passed: (node, live) => {
          signal.removeEventListener('abort', onAbort);
          resolve(new DialledClientLink(node, live, clock));
        },
        failed: (failure) => {
          signal.removeEventListener('abort', onAbort);
          reject(errorOf(failure, address));
        },
      },
    );
    const onAbort = (): void => {
      attempt.abort();
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    attempt.start();
  });
}

class DialledClientLink implements AuthenticatedLink {
  readonly node: NodeIdentity;
  readonly remoteAddress: string;
  onDrain: (() => void) | undefined;
  readonly #live: LiveLink;
  readonly #sweeper: Sweeper;
  #onFrame: ((frame: Uint8Array) => void) | undefined;
  #onClose: ((by: ClosedBy, code: number, text: string) => void) | undefined;
  /** Bounded: the link is paused while something waits here. */
  #early: Uint8Array[] = [];
  #closed: readonly [ClosedBy, number, string] | undefined;

  constructor(node: NodeIdentity, live: LiveLink, clock: Clock) {
    this.node = node;
    this.remoteAddress = live.remoteAddress;
    this.#live = live;
    this.#sweeper = new Sweeper(clock, (nowMs) => live.sweep(nowMs));
    this.#sweeper.start();
    live.onFrame = (frame) => this.#take(frame);
    live.onDrain = () => this.onDrain?.();
    live.onClose = (...how) => {
      this.#sweeper.stop();
      this.#closed = how;
      this.#onClose?.(...how);
    };
  }

  get onFrame(): ((frame: Uint8Array) => void) | undefined {
    return this.#onFrame;
  }

  set onFrame(handler: ((frame: Uint8Array) => void) | undefined) {
    this.#onFrame = handler;
    if (handler === undefined || this.#early.length === 0) return;
    const early = this.#early;
    this.#early = [];
    queueMicrotask(() => {
      for (const frame of early) this.#onFrame?.(frame);
    });
    this.#live.pause(false);
  }

  get onClose(): ((by: ClosedBy, code: number, text: string) => void) | undefined {
    return this.#onClose;
  }

  set onClose(handler: ((by: ClosedBy, code: number, text: string) => void) | undefined) {
    this.#onClose = handler;
    const closed = this.#closed;
    if (handler !== undefined && closed !== undefined) queueMicrotask(() => handler(...closed));
  }

  send(frame: Uint8Array): void {
    this.#live.send(frame);
  }

  queuedBytes(): number {
    return this.#live.queuedBytes();
  }

  pause(paused: boolean): void {
    this.#live.pause(paused);
  }

  close(reason?: CloseReason): void {
    this.#live.close(reason);
  }

  #take(frame: Uint8Array): void {
    if (this.#onFrame !== undefined) {
      this.#onFrame(frame);
      return;
    }
    this.#early.push(frame);
    this.#live.pause(true);
  }
}

function errorOf(failure: DialFailure, address: string): Error {
  switch (failure.type) {
    case 'refused': {
      const { refusal, by } = failure;
      return new HandshakeRefusedError(
        refusal,
        `${by === 'remote' ? address : 'this client'} refused: ${refusal}`,
      );
    }
    case 'unreachable':
      return new Error(`${address} was not reached: ${failure.why}`);
    case 'closed':
      return new Error(`${address} closed the link before the handshake was over`);
    case 'timeout':
      return new Error(`${address} did not answer in time`);
  }
}
