import { assert } from '../base/assert.ts';
import type { Incarnation, NodeId } from '../base/ids.ts';
import { decodeBootstrap } from './bootstrap.ts';
import type { Voters } from './quorum.ts';
import type { Bootstrap, LogEntry, LogIndex, MemberIdentity, Membership, RaftOptions } from './types.ts';

interface Configuration {
  /** The entry that brought it; it is in force from the append on. */
  readonly index: LogIndex;
  readonly membership: Membership;
  readonly bootstrap: Bootstrap;
}

const noMembership: Membership = { voters: [], learners: [] };

/**
 * Who belongs to the group: a function of the log, with its history, so that a truncated change rolls back (pitfall 34).
 * Before entry 1 it is the first set this node campaigned with or voted for, before that the configured peers.
 */
export class Members {
  readonly #self: NodeId;
  readonly #configured: readonly NodeId[];
  readonly #history: Configuration[] = [];
  #firstSet: readonly MemberIdentity[] | undefined;
  #membership: Membership = noMembership;
  #voters: readonly NodeId[] = [];
  #others: readonly NodeId[] = [];
  #incarnations: ReadonlyMap<NodeId, Incarnation> = new Map();

  constructor(options: RaftOptions, firstSet: readonly MemberIdentity[] | undefined) {
    this.#self = options.id;
    this.#configured = [...options.peers].sort();
    this.#firstSet = firstSet;
    this.#refresh();
  }

  get membership(): Membership {
    return this.#membership;
  }

  get bootstrap(): Bootstrap | undefined {
    return this.#history.at(-1)?.bootstrap;
  }

  /** What vote requests carry: a voter without entry 1 judges them by it. */
  get firstSet(): readonly MemberIdentity[] | undefined {
    return this.bootstrap?.members ?? this.#firstSet;
  }

  /** The configurations in force. */
  get voters(): Voters {
    return [this.#voters];
  }

  /** Ids of all members but this one, ascending. */
  get others(): readonly NodeId[] {
    return this.#others;
  }

  isMember(id: NodeId): boolean {
    return id === this.#self || this.#others.includes(id);
  }

  isVoter(id: NodeId): boolean {
    return this.#voters.includes(id);
  }

  /** All voters, ascending, each once. */
  allVoters(): readonly NodeId[] {
    return this.#voters;
  }

  incarnationOf(id: NodeId): Incarnation | undefined {
    return this.#incarnations.get(id);
  }

  adoptFirstSet(set: readonly MemberIdentity[]): void {
    assert(this.#firstSet === undefined, 'a node takes part in one first membership only');
    this.#firstSet = set;
    this.#refresh();
  }

  appended(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      if (entry.kind !== 'bootstrap') continue;
      const bootstrap = decodeBootstrap(entry.data);
      assert(bootstrap !== undefined, 'the bootstrap entry is well-formed');
      this.#history.push({
        index: entry.index,
        membership: { voters: bootstrap.members, learners: [] },
        bootstrap,
      });
      this.#refresh();
    }
  }

  truncatedFrom(index: LogIndex): void {
    let changed = false;
    while ((this.#history.at(-1)?.index ?? 0) >= index) {
      this.#history.pop();
      changed = true;
    }
    if (changed) this.#refresh();
  }

  #refresh(): void {
    const membership = this.#history.at(-1)?.membership ?? this.#beforeEntryOne();
    const all = [...membership.voters, ...membership.learners];
    this.#membership = membership;
    this.#incarnations = new Map(all.map(({ id, incarnation }) => [id, incarnation]));
    this.#voters = all.length === 0 ? this.#configured : membership.voters.map(({ id }) => id);
    const ids = all.length === 0 ? this.#configured : all.map(({ id }) => id).sort();
    this.#others = ids.filter((id) => id !== this.#self);
  }

  #beforeEntryOne(): Membership {
    return this.#firstSet === undefined ? noMembership : { voters: this.#firstSet, learners: [] };
  }
}
