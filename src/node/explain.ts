import type { NodeId } from '../base/ids.ts';
import type { PeerView } from '../mesh/types.ts';
import type { VoteRefusal } from '../raft/types.ts';
import type { HealthFacts } from './health.ts';
import type { PeerNotes } from './peer-notes.ts';

/** Why there is no leader, or who it is, voter by voter. */
export interface Explanation {
  readonly leaderId: string | null;
  readonly summary: string;
  readonly voters: readonly {
    readonly id: string;
    readonly self: boolean;
    readonly connected: boolean;
    readonly says: string;
  }[];
}

const refusals: Readonly<Record<VoteRefusal, string>> = {
  sticky: 'connected; it still trusts the leader it knows',
  term: 'connected; it has seen a higher term',
  log: 'connected; its log is longer, so it will campaign itself',
  voted: 'connected; it gave its vote of this term to another',
  set: 'connected; it takes part in another first membership',
  notVoter: 'connected; it does not count as a voter or does not know us as one',
};

export interface ExplainFacts extends HealthFacts {
  readonly reason: string;
  readonly peers: readonly PeerView[];
  readonly notes: PeerNotes;
  readonly nowMs: number;
}

export function explain(facts: ExplainFacts): Explanation {
  const voters = facts.voters.map((id) => ({
    id,
    self: id === facts.id,
    connected: id === facts.id || facts.connected.has(id),
    says: id === facts.id ? saysSelf(facts) : saysPeer(facts, id),
  }));
  const summary =
    facts.leaderId === undefined ? `no leader: ${facts.reason}` : `${facts.leaderId} leads: ${facts.reason}`;
  return { leaderId: facts.leaderId ?? null, summary, voters };
}

function saysSelf({ role, state }: HealthFacts): string {
  return state === 'running' ? `this node; ${role}` : `this node; ${state}, ${role}`;
}

function saysPeer(facts: ExplainFacts, id: NodeId): string {
  const problem = facts.notes.problemOf(id);
  if (problem !== undefined) return `${problem.kind}: ${problem.message}`;
  const peer = facts.peers.find((candidate) => candidate.id === id);
  if (peer === undefined) return 'not connected: no address in peers';
  if (!peer.connected) return `not connected: ${peer.lastError ?? 'no answer yet'}`;
  if (id === facts.leaderId) return 'connected; the leader';
  const refusal = facts.leaderId === undefined ? facts.notes.refusalOf(id, facts.nowMs) : undefined;
  return refusal === undefined ? 'connected' : refusals[refusal];
}
