import { ProtocolError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import type { GroupHandle } from '../node/types.ts';
import type { Clock } from '../ports/clock.ts';
import { queueLimits } from '../queue/limits.ts';
import type { Operation, QueueCommand } from '../queue/types.ts';
import type { LogEntry } from '../raft/types.ts';
import { readAttach, readAttachmentList, readDetach, readGet, readQueueName } from '../wire/client-frame.ts';
import { type ClientHeader, noDeadlineMs } from '../wire/client-header.ts';
import { encodeCommand, encodeRequest } from '../wire/queue-codec.ts';
import { decodeOperation } from '../wire/queue-operation.ts';
import { encodeRecord, encodeStats } from '../wire/queue-result.ts';
import { encodeOwnership, readClaim } from '../wire/shard-frames.ts';
import {
  type Answer,
  busyRetryMs,
  notLeaderAnswer,
  proposalAnswer,
  type Reply,
  redirectAnswer,
  refusedAnswer,
} from './answers.ts';
import { hasAnswer } from './frame-checks.ts';
import type { QueueMachine } from './queue-machine.ts';
import { Settles } from './settles.ts';
import { TakeWaiters } from './take-waiters.ts';
import { Ticker } from './ticker.ts';
import { Wants } from './wants.ts';

/**
 * What a node does while it leads: puts requests into the log, answers reads that hold every acknowledged write, lets takes
 * wait, and lets log time pass. A frame that comes here is never passed on: who does not lead says so.
 */
export class LeaderService {
  readonly #group: GroupHandle;
  readonly #machine: QueueMachine;
  readonly #clock: Clock;
  readonly #waiters: TakeWaiters;
  readonly #ticker: Ticker;
  readonly #wants: Wants;
  readonly #settles: Settles;
  #term = 0;

  constructor(group: GroupHandle, machine: QueueMachine, clock: Clock) {
    this.#group = group;
    this.#machine = machine;
    this.#clock = clock;
    this.#waiters = new TakeWaiters(group, clock);
    this.#ticker = new Ticker(group, machine, clock);
    this.#wants = new Wants(group, clock);
    this.#settles = new Settles(group);
  }

  /**
   * Handles a frame of a gateway.
   *
   * @param gateway - through whom its sessions are attached.
   * @param reply - called once, except for kinds that have no answer (cancel, renew, settle).
   */
  receive(gateway: NodeId, header: ClientHeader, body: Uint8Array, reply: Reply): void {
    if (this.#group.view().role !== 'leader') {
      if (hasAnswer(header.kind)) reply(notLeaderAnswer(this.#group));
      return;
    }
    try {
      this.#handle(gateway, header, body, reply);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (hasAnswer(header.kind)) reply(refusedAnswer('PROTOCOL', error.message));
    }
  }

  onView(): void {
    const { role, term } = this.#group.view();
    const leadsIn = role === 'leader' ? term : 0;
    if (leadsIn === this.#term) return;
    this.#term = leadsIn;
    this.#waiters.drop();
    this.#ticker.schedule();
  }

  onApplied(entry: LogEntry): void {
    this.#ticker.onApplied(entry);
    this.#waiters.onApplied(entry.index, this.#machine.events);
  }

  /** What log time is now, as this node can tell. */
  logNowMs(): number {
    return this.#ticker.logNowMs();
  }

  close(): void {
    this.#waiters.drop();
    this.#waiters.close();
    this.#ticker.close();
  }

  #handle(gateway: NodeId, header: ClientHeader, body: Uint8Array, reply: Reply): void {
    switch (header.kind) {
      case 'request':
        this.#request(header, body, reply);
        break;
      case 'attach':
        this.#propose({ type: 'attach', client: header.client, gateway, ...readAttach(body) }, reply);
        break;
      case 'detach':
        this.#propose({ type: 'detach', ...readDetach(body) }, reply);
        break;
      case 'renew':
        this.#propose({ type: 'renew', gateway, sessions: readAttachmentList(body) }, () => {});
        break;
      case 'cancel':
        this.#waiters.cancel(readQueueName(body), keyOf(header));
        break;
      case 'get':
        this.#get(header, body, reply);
        break;
      case 'stats':
        this.#stats(body, reply);
        break;
      case 'settle':
        this.#settles.settle(header);
        break;
      case 'ownership':
        this.#ownership(reply);
        break;
      case 'claim':
        this.#propose({ type: 'claim', claim: readClaim(body) }, reply);
        break;
      default:
        throw new ProtocolError(`a frame of kind ${header.kind} is not for a leader`);
    }
  }

  #request(header: ClientHeader, body: Uint8Array, reply: Reply): void {
    const operation = decodeOperation(body);
    const refused = refusal(header, operation);
    if (refused !== undefined) {
      reply(refused);
      return;
    }
    if (operation.type === 'take') {
      this.#take(header, operation, body, reply);
      return;
    }
    const { client, stream, seq, settledUpTo, mapVersion } = header;
    const command = encodeRequest({ client, stream, seq, settledUpTo, mayWait: false, mapVersion }, body);
    this.#group.propose(command, (result) => reply(proposalAnswer(this.#group, result)));
  }

  #take(header: ClientHeader, operation: Operation & { type: 'take' }, body: Uint8Array, reply: Reply): void {
    const waitUntilMs = this.#clock.monotonicMs() + Math.min(header.waitMs, remainingMs(header));
    const { queue, session } = operation;
    // It may wait for long, and its body is a piece of a larger message.
    const own = header.waitMs > 0 ? new Uint8Array(body) : body;
    const { client, stream, seq, settledUpTo, mapVersion } = header;
    this.#waiters.submit({
      key: keyOf(header),
      queue,
      session,
      command: (mayWait) => encodeRequest({ client, stream, seq, settledUpTo, mayWait, mapVersion }, own),
      waitUntilMs,
      reply,
    });
  }

  #propose(command: QueueCommand, reply: Reply): void {
    this.#group.propose(encodeCommand(command), (result) => reply(proposalAnswer(this.#group, result)));
  }

  #get(header: ClientHeader, body: Uint8Array, reply: Reply): void {
    const { queue, id } = readGet(body);
    this.#read(reply, () => {
      const { index } = this.#group.applied();
      const redirect = this.#machine.state.judge(id, header.mapVersion);
      if (redirect !== undefined) return redirectAnswer(redirect, index);
      const task = this.#machine.state.get(queue, id);
      if (task !== undefined && task.expiresAtMs <= this.logNowMs()) this.#wants.ask(queue, task);
      return { kind: 'record', index, body: encodeRecord({ task, ageMs: 0 }) };
    });
  }

  #stats(body: Uint8Array, reply: Reply): void {
    const queue = readQueueName(body);
    this.#read(reply, () => {
      const stats = encodeStats(this.#machine.state.stats(queue));
      return { kind: 'statsResult', index: this.#group.applied().index, body: stats };
    });
  }

  #ownership(reply: Reply): void {
    this.#read(reply, () => {
      const ownership = encodeOwnership(this.#machine.state.ownership());
      return { kind: 'ownershipResult', index: this.#group.applied().index, body: ownership };
    });
  }

  #read(reply: Reply, answer: () => Answer): void {
    this.#group.read((outcome) => {
      if (outcome === 'ok') reply(answer());
      else if (outcome === 'busy') reply(refusedAnswer('BUSY', 'the leader has too many reads', busyRetryMs));
      else reply(notLeaderAnswer(this.#group));
    });
  }
}

/** What is refused before it is appended. */
function refusal(header: ClientHeader, operation: Operation): Answer | undefined {
  if (header.remainingMs === 0) return refusedAnswer('DEADLINE_EXCEEDED', 'the deadline passed on the way');
  if (payloadBytes(operation) <= queueLimits.payloadBytesMax) return undefined;
  return refusedAnswer('TOO_LARGE', `a payload has at most ${queueLimits.payloadBytesMax} bytes`);
}

function keyOf(header: ClientHeader): string {
  return `${header.client}/${header.stream}/${header.seq}`;
}

function remainingMs(header: ClientHeader): number {
  return header.remainingMs === noDeadlineMs ? Number.POSITIVE_INFINITY : header.remainingMs;
}

function payloadBytes(operation: Operation): number {
  return operation.type === 'put' || operation.type === 'ack' ? operation.payload.length : 0;
}
