import type { NodeId } from '../base/ids.ts';
import type { Logger } from '../ports/logger.ts';
import type { Refusal } from '../wire/close-codes.ts';
import { anonymousReportMs } from './limits.ts';
import type { MeshProblem } from './types.ts';

/** Says each problem once per peer and kind until the peer is up again, so that a redial does not fill the log. */
export class ProblemReports {
  readonly #logger: Logger;
  readonly #emit: (problem: MeshProblem) => void;
  readonly #saidMs = new Map<string, number>();

  constructor(logger: Logger, emit: (problem: MeshProblem) => void) {
    this.#logger = logger;
    this.#emit = emit;
  }

  report(problem: MeshProblem, nowMs: number): void {
    if (!this.#isNew(`${problem.peer ?? ''} ${problem.kind}`, problem.peer, nowMs)) return;
    this.#logger.warn({ ...problem }, 'a link has a problem');
    this.#emit(problem);
  }

  /** For what concerns the other node and not this one: said in the log alone. */
  note(peer: NodeId, refusal: Refusal, address: string, nowMs: number): void {
    if (this.#isNew(`${peer} refused ${refusal}`, peer, nowMs)) {
      this.#logger.warn({ peer, refusal, address }, 'a node was refused');
    }
  }

  /** The peer is up: what was wrong is over. */
  clear(peer: NodeId): void {
    for (const key of this.#saidMs.keys()) if (key.startsWith(`${peer} `)) this.#saidMs.delete(key);
  }

  #isNew(key: string, peer: NodeId | undefined, nowMs: number): boolean {
    const saidMs = this.#saidMs.get(key);
    if (saidMs !== undefined && (peer !== undefined || nowMs - saidMs < anonymousReportMs)) return false;
    this.#saidMs.set(key, nowMs);
    return true;
  }
}

/** The kind of problem that a refusal is; undefined for those that pass by themselves. */
export function problemOf(refusal: Refusal): MeshProblem['kind'] | undefined {
  switch (refusal) {
    case 'badHello':
      return 'badFrame';
    case 'duplicateLink':
    case 'handshakeTimeout':
    case 'tooManyLinks':
      return undefined;
    default:
      return refusal;
  }
}

/** What a person can do about it. */
export const problemMessages: Readonly<Record<MeshProblem['kind'], string>> = {
  wrongSecret: 'the secret of the other side is not among those accepted here, or ours not there',
  wrongCluster: 'the other side belongs to another cluster',
  wrongPeers: '`peers` differs between the two nodes; both must name the same ids before the first start',
  unknownPeer: 'the id is not a member',
  wrongNode: 'another node answers at this address than `peers` says',
  duplicateNode: 'two nodes with different data directories use the same id',
  awaitingAdmission:
    'the data directory of this node is not the one the cluster knows; the node waits to be admitted',
  versionMismatch: 'the two nodes have no protocol version in common',
  badFrame: 'bytes that are not of this protocol arrived; the link was closed',
  selfDial: 'the address leads back to this node',
  slowPeer: 'the other node takes in too little; the link was closed',
};
