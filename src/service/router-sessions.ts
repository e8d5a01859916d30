import type { ClientId, NodeId, SessionId } from '../base/ids.ts';
import type { GroupHandle } from '../node/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { QueueEvents } from '../queue/types.ts';
import { type Attachment, encodeLeaseLost, encodeSession } from '../wire/client-frame.ts';
import { decodeResult } from '../wire/queue-result.ts';
import type { Answer } from './answers.ts';
import { type ClientConnection, sessionsPerLinkMax } from './client-connection.ts';
import { detach } from './detach.ts';
import type { LeaderPath } from './leader-path.ts';

/** Something that a client should hear, by the router through which its session was attached when it happened. */
interface News {
  readonly router: NodeId;
  readonly client: ClientId;
  readonly kind: 'leaseLost' | 'sessionEnded';
  readonly body: Uint8Array;
  readonly index: number;
  readonly atMs: number;
}

/** News that nobody could be told yet, and how long they are of use. */
const heldMax = 4_096;
const heldMs = 10_000;

/**
 * The sessions that are attached through routers. The leading node tells a router what became of them: the log names the router
 * of each session, so a new leader needs to learn nothing. What a node cannot say, because it does not lead or has no link to
 * that router, it holds for a while and says when it can: hearing it twice does no harm.
 */
export class RouterSessions {
  readonly #group: GroupHandle;
  readonly #path: LeaderPath;
  readonly #clock: Clock;
  /** The newest link of each router. */
  readonly #routers = new Map<NodeId, ClientConnection>();
  /** Of links that speak for one client alone: its sessions, and their attachments as far as they are known. */
  readonly #own = new Map<ClientConnection, Map<SessionId, number>>();
  #held: News[] = [];

  constructor(group: GroupHandle, path: LeaderPath, clock: Clock) {
    this.#group = group;
    this.#path = path;
    this.#clock = clock;
  }

  up(connection: ClientConnection): void {
    this.#routers.set(connection.routerName, connection);
    if (!connection.isProxy) this.#own.set(connection, new Map());
    this.#sayHeld();
  }

  /** A client that routes for itself and closed its link is gone. A proxy that did is silent: its clients go on elsewhere. */
  closed(connection: ClientConnection): void {
    if (this.#routers.get(connection.routerName) === connection) this.#routers.delete(connection.routerName);
    const own = this.#own.get(connection);
    this.#own.delete(connection);
    if (own === undefined || !connection.gone) return;
    for (const [session, attachment] of own) {
      if (attachment > 0) this.#detach(connection, { session, attachment });
    }
  }

  /** One client has a few sessions; a proxy's are bounded by the log. */
  admits(connection: ClientConnection, session: SessionId): boolean {
    const own = this.#own.get(connection);
    if (own === undefined) return true;
    if (own.size >= sessionsPerLinkMax && !own.has(session)) return false;
    if (!own.has(session)) own.set(session, 0);
    return true;
  }

  /** The log answered an attach. If its client closed meanwhile, the attachment ends at once. */
  attached(connection: ClientConnection, session: SessionId, answer: Answer): void {
    if (connection.isProxy || answer.kind !== 'result') return;
    const result = decodeResult(answer.body);
    if (result.type !== 'attached') return;
    const { attachment } = result;
    if (connection.gone) this.#detach(connection, { session, attachment });
    else this.#know(connection, { session, attachment });
  }

  /** A renewal tells a new leader what a client that routes for itself has attached. */
  renewed(connection: ClientConnection, attachments: readonly Attachment[]): void {
    for (const each of attachments) {
      if (!this.admits(connection, each.session)) return;
      this.#know(connection, each);
    }
  }

  onApplied(index: number, events: QueueEvents): void {
    const { leasesLost, sessionsEnded, holders } = events;
    for (const lost of leasesLost) {
      const holder = holders.get(lost.session);
      if (holder !== undefined) this.#say('leaseLost', encodeLeaseLost(lost), holder, index);
    }
    for (const session of sessionsEnded) {
      const holder = holders.get(session);
      if (holder !== undefined) this.#say('sessionEnded', encodeSession(session), holder, index);
    }
  }

  /** This node leads from now on: what the leader before it may not have said is said. */
  onLeading(): void {
    this.#sayHeld();
  }

  #know(connection: ClientConnection, { session, attachment }: Attachment): void {
    const own = this.#own.get(connection);
    if (own !== undefined && (own.get(session) ?? 0) < attachment) own.set(session, attachment);
  }

  #say(
    kind: News['kind'],
    body: Uint8Array,
    holder: { readonly client: ClientId; readonly gateway: NodeId },
    index: number,
  ): void {
    const { client, gateway } = holder;
    if (!gateway.startsWith('r-')) return;
    const news = { router: gateway, client, kind, body, index, atMs: this.#clock.monotonicMs() };
    if (this.#tryToSay(news)) return;
    if (this.#held.length >= heldMax) this.#held = this.#fresh().slice(-heldMax / 2);
    this.#held.push(news);
  }

  #sayHeld(): void {
    this.#held = this.#fresh().filter((news) => !this.#tryToSay(news));
  }

  #fresh(): News[] {
    const sinceMs = this.#clock.monotonicMs() - heldMs;
    return this.#held.filter((news) => news.atMs >= sinceMs);
  }

  #tryToSay({ router, client, kind, body, index }: News): boolean {
    const connection = this.#routers.get(router);
    if (connection === undefined || this.#group.view().role !== 'leader') return false;
    connection.push(kind, body, { group: this.#path.group, client, index });
    return true;
  }

  #detach(connection: ClientConnection, attachment: Attachment): void {
    detach(this.#path, this.#clock, connection.link.clientId, attachment);
  }
}
