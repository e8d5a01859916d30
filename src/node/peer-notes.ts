import type { NodeId } from '../base/ids.ts';
import type { MeshProblem } from '../mesh/types.ts';
import type { Message, VoteRefusal } from '../raft/types.ts';

/** A difference of wall clocks above this is worth a warning. */
export const clockSkewMaxMs = 1_000;
/** What a peer said counts for so long. */
const notesMaxAgeMs = 30_000;

interface Note {
  skewMs: number;
  skewAtMs: number;
  refusal: VoteRefusal | undefined;
  refusalAtMs: number;
  problem: MeshProblem | undefined;
}

/** What was noticed of each peer, for the people who ask: `status()` and `explain()`. Nothing is decided by it. */
export class PeerNotes {
  readonly #notes = new Map<NodeId, Note>();

  heard(from: NodeId, message: Message, nowMs: number, wallMs: number): void {
    switch (message.type) {
      case 'roundReply':
        this.#skew(from, message.wallMs - wallMs, nowMs);
        break;
      case 'requestVoteReply':
        this.#skew(from, message.wallMs - wallMs, nowMs);
        this.#refused(from, message.refused, nowMs);
        break;
      case 'preVoteReply':
        this.#refused(from, message.refused, nowMs);
        break;
      default:
    }
  }

  problem(problem: MeshProblem): void {
    if (problem.peer !== undefined) this.#of(problem.peer).problem = problem;
  }

  /** The handshake has passed: what was wrong with the link is over. */
  connected(peer: NodeId): void {
    const note = this.#notes.get(peer);
    if (note !== undefined) note.problem = undefined;
  }

  problemOf(peer: NodeId): MeshProblem | undefined {
    return this.#notes.get(peer)?.problem;
  }

  refusalOf(peer: NodeId, nowMs: number): VoteRefusal | undefined {
    const note = this.#notes.get(peer);
    return note !== undefined && nowMs - note.refusalAtMs < notesMaxAgeMs ? note.refusal : undefined;
  }

  /** Peers whose wall clock differs too much from this one's, with the difference in ms. */
  skewed(nowMs: number): readonly (readonly [NodeId, number])[] {
    return [...this.#notes]
      .filter(([, note]) => nowMs - note.skewAtMs < notesMaxAgeMs && Math.abs(note.skewMs) > clockSkewMaxMs)
      .map(([peer, note]) => [peer, note.skewMs] as const);
  }

  #skew(from: NodeId, skewMs: number, nowMs: number): void {
    const note = this.#of(from);
    note.skewMs = skewMs;
    note.skewAtMs = nowMs;
  }

  #refused(from: NodeId, refusal: VoteRefusal | undefined, nowMs: number): void {
    const note = this.#of(from);
    note.refusal = refusal;
    note.refusalAtMs = nowMs;
  }

  #of(peer: NodeId): Note {
    const known = this.#notes.get(peer);
    if (known !== undefined) return known;
    const never = Number.NEGATIVE_INFINITY;
    const note: Note = {
      skewMs: 0,
      skewAtMs: never,
      refusal: undefined,
      refusalAtMs: never,
      problem: undefined,
    };
    this.#notes.set(peer, note);
    return note;
  }
}
