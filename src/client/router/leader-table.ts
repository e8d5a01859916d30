/** Who leads one group, as its nodes tell. */
export interface KnownLeader {
  readonly id: string;
  readonly term: number;
}

interface Word {
  readonly leads: boolean;
  readonly term: number;
}

/**
 * Who leads one group. The highest term in which anybody named a leader wins, and a node is believed to lead only while it says
 * so itself: its own words come in order, those of others may be old.
 */
export class LeaderTable {
  readonly #ownWords = new Map<string, Word>();
  #named: KnownLeader | undefined;

  /** `from` says that `leaderId` leads `term`; undefined for nobody it knows. */
  learn(from: string, leaderId: string | undefined, term: number): void {
    this.#ownWords.set(from, { leads: leaderId === from, term });
    if (leaderId !== undefined && term > (this.#named?.term ?? -1)) this.#named = { id: leaderId, term };
  }

  /** The link to a node is gone, and what it said of itself may be so too. */
  forget(from: string): void {
    this.#ownWords.delete(from);
  }

  /** No node is connected: what comes next may be another cluster altogether. */
  clear(): void {
    this.#ownWords.clear();
    this.#named = undefined;
  }

  /** The newest leader that anybody named, whether it can be reached or not. */
  get named(): KnownLeader | undefined {
    return this.#named;
  }

  /** The leader that requests go to: named, connected and sure of it. */
  get leader(): KnownLeader | undefined {
    const named = this.#named;
    if (named === undefined) return undefined;
    const word = this.#ownWords.get(named.id);
    return word?.leads === true && word.term >= named.term ? named : undefined;
  }
}
