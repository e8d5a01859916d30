import type { ClientId } from '../base/ids.ts';
import { IndexedHeap } from './indexed-heap.ts';
import { queueLimits } from './limits.ts';
import type { Occupancy } from './occupancy.ts';
import { hashOfOperation } from './operation-hash.ts';
import { refuse } from './refusals.ts';
import { type Column, none } from './task-table.ts';
import type { Operation, QueueResult, Request } from './types.ts';

interface Row {
  /** Hash of the operation: the same id with another body is told apart. `anyBody` for one that was asked about. */
  readonly body: number;
  /** The key that the request was about, if any: its bucket stays here as long as the answer is remembered. */
  readonly key: string | undefined;
  /** The queue of that key. */
  readonly queue: string | undefined;
  readonly result: QueueResult;
  /** False for a take that found nothing and may wait: it is asked again under its own id. */
  readonly isFinal: boolean;
}

interface Stream {
  settledUpTo: number;
  /** The last request that has, or had, a row. */
  newestSeq: number;
  readonly rows: Map<number, Row>;
}

interface Client {
  readonly slot: number;
  readonly id: ClientId;
  /** Order of registration; unique. */
  readonly number: number;
  heardAtMs: number;
  readonly streams: Map<number, Stream>;
}

/** What is known of a request before it is carried out: its remembered or refusing answer, or where to remember the new one. */
export type Admission =
  | { readonly answer: QueueResult }
  | {
      readonly remember: (result: QueueResult, key: string | undefined) => void;
      /** A put that came after a later one of its stream on the same task. */
      readonly isOvertaken: boolean;
    };

/** The clients of the group and the answers they have not settled yet. */
export class Clients {
  readonly #slots: (Client | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #byId = new Map<ClientId, Client>();
  readonly #positions: Column = [];
  readonly #bySilence: IndexedHeap = new IndexedHeap(this.#positions, (left, right) => {
    const one = this.#at(left);
    const other = this.#at(right);
    return one.heardAtMs !== other.heardAtMs ? one.heardAtMs < other.heardAtMs : one.number < other.number;
  });
  readonly #occupancy: Occupancy;
  #rowCount = 0;

  constructor(occupancy: Occupancy) {
    this.#occupancy = occupancy;
  }

  get size(): number {
    return this.#byId.size;
  }

  has(id: ClientId): boolean {
    return this.#byId.has(id);
  }

  /** @returns the number of the client's registration; 0 for an unknown client. */
  registration(id: ClientId): number {
    return this.#byId.get(id)?.number ?? 0;
  }

  add(id: ClientId, number: number, nowMs: number): void {
    const slot = this.#free.pop() ?? this.#slots.length;
    this.#slots[slot] = { slot, id, number, heardAtMs: nowMs, streams: new Map() };
    this.#byId.set(id, this.#at(slot));
    this.#bySilence.add(slot);
  }

  /** A request, an attach or a renewal of one of its sessions: the client lives. */
  heard(id: ClientId, nowMs: number): void {
    const client = this.#byId.get(id);
    if (client === undefined || client.heardAtMs === nowMs) return;
    client.heardAtMs = nowMs;
    this.#bySilence.update(client.slot);
  }

  mostSilent(): { readonly id: ClientId; readonly heardAtMs: number } | undefined {
    const slot = this.#bySilence.top();
    return slot === none ? undefined : this.#at(slot);
  }

  /** Forgets the client and every answer remembered for it; from now on it gets CLIENT_EXPIRED. */
  delete(id: ClientId): void {
    const client = this.#byId.get(id);
    if (client === undefined) return;
    for (const stream of client.streams.values()) {
      if (this.#occupancy.isCounting)
        for (const row of stream.rows.values()) this.#occupancy.answerRemoved(row.key);
      this.#rowCount -= stream.rows.size;
    }
    this.#bySilence.remove(client.slot);
    this.#byId.delete(id);
    this.#slots[client.slot] = undefined;
    this.#free.push(client.slot);
  }

  /** Settles what the request says is settled, then decides whether its operation is carried out. */
  admit(request: Request, operation: Operation): Admission {
    const client = this.#byId.get(request.client);
    if (client === undefined)
      return { answer: refuse('CLIENT_EXPIRED', 'the cluster does not know this client') };
    const stream = this.#streamOf(client, request.stream);
    if (stream === undefined) return { answer: refuse('BUSY', 'the client has too many request streams') };
    this.#settle(stream, request.settledUpTo);
    if (request.seq <= stream.settledUpTo) {
      return {
        answer: refuse('REQUEST_SETTLED', `request ${request.seq} is settled and its answer forgotten`),
      };
    }
    const row = stream.rows.get(request.seq);
    if (operation.type === 'resolve' && row !== undefined) return this.#resolved(stream, request.seq, row);
    const body = operation.type === 'resolve' ? anyBody : hashOfOperation(operation);
    if (row === undefined && stream.rows.size >= queueLimits.unsettledPerStreamMax) return tooManyUnsettled;
    if (row === undefined && this.#rowCount >= queueLimits.rememberedAnswersMax) return tooManyRemembered;
    if (row !== undefined && row.body !== body && row.body !== anyBody) return reused;
    if (row?.isFinal === true) return { answer: row.result };
    const { queue } = operation;
    return {
      remember: (result, key) => {
        const isFinal = !(request.mayWait && foundNothing(result));
        const row = { body, key, queue: key === undefined ? undefined : queue, result, isFinal };
        this.#remember(stream, request.seq, row);
      },
      isOvertaken: request.inOrder && operation.type === 'put' && isOvertaken(stream, request.seq, operation),
    };
  }

  /** The client has the answers up to there. Of a stream that never came here it is noted, too: late copies are refused. */
  settle(id: ClientId, stream: number, upTo: number): void {
    const client = this.#byId.get(id);
    const known = client === undefined ? undefined : this.#streamOf(client, stream);
    if (known !== undefined) this.#settle(known, upTo);
  }

  /** The keys of all remembered answers that are about one. */
  *keys(): IterableIterator<string> {
    for (const client of this.#byId.values())
      for (const stream of client.streams.values())
        for (const row of stream.rows.values()) if (row.key !== undefined) yield row.key;
  }

  /** Everything replicated, one plain value per client, per stream and per row. */
  *facts(): IterableIterator<unknown> {
    for (const client of this.#byId.values()) {
      yield ['client', client.id, client.number, client.heardAtMs];
      for (const [number, stream] of client.streams) {
        yield ['stream', client.id, number, stream.settledUpTo];
        for (const [seq, row] of stream.rows) {
          yield ['row', client.id, number, seq, row.body, row.key, row.queue, row.result, row.isFinal];
        }
      }
    }
  }

  #at(slot: number): Client {
    return this.#slots[slot]!;
  }

  #streamOf(client: Client, number: number): Stream | undefined {
    const known = client.streams.get(number);
    if (known !== undefined || client.streams.size >= queueLimits.streamsPerClientMax) return known;
    const stream: Stream = { settledUpTo: 0, newestSeq: 0, rows: new Map() };
    client.streams.set(number, stream);
    return stream;
  }

  /** What was asked about is decided: a take that found nothing yet will not be asked again. */
  #resolved(stream: Stream, seq: number, row: Row): Admission {
    if (!row.isFinal) stream.rows.set(seq, { ...row, isFinal: true });
    return { answer: row.result };
  }

  #remember(stream: Stream, seq: number, row: Row): void {
    const before = stream.rows.size;
    stream.rows.set(seq, row);
    if (stream.rows.size === before) return;
    stream.newestSeq = Math.max(stream.newestSeq, seq);
    this.#rowCount += 1;
    this.#occupancy.answerAdded(row.key);
  }

  #forget(stream: Stream, seq: number): void {
    if (this.#occupancy.isCounting) this.#occupancy.answerRemoved(stream.rows.get(seq)?.key);
    stream.rows.delete(seq);
  }

  #settle(stream: Stream, upTo: number): void {
    const from = stream.settledUpTo;
    if (upTo <= from) return;
    stream.settledUpTo = upTo;
    const before = stream.rows.size;
    if (upTo - from < before) {
      for (let seq = from + 1; seq <= upTo; seq += 1) this.#forget(stream, seq);
    } else {
      for (const seq of stream.rows.keys()) if (seq <= upTo) this.#forget(stream, seq);
    }
    this.#rowCount += stream.rows.size - before;
  }
}

/**
 * Of two puts the one that was asked for later must stand; its row is there as long as the earlier one is not settled. What ends a lease
 * takes no part in that: a put ends the lease, so whichever comes first, the put stands.
 */
function isOvertaken(stream: Stream, seq: number, { queue, id }: Operation & { type: 'put' }): boolean {
  if (seq > stream.newestSeq) return false;
  for (const [later, row] of stream.rows)
    if (later > seq && row.key === id && row.queue === queue && row.result.type === 'put') return true;
  return false;
}

function foundNothing(result: QueueResult): boolean {
  return result.type === 'taken' && result.tasks.length === 0;
}

/** No hash of an operation. */
const anyBody = -1;

const reused: Admission = {
  answer: refuse('REQUEST_ID_REUSED', 'this request id was used before with another body'),
};
const tooManyUnsettled: Admission = { answer: refuse('BUSY', 'too many unsettled requests in the stream') };
const tooManyRemembered: Admission = { answer: refuse('BUSY', 'the group remembers too many answers') };
