import { InvalidArgumentError, NotLeaderError, TransferFailedError } from '../base/errors.ts';
import type { GroupId, NodeId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Group } from './group.ts';
import { Handover, type TransferResult } from './handover.ts';

/** The hand-overs of all groups of a node: each group has one at a time, and they do not wait for each other. */
export class Handovers {
  readonly #logger: Logger;
  readonly #groups: readonly Group[];
  readonly #handovers: ReadonlyMap<GroupId, Handover>;

  /** @param timeoutMs - a new leader that is not known by then counts as a failure. */
  constructor(
    groups: readonly Group[],
    clock: Clock,
    logger: Logger,
    timeoutMs: number,
    start: (group: Group, to: NodeId | undefined) => void,
  ) {
    this.#groups = groups;
    this.#logger = logger;
    this.#handovers = new Map(
      groups.map((group) => [group.id, new Handover(group, clock, timeoutMs, (to) => start(group, to))]),
    );
  }

  isRunning(group: GroupId): boolean {
    return this.#of(group).running;
  }

  /**
   * Checks that the group can be handed over now.
   *
   * @returns the voter that was asked for. @throws what `Node.transferLeadership` throws.
   */
  check(group: Group, to: string | undefined): NodeId | undefined {
    const { role, leaderId, membership } = group.view();
    if (role !== 'leader') throw new NotLeaderError(leaderId);
    const target = membership.voters.find((voter) => voter.id === to);
    if (to !== undefined && (target === undefined || target.id === group.nodeId)) {
      throw new InvalidArgumentError(`leadership can go to another voter only, not to ${to}`);
    }
    if (membership.voters.length < 2) throw new TransferFailedError('this node is the only voter');
    if (this.isRunning(group.id)) throw new TransferFailedError('a transfer is under way');
    return target?.id;
  }

  /** The scope of the group must be closed. Rejects with TransferFailedError. */
  run(group: Group, to: NodeId | undefined): Promise<TransferResult> {
    return this.#of(group.id).run(to);
  }

  /** The core's own word. */
  ended(group: Group, ok: boolean, why: string): void {
    this.#of(group.id).ended(ok, why);
  }

  /** Hands over every group that this node leads, all at once; resolves when each has another leader or was given up. */
  async leaveAll(): Promise<void> {
    await Promise.all(this.#groups.map((group) => this.#leave(group)));
  }

  stopAll(why: string): void {
    for (const handover of this.#handovers.values()) handover.stop(why);
  }

  async #leave(group: Group): Promise<void> {
    if (group.view().role !== 'leader') return;
    const handover = this.#of(group.id);
    const outcome = handover.outcome ?? handover.run(undefined);
    await outcome.catch((error: unknown) => {
      this.#logger.info({ err: error, group: group.id }, 'closing without a hand-over');
    });
  }

  #of(group: GroupId): Handover {
    const handover = this.#handovers.get(group);
    if (handover === undefined) throw new InvalidArgumentError(`this node does not host the group ${group}`);
    return handover;
  }
}
