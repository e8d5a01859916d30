import type { SessionId } from '../base/ids.ts';
import type { QueueEvents } from './types.ts';

type LostLease = QueueEvents['leasesLost'][number];

/** Gathers what others wait for, until it is taken. It is no part of the replicated state. */
export class EventLog {
  #ready = new Set<string>();
  #leasesLost: LostLease[] = [];
  #sessionsEnded: SessionId[] = [];

  ready(queue: string): void {
    this.#ready.add(queue);
  }

  leaseLost(lost: LostLease): void {
    this.#leasesLost.push(lost);
  }

  sessionEnded(session: SessionId): void {
    this.#sessionsEnded.push(session);
  }

  take(): QueueEvents {
    if (this.#ready.size + this.#leasesLost.length + this.#sessionsEnded.length === 0) return nothing;
    const events = { ready: this.#ready, leasesLost: this.#leasesLost, sessionsEnded: this.#sessionsEnded };
    this.#ready = new Set();
    this.#leasesLost = [];
    this.#sessionsEnded = [];
    return events;
  }
}

const nothing: QueueEvents = { ready: new Set(), leasesLost: [], sessionsEnded: [] };
