import { ProtocolError } from '../base/errors.ts';
import type { Permission } from '../mesh/types.ts';
import type { GroupHandle } from '../node/types.ts';
import { keyOf } from '../queue/operations.ts';
import type { QueueEvents } from '../queue/types.ts';
import {
  encodeLeader,
  type LeaderBody,
  readAttach,
  readAttachmentList,
  readGet,
} from '../wire/client-frame.ts';
import type { ClientHeader } from '../wire/client-header.ts';
import { groupCode } from '../wire/group-code.ts';
import { missingPermission } from '../wire/operation-permissions.ts';
import { decodeOperation, peekOperation } from '../wire/queue-operation.ts';
import {
  type Answer,
  busyRetryMs,
  forbiddenAnswer,
  notLeaderAnswer,
  type Reply,
  refusedAnswer,
} from './answers.ts';
import type { ClientConnection } from './client-connection.ts';
import type { ClientLinks } from './client-links.ts';
import { hasAnswer } from './frame-checks.ts';
import type { LeaderService } from './leader-service.ts';
import type { LocalReads } from './local-reads.ts';
import type { QueueMachine } from './queue-machine.ts';
import type { RouterSessions } from './router-sessions.ts';

export interface RouterDeskDeps {
  readonly group: GroupHandle;
  readonly machine: QueueMachine;
  readonly leader: LeaderService;
  readonly reads: LocalReads;
  readonly sessions: RouterSessions;
  readonly links: ClientLinks;
}

/**
 * The routers that are connected to this node, as far as they speak to one group. They find leaders themselves: their frames go
 * to this node's own leader service and nowhere else, and whoever does not lead says so. A body that cannot be read costs one
 * request its answer, not the link: that carries the requests of many.
 */
export class RouterDesk {
  readonly #deps: RouterDeskDeps;
  readonly #code: number;
  readonly #connections = new Set<ClientConnection>();
  #told: LeaderBody = { leaderId: undefined, term: 0 };

  constructor(deps: RouterDeskDeps) {
    this.#deps = deps;
    this.#code = groupCode(deps.group.id);
  }

  up(connection: ClientConnection): void {
    this.#connections.add(connection);
    this.#tell(connection);
    this.#deps.sessions.up(connection);
  }

  /** Tells all routers who leads, when that changed: what consensus says, whether or not this node can reach it. */
  onView(): void {
    const { leaderId, term, role } = this.#deps.group.view();
    if (term === this.#told.term && leaderId === this.#told.leaderId) return;
    this.#told = { leaderId, term };
    for (const connection of this.#connections) this.#tell(connection);
    if (role === 'leader') this.#deps.sessions.onLeading();
  }

  onApplied(index: number, events: QueueEvents): void {
    this.#deps.sessions.onApplied(index, events);
  }

  closed(connection: ClientConnection): void {
    this.#connections.delete(connection);
    this.#deps.sessions.closed(connection);
  }

  receive(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    try {
      this.#receive(connection, header, body);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      refuse(connection, header, refusedAnswer('PROTOCOL', error.message));
    }
  }

  #receive(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    if (header.hops === 0) {
      refuse(connection, header, tooManyHops);
      return;
    }
    const missing = missingFor(connection, header, body);
    if (missing !== undefined) {
      refuse(connection, header, forbiddenAnswer(missing));
      return;
    }
    switch (header.kind) {
      case 'attach':
        this.#attach(connection, header, body);
        break;
      case 'get':
        if (header.any) this.#readHere(connection, header, body);
        else this.#ask(connection, header, body);
        break;
      case 'renew':
        this.#deps.sessions.renewed(connection, readAttachmentList(body));
        this.#handOver(connection, header, body, () => {});
        break;
      default:
        if (hasAnswer(header.kind)) this.#ask(connection, header, body);
        else this.#handOver(connection, header, body, () => {});
    }
  }

  #attach(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    const { sessions } = this.#deps;
    const { session } = readAttach(body);
    if (sessions.admits(connection, session)) {
      this.#ask(connection, header, body, (answer) => sessions.attached(connection, session, answer));
    } else connection.answer(header, refusedAnswer('BUSY', 'too many sessions on one link', busyRetryMs));
  }

  /** From this node's own replica, whoever leads; the reader asks the leader if that is too old. */
  #readHere(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    const { reads, group } = this.#deps;
    const answer = reads.get(readGet(body), header.mapVersion) ?? notLeaderAnswer(group);
    connection.answer(header, this.#checked(header, body, answer));
  }

  /**
   * A router takes a redirect for word of the bucket that the frame names, on behalf of all its clients: one client that names
   * another bucket than its key's must not send the others elsewhere. Like a redirect it says that this attempt did nothing.
   */
  #checked(header: ClientHeader, body: Uint8Array, answer: Answer): Answer {
    if (answer.kind !== 'wrongShard' && answer.kind !== 'frozen') return answer;
    const bucket = this.#deps.machine.state.bucketOf(keyIn(header, body) ?? '');
    return bucket === undefined || bucket === header.bucket ? answer : otherBucket;
  }

  #ask(
    connection: ClientConnection,
    header: ClientHeader,
    body: Uint8Array,
    first: (answer: Answer) => void = () => {},
  ): void {
    const waits = header.waitMs > 0 && header.kind === 'request' && peekOperation(body) === 'take';
    if (waits && !connection.waits()) {
      connection.answer(header, tooManyWait);
      return;
    }
    const { length } = body;
    if (!waits) connection.opened(length);
    this.#handOver(connection, header, body, (answer) => {
      if (waits) connection.waitOver();
      else connection.done(length);
      first(answer);
      connection.answer(header, this.#checked(header, body, answer));
      this.#deps.links.regulate(connection);
    });
  }

  #handOver(connection: ClientConnection, header: ClientHeader, body: Uint8Array, reply: Reply): void {
    this.#deps.leader.receive(connection.routerName, header, body, reply);
  }

  #tell(connection: ClientConnection): void {
    const { leaderId, term } = this.#deps.group.view();
    connection.push('leader', encodeLeader({ leaderId, term }), { group: this.#code });
  }
}

const tooManyHops = refusedAnswer('TOO_MANY_HOPS', 'the frame was passed on too often');
const otherBucket = refusedAnswer(
  'UNKNOWN_GROUP',
  'the bucket is not that of the key, by the map of this group',
);
const tooManyWait = refusedAnswer('BUSY', 'too many takes wait on one link', busyRetryMs);

function refuse(connection: ClientConnection, header: ClientHeader, refused: Answer): void {
  if (hasAnswer(header.kind)) connection.answer(header, refused);
}

/** The key that a frame is about, which was read before. */
function keyIn({ kind }: ClientHeader, body: Uint8Array): string | undefined {
  return kind === 'get' ? readGet(body).id : keyOf(decodeOperation(body));
}

/** @returns what the router's secret lacks for this frame. */
function missingFor(
  { link, isProxy }: ClientConnection,
  header: ClientHeader,
  body: Uint8Array,
): Permission | undefined {
  const { may } = link;
  // A renewal names sessions, not a client, and counts only for those that were attached through this link.
  if (!isProxy && header.kind !== 'renew' && header.client !== link.clientId) return 'proxy';
  switch (header.kind) {
    case 'request': {
      const type = peekOperation(body);
      if (type === undefined || header.seq === 0) throw new ProtocolError('client frame: no operation');
      return missingPermission(may, type);
    }
    case 'get':
    case 'stats':
      return may.has('get') ? undefined : 'get';
    case 'ownership':
    case 'claim':
      return may.has('admin') ? undefined : 'admin';
    default:
      return undefined;
  }
}
