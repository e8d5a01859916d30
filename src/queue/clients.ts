import type { ClientId } from '../base/ids.ts';
import { IndexedHeap } from './indexed-heap.ts';
import { queueLimits } from './limits.ts';
import { hashOfOperation } from './operation-hash.ts';
import { refuse } from './refusals.ts';
import { type Column, none } from './task-table.ts';
import type { Operation, QueueResult, Request } from './types.ts';

interface Row {
  /** Hash of the operation: the same id with another body is told apart. */
  readonly body: number;
  readonly result: QueueResult;
  /** False for a take that found nothing and may wait: it is asked again under its own id. */
  readonly isFinal: boolean;
}

interface Stream {
  settledUpTo: number;
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
  | { readonly remember: (result: QueueResult) => void };

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
  #rowCount = 0;

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
    for (const stream of client.streams.values()) this.#rowCount -= stream.rows.size;
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
    const body = hashOfOperation(operation);
    const row = stream.rows.get(request.seq);
    if (row === undefined && stream.rows.size >= queueLimits.unsettledPerStreamMax) return tooManyUnsettled;
    if (row === undefined && this.#rowCount >= queueLimits.rememberedAnswersMax) return tooManyRemembered;
    if (row !== undefined && row.body !== body) return reused;
    if (row?.isFinal === true) return { answer: row.result };
    return {
      remember: (result) => {
        const isFinal = !(request.mayWait && foundNothing(result));
        this.#remember(stream, request.seq, { body, result, isFinal });
      },
    };
  }

  /** Everything replicated, one plain value per client, per stream and per row. */
  *facts(): IterableIterator<unknown> {
    for (const client of this.#byId.values()) {
      yield ['client', client.id, client.number, client.heardAtMs];
      for (const [number, stream] of client.streams) {
        yield ['stream', client.id, number, stream.settledUpTo];
        for (const [seq, row] of stream.rows) {
          yield ['row', client.id, number, seq, row.body, row.result, row.isFinal];
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
    const stream: Stream = { settledUpTo: 0, rows: new Map() };
    client.streams.set(number, stream);
    return stream;
  }

  #remember(stream: Stream, seq: number, row: Row): void {
    const before = stream.rows.size;
    stream.rows.set(seq, row);
    this.#rowCount += stream.rows.size - before;
  }

  #settle(stream: Stream, upTo: number): void {
    const from = stream.settledUpTo;
    if (upTo <= from) return;
    stream.settledUpTo = upTo;
    const before = stream.rows.size;
    if (upTo - from < before) {
      for (let seq = from + 1; seq <= upTo; seq += 1) stream.rows.delete(seq);
    } else {
      for (const seq of stream.rows.keys()) if (seq <= upTo) stream.rows.delete(seq);
    }
    this.#rowCount += stream.rows.size - before;
  }
}

function foundNothing(result: QueueResult): boolean {
  return result.type === 'taken' && result.tasks.length === 0;
}

const reused: Admission = {
  answer: refuse('REQUEST_ID_REUSED', 'this request id was used before with another body'),
};
const tooManyUnsettled: Admission = { answer: refuse('BUSY', 'too many unsettled requests in the stream') };
const tooManyRemembered: Admission = { answer: refuse('BUSY', 'the group remembers too many answers') };
