import type { Clock } from '../../ports/clock.ts';
import type { Link, Listener, Transport } from '../../ports/transport.ts';
import { MemoryLink } from './memory-link.ts';

/** An open connection and the names at its ends. */
interface Connection {
  readonly from: string;
  readonly to: string;
  readonly ends: readonly [MemoryLink, MemoryLink];
}

/**
 * A network within one process: every endpoint has a name and the address `memory:<name>`. Delivery takes one turn of the
 * given clock. For tests: endpoints can be killed, pairs cut and healed.
 */
export class MemoryNetwork {
  readonly #clock: Pick<Clock, 'soon'>;
  readonly #listeners = new Map<string, (link: Link) => void>();
  /** How often each endpoint was killed. */
  readonly #lives = new Map<string, number>();
  readonly #connections = new Set<Connection>();
  readonly #cuts = new Set<string>();
  /** Dials that wait because their pair is cut. */
  readonly #waiting = new Set<() => void>();

  constructor(clock: Pick<Clock, 'soon'>) {
    this.#clock = clock;
  }

  /** The transport of one endpoint, until it is killed. */
  transport(name: string): Transport {
    const life = this.#lifeOf(name);
    return {
      listen: (onLink) => this.#listen(name, onLink),
      dial: (address, { signal }) => this.#dial(name, life, address, signal),
    };
  }

  /**
   * Ends the process of an endpoint as the kernel does: its listener is gone, the others see their connections close, and its
   * own side hears and says nothing more. A process that comes back takes a new transport.
   */
  kill(name: string): void {
    this.#lives.set(name, this.#lifeOf(name) + 1);
    this.#listeners.delete(name);
    for (const { from, to, ends } of [...this.#connections]) {
      if (from !== name && to !== name) continue;
      const [dead, other] = from === name ? ends : [ends[1], ends[0]];
      dead.abandon();
      other.lose();
    }
  }

  /** Breaks the connections of a pair; both sides notice and may dial again. */
  reset(one: string, two: string): void {
    for (const connection of [...this.#connections]) {
      if (isBetween(connection, one, two)) for (const end of connection.ends) end.lose();
    }
  }

  /** The connections of a pair break and only the first notices; the other keeps an end that leads nowhere. */
  halfOpen(noticing: string, other: string): void {
    for (const connection of [...this.#connections]) {
      if (!isBetween(connection, noticing, other)) continue;
      connection.ends[connection.from === noticing ? 0 : 1].lose();
    }
  }

  /** Nothing passes between the two and nobody is told, until `heal`; dials hang. */
  cut(one: string, two: string): void {
    this.#cuts.add(pairOf(one, two));
    this.#applyCuts();
  }

  /** Ends all cuts; what was held arrives, waiting dials go on. */
  heal(): void {
    this.#cuts.clear();
    this.#applyCuts();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const go of waiting) go();
  }

  /** Names of the endpoints of all open connections, dialler first. */
  connections(): readonly (readonly [string, string])[] {
    return [...this.#connections].map(({ from, to }) => [from, to] as const);
  }

  async #listen(name: string, onLink: (link: Link) => void): Promise<Listener> {
    if (this.#listeners.has(name)) throw new Error(`memory:${name} is in use`);
    this.#listeners.set(name, onLink);
    const close = async (): Promise<void> => {
      if (this.#listeners.get(name) === onLink) this.#listeners.delete(name);
    };
    return { address: `memory:${name}`, close };
  }

  #lifeOf(name: string): number {
    return this.#lives.get(name) ?? 0;
  }

  #dial(from: string, life: number, address: string, signal: AbortSignal): Promise<Link> {
    const to = address.replace(/^memory:/, '');
    return new Promise((resolve, reject) => {
      const go = (): void => {
        if (this.#lifeOf(from) !== life) return;
        if (signal.aborted) reject(signal.reason);
        else if (this.#cuts.has(pairOf(from, to))) this.#waiting.add(go);
        else this.#connect(from, to, resolve, reject);
      };
      signal.addEventListener('abort', () => this.#waiting.delete(go) && reject(signal.reason), {
        once: true,
      });
      this.#clock.soon(go);
    });
  }

  #connect(from: string, to: string, resolve: (link: Link) => void, reject: (error: Error) => void): void {
    const onLink = this.#listeners.get(to);
    if (onLink === undefined) {
      reject(new Error(`memory:${to} refused the connection`));
      return;
    }
    const forget = (): void => {
      if (ends.every((end) => !end.isOpen)) this.#connections.delete(connection);
    };
    const ends = [
      new MemoryLink(`memory:${to}`, this.#clock, forget),
      new MemoryLink(`memory:${from}`, this.#clock, forget),
    ] as const;
    MemoryLink.join(...ends);
    const connection: Connection = { from, to, ends };
    this.#connections.add(connection);
    onLink(ends[1]);
    resolve(ends[0]);
  }

  #applyCuts(): void {
    for (const { from, to, ends } of this.#connections) {
      for (const end of ends) end.hold(this.#cuts.has(pairOf(from, to)));
    }
  }
}

function pairOf(one: string, two: string): string {
  return one < two ? `${one} ${two}` : `${two} ${one}`;
}

function isBetween({ from, to }: Connection, one: string, two: string): boolean {
  return pairOf(from, to) === pairOf(one, two);
}
