import { nodeId, sessionId } from '../../../src/base/ids.ts';
import { QueueState } from '../../../src/queue/queue-state.ts';
import type { Operation, QueueCommand, QueueResult } from '../../../src/queue/types.ts';
import { createPartitioner } from '../../../src/sharding/partitioner.ts';
import { encodeResult } from '../../../src/wire/queue-result.ts';
import { type ClaimBody, encodeOwnership, readClaim } from '../../../src/wire/shard-frames.ts';
import { anyone, done, type FakeNode, notLeader, type Received, type Said } from './fake-nodes.ts';

/** A group whose nodes all know at once what its log says: the real state machine without the consensus. */
export class FakeGroup {
  readonly state: QueueState = new QueueState({ partitioner: createPartitioner });
  /** What was claimed, in words and in order. */
  readonly claims: string[] = [];
  /** What it says instead of applying a claim; undefined to apply it. */
  interfere: (claim: ClaimBody) => Said | undefined = () => undefined;
  answerRequest: (request: Received) => Said | undefined = () => done;
  #index = 0;
  #seq = 0;

  constructor(nodes: readonly FakeNode[]) {
    for (const node of nodes) {
      node.answer = (request) => {
        const { leaderId, term } = node.leaders.get('main') ?? { leaderId: undefined, term: 0 };
        return leaderId === node.id ? this.#answer(request) : notLeader(leaderId, term);
      };
    }
    const session = sessionId('5'.repeat(32));
    this.#apply({
      type: 'attach',
      client: anyone,
      session,
      gateway: nodeId('g'),
      workerId: 'w',
      registration: 0,
    });
  }

  /** Puts a task straight into the log. */
  put(id: string, mapVersion: number): QueueResult {
    const operation: Operation = {
      type: 'put',
      queue: 'q',
      id,
      payload: new Uint8Array(1),
      expiresAtMs: 2_000_000_000_000,
      provider: 'default',
      weight: 0,
      refreshAtMs: undefined,
      ifAbsent: false,
      ifVersion: undefined,
    };
    const seq = ++this.#seq;
    const request = {
      client: anyone,
      stream: 1,
      seq,
      settledUpTo: seq - 1,
      mayWait: false,
      mapVersion,
      inOrder: true,
    };
    return this.#apply({ type: 'request', request, operation });
  }

  /** Puts a claim straight into the log. */
  claim(claim: ClaimBody): QueueResult {
    return this.#apply({ type: 'claim', claim });
  }

  /** Buckets that the group owns, by its log. */
  owned(): readonly number[] {
    return this.state
      .ownership()
      .owned.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, at) => from + at));
  }

  #answer(request: Received): Said | undefined {
    const { header, body } = request;
    if (header.kind === 'ownership') {
      return { kind: 'ownershipResult', body: encodeOwnership(this.state.ownership()) };
    }
    if (header.kind !== 'claim') return this.answerRequest(request);
    const claim = readClaim(body);
    const said = this.interfere(claim);
    if (said !== undefined) return said;
    this.claims.push(`${claim.type} ${claim.type === 'own' ? claim.shard : claim.to} v${claim.map.version}`);
    return { kind: 'result', body: encodeResult(this.#apply({ type: 'claim', claim })) };
  }

  #apply(command: QueueCommand): QueueResult {
    const result = this.state.apply(1, command, { index: ++this.#index, term: 1 });
    this.state.takeEvents();
    return result;
  }
}
