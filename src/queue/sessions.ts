import type { ClientId, NodeId, SessionId } from '../base/ids.ts';
import { IndexedHeap } from './indexed-heap.ts';
import { type Column, none } from './task-table.ts';

/** Who holds leases. The leases hang on it as a list through the task table, oldest first. */
export interface Session {
  readonly slot: number;
  readonly id: SessionId;
  readonly client: ClientId;
  gateway: NodeId;
  workerId: string;
  /** Unique over all sessions, raised by each attach: a number that was replaced never becomes current again. */
  attachment: number;
  renewedAtMs: number;
  firstLease: number;
  lastLease: number;
  leaseCount: number;
}

/** The live sessions, and which of them has been silent longest. */
export class Sessions {
  readonly #slots: (Session | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #byId = new Map<SessionId, Session>();
  readonly #positions: Column = [];
  readonly #bySilence: IndexedHeap = new IndexedHeap(this.#positions, (left, right) => {
    const one = this.at(left);
    const other = this.at(right);
    if (one.renewedAtMs !== other.renewedAtMs) return one.renewedAtMs < other.renewedAtMs;
    return one.attachment < other.attachment;
  });

  get size(): number {
    return this.#byId.size;
  }

  find(id: SessionId): Session | undefined {
    return this.#byId.get(id);
  }

  at(slot: number): Session {
    return this.#slots[slot]!;
  }

  all(): IterableIterator<Session> {
    return this.#byId.values();
  }

  /** Adds the session if it is new; either way it is attached to the gateway from now on. */
  attach(
    id: SessionId,
    client: ClientId,
    gateway: NodeId,
    workerId: string,
    attachment: number,
    nowMs: number,
  ): void {
    const known = this.#byId.get(id);
    if (known === undefined) {
      this.#add(id, client, gateway, workerId, attachment, nowMs);
      return;
    }
    known.gateway = gateway;
    known.workerId = workerId;
    known.attachment = attachment;
    this.renew(known, nowMs);
  }

  renew(session: Session, nowMs: number): void {
    session.renewedAtMs = nowMs;
    this.#bySilence.update(session.slot);
  }

  /** Forgets a session whose leases have ended. */
  delete(session: Session): void {
    this.#bySilence.remove(session.slot);
    this.#byId.delete(session.id);
    this.#slots[session.slot] = undefined;
    this.#free.push(session.slot);
  }

  mostSilent(): Session | undefined {
    const slot = this.#bySilence.top();
    return slot === none ? undefined : this.at(slot);
  }

  #add(
    id: SessionId,
    client: ClientId,
    gateway: NodeId,
    workerId: string,
    attachment: number,
    nowMs: number,
  ): void {
    const slot = this.#free.pop() ?? this.#slots.length;
    const lists = { firstLease: none, lastLease: none, leaseCount: 0 };
    const session: Session = {
      slot,
      id,
      client,
      gateway,
      workerId,
      attachment,
      renewedAtMs: nowMs,
      ...lists,
    };
    this.#slots[slot] = session;
    this.#byId.set(id, session);
    this.#bySilence.add(slot);
  }
}
