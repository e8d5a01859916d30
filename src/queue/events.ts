import type { SessionId } from '../base/ids.ts';
import type { Session } from './sessions.ts';
import type { QueueEvents } from './types.ts';

type LostLease = QueueEvents['leasesLost'][number];
type Holder = NonNullable<ReturnType<QueueEvents['holders']['get']>>;

/** Gathers what others wait for, until it is taken. It is no part of the replicated state. */
export class EventLog {
  #ready = new Set<string>();
  #leasesLost: LostLease[] = [];
  #sessionsEnded: SessionId[] = [];
  #holders = new Map<SessionId, Holder>();

  ready(queue: string): void {
    this.#ready.add(queue);
  }

  leaseLost(holder: Session, lost: Omit<LostLease, 'session'>): void {
    this.#leasesLost.push({ session: holder.id, ...lost });
    this.#name(holder);
  }

  sessionEnded(session: Session): void {
    this.#sessionsEnded.push(session.id);
    this.#name(session);
  }

  take(): QueueEvents {
    if (this.#ready.size + this.#leasesLost.length + this.#sessionsEnded.length === 0) return nothing;
    const events = {
      ready: this.#ready,
      leasesLost: this.#leasesLost,
      sessionsEnded: this.#sessionsEnded,
      holders: this.#holders,
    };
    this.#ready = new Set();
    this.#leasesLost = [];
    this.#sessionsEnded = [];
    this.#holders = new Map();
    return events;
  }

  #name({ id, client, gateway }: Session): void {
    this.#holders.set(id, { client, gateway });
  }
}

const nothing: QueueEvents = { ready: new Set(), leasesLost: [], sessionsEnded: [], holders: new Map() };
