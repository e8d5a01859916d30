import type { Logger } from '../ports/logger.ts';
import type { Link, Listener, Transport } from '../ports/transport.ts';
import type { NodeIdentity } from '../wire/handshake.ts';
import { type AcceptFailure, acceptLink } from './accept-link.ts';
import type { Accepted, Acceptor } from './acceptor.ts';
import { AcceptedClientLink } from './client-link.ts';
import type { HandshakePorts } from './handshake.ts';
import type { ClientKeyring } from './keyring.ts';
import { anonymousReportMs, clientLinksMax, handshakesMax } from './limits.ts';
import { type LiveLink, Sweeper } from './live-link.ts';
import type { ClientLink } from './types.ts';

export interface AcceptClientsOptions extends HandshakePorts {
  readonly transport: Transport;
  readonly logger: Logger;
  readonly keyring: ClientKeyring;
  /** What this process says of itself. */
  readonly identity: () => NodeIdentity;
  /** Sets the link's handlers in the same turn. */
  readonly clientUp: (link: ClientLink) => void;
}

/** Listens for clients alone: members that dial are refused, for their secret is not known here. */
export class ClientListener {
  readonly #options: AcceptClientsOptions;
  readonly #handshakes = new Map<LiveLink, Acceptor>();
  readonly #clients = new Set<LiveLink>();
  readonly #sweeper: Sweeper;
  /** When a refusal of each kind was last said. */
  readonly #saidMs = new Map<string, number>();
  #listener: Listener | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: AcceptClientsOptions) {
    this.#options = options;
    this.#sweeper = new Sweeper(options.clock, (nowMs) => {
      for (const live of this.#clients) live.sweep(nowMs);
    });
  }

  /** Resolves when the port listens. @throws the transport's own error. */
  async start(): Promise<void> {
    const listener = await this.#options.transport.listen((link) => this.#onLink(link));
    if (this.#stopping !== undefined) return listener.close();
    this.#listener = listener;
    this.#sweeper.start();
  }

  /** The address that others can dial, known after `start`. */
  address(): string | undefined {
    return this.#listener?.address;
  }

  /** Accepts nobody any more; links that stand go on. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Ends the links that still stand. */
  async close(): Promise<void> {
    await this.stop();
    this.#sweeper.stop();
    for (const live of [...this.#clients]) live.end('closing');
  }

  async #stop(): Promise<void> {
    for (const handshake of this.#handshakes.values()) handshake.stop();
    this.#handshakes.clear();
    await this.#listener?.close();
  }

  #onLink(link: Link): void {
    const { clock, random, keyring, identity } = this.#options;
    const { live, handshake } = acceptLink(link, {
      clock,
      random,
      keyring,
      judge: () => 'unknownPeer',
      judgeClient: () => (this.#clients.size >= clientLinksMax ? 'tooManyLinks' : undefined),
      identityFor: (peer) => peer,
      nodeIdentity: identity,
      passed: (accepted, passed) => this.#onPassed(accepted, passed),
      failed: (failure, failed) => this.#onFailed(failure, failed),
    });
    if (this.#stopping !== undefined) handshake.stop();
    else if (this.#handshakes.size >= handshakesMax) handshake.abandon('tooManyLinks');
    else this.#handshakes.set(live, handshake);
  }

  #onPassed(accepted: Accepted, live: LiveLink): void {
    this.#handshakes.delete(live);
    if (accepted.kind !== 'client') {
      live.end('notMember');
      return;
    }
    const { account, may } = accepted.holder.account;
    const link = new AcceptedClientLink(live, { account, may, ...accepted.identity }, () => {
      this.#clients.delete(live);
    });
    this.#clients.add(live);
    this.#options.clientUp(link);
  }

  /** A dialler that tries again and again fills no log. */
  #onFailed({ refusal, by }: AcceptFailure, live: LiveLink): void {
    this.#handshakes.delete(live);
    if (refusal === undefined || by === 'remote') return;
    const nowMs = this.#options.clock.monotonicMs();
    const saidMs = this.#saidMs.get(refusal);
    if (saidMs !== undefined && nowMs - saidMs < anonymousReportMs) return;
    this.#saidMs.set(refusal, nowMs);
    this.#options.logger.warn({ refusal, remoteAddress: live.remoteAddress }, 'a client was refused');
  }
}
