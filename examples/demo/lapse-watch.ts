import type { JournalEvent } from './journal.ts';
import type { Lapse } from './verdict.ts';

/** Looks at a token shortly before it expires, and then again and again until a newer one is stored. */
const lookAheadMs = 150;
const lookAgainMs = 40;
/** A token that is stored before our copy of the journal names it is looked up again. */
const unknownMs = 100;

/**
 * Counts access tokens that expired before a newer one was stored. The expiries are the authorisation server's; what is stored
 * is read from the cluster at the moment that matters.
 */
export class LapseWatch {
  readonly #read: (family: string, from: 'any' | 'leader') => Promise<string | undefined>;
  readonly #expiresAt = new Map<string, number>();
  readonly #issuedAt = new Map<string, number>();
  readonly #lapses: Lapse[] = [];
  #stopped = false;

  /** @param read - the fingerprint of the access token that is stored now; undefined when the cluster did not answer. */
  constructor(read: (family: string, from: 'any' | 'leader') => Promise<string | undefined>) {
    this.#read = read;
  }

  get lapses(): readonly Lapse[] {
    return this.#lapses;
  }

  note(event: JournalEvent): void {
    if (event.type !== 'granted' && event.type !== 'issued') return;
    this.#expiresAt.set(event.access, event.expiresAt);
    this.#issuedAt.set(event.access, event.at);
    if (event.type === 'granted') this.#watch(event.family, event.access);
  }

  stop(): void {
    this.#stopped = true;
  }

  #watch(family: string, access: string): void {
    const expiresAt = this.#expiresAt.get(access);
    const lookAt = expiresAt === undefined ? Date.now() + unknownMs : expiresAt - lookAheadMs;
    const look = () => {
      if (this.#stopped) return;
      if (expiresAt === undefined) this.#watch(family, access);
      else void this.#look(family, access, expiresAt);
    };
    setTimeout(look, Math.max(0, lookAt - Date.now())).unref();
  }

  async #look(family: string, access: string, expiresAt: number): Promise<void> {
    let from: 'any' | 'leader' = 'any';
    let lapsed = false;
    while (!this.#stopped) {
      const stored = await this.#read(family, from);
      if (stored !== undefined && stored !== access) {
        if (!lapsed && (this.#issuedAt.get(stored) ?? 0) > expiresAt) this.#lapse(family, expiresAt);
        this.#watch(family, stored);
        return;
      }
      if (stored === access && from === 'leader' && !lapsed && Date.now() > expiresAt + lookAgainMs) {
        lapsed = true;
        this.#lapse(family, expiresAt);
      }
      from = 'leader';
      await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
    }
  }

  #lapse(family: string, at: number): void {
    if (!this.#stopped) this.#lapses.push({ family, at });
  }
}
