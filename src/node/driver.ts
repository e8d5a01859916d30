import { Alarm } from '../base/alarm.ts';
import { NodeFailedError, StorageFailedError } from '../base/errors.ts';
import { type GroupId, mainGroup } from '../base/ids.ts';
import type { MeshEvents, MeshPeer } from '../mesh/types.ts';
import type { Clock, Scheduled } from '../ports/clock.ts';
import type { Input, Now } from '../raft/types.ts';
import type { DriverOptions } from './driver-types.ts';
import { Group, type GroupHost } from './group.ts';
import { Introduction } from './introduction.ts';
import { SleepWatch } from './sleep-watch.ts';
import { StorageQueue } from './storage-queue.ts';

/** While something here depends on the clock, the two clocks are compared so often. */
const sleepCheckMs = 50;
/** `close` waits so long for the disk: one that never answers must not keep the application from ending. */
export const diskPatienceMs = 5_000;

interface Pending {
  readonly group: Group;
  readonly input: Input;
}

/**
 * Feeds the cores of all groups of a node from one inbox and carries out what they say. A turn runs after the loop has polled
 * I/O: what has arrived is handled before the clock is looked at, so a late timer never overtakes a heartbeat (pitfalls 51, 82).
 */
export class Driver {
  readonly #options: DriverOptions;
  readonly #clock: Clock;
  readonly #groups = new Map<GroupId, Group>();
  readonly #storageQueue: StorageQueue;
  readonly #alarm: Alarm;
  readonly #sleepWatch: SleepWatch;
  readonly #introduction: Introduction;
  #inbox: Pending[] = [];
  #turn: Scheduled | undefined;
  #stalledForMs = 0;
  #wokenMs = 0;
  #hasPolled = false;
  #ended: 'closed' | 'failed' | undefined;
  #rejectedCount = 0;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#clock = options.clock;
    const hosted = options.groups.map(({ id }) => id);
    this.#introduction = new Introduction(options.mesh, hosted, options.recorded);
    this.#sleepWatch = new SleepWatch(options.clock);
    this.#alarm = new Alarm(options.clock, (lateMs) => this.#woken(lateMs));
    this.#storageQueue = new StorageQueue(options.storage, () => this.#clock.monotonicMs(), {
      persisted: (group, token) => this.#pushTo(group, { type: 'persisted', token }),
      failed: (error) => this.fail(new StorageFailedError(error.message, { cause: error })),
      synced: (tookMs) => options.events.synced(tookMs),
    });
    const host = this.#hostOfGroups();
    for (const { id, core, machine } of options.groups) {
      this.#groups.set(id, new Group({ id, core, machine, host, unknownAfterMs: options.electionTimeoutMs }));
    }
  }

  /** Opens the mesh and runs the first turn. Resolves when the port listens. */
  async start(): Promise<void> {
    this.#guard(() => {
      for (const group of this.#groups.values()) group.start();
    });
    this.#introduction.start();
    for (const group of this.#groups.values()) this.#introduction.update(group.id, group.view());
    await this.#options.mesh.start(this.#meshEvents());
    this.wake();
  }

  group(id: GroupId): Group | undefined {
    return this.#groups.get(id);
  }

  /** All groups, `main` first. */
  get groups(): readonly Group[] {
    return [...this.#groups.values()];
  }

  /** How long the machine slept since the last turn that noticed, 0 if it did not. */
  sleptMs(): number {
    return this.#sleepWatch.sleptMs();
  }

  /** Since when the disk works on one batch (monotonic ms); undefined when it is idle. */
  get writingSinceMs(): number | undefined {
    return this.#storageQueue.inFlightSinceMs;
  }

  /** Well-formed messages that could not be, dropped since the start. */
  get rejectedCount(): number {
    return this.#rejectedCount;
  }

  push(group: Group, input: Input): void {
    if (this.#ended !== undefined) return;
    this.#inbox.push({ group, input });
    this.wake();
  }

  wake(): void {
    if (this.#ended !== undefined || this.#turn !== undefined) return;
    this.#wokenMs = this.#clock.monotonicMs();
    this.#turn = this.#clock.soon(() => {
      this.#turn = undefined;
      this.#guard(() => this.#runTurn());
    });
  }

  /** Stops for good: nothing more is sent, written or answered. The host process lives. */
  fail(error: Error): void {
    if (this.#ended !== undefined) return;
    const failure =
      error instanceof NodeFailedError ? error : new NodeFailedError(error.message, { cause: error });
    this.#stop('failed');
    this.#options.logger.error({ err: failure }, 'the node has failed and stopped');
    this.#options.events.failed(failure);
    // Closed links tell the others at once that this node is gone.
    this.#quietly(this.#options.mesh.close());
    this.#quietly(this.#options.storage.close());
  }

  /** Waits for what was given to the disk, then closes links and storage. Twice is harmless. */
  async close(): Promise<void> {
    if (this.#ended === undefined) {
      this.#storageQueue.start();
      await this.#unlessDiskIsDead(this.#storageQueue.written());
      if (this.#ended === undefined) this.#stop('closed');
    }
    await this.#options.mesh.close();
    await this.#unlessDiskIsDead(this.#options.storage.close());
  }

  async #unlessDiskIsDead(work: Promise<void>): Promise<void> {
    let patience: Scheduled | undefined;
    const over = new Promise<void>((resolve) => {
      patience = this.#clock.after(diskPatienceMs, () => {
        this.#options.logger.error({}, `the disk did not answer for ${diskPatienceMs} ms: closed without it`);
        resolve();
      });
    });
    await Promise.race([work, over]).finally(() => patience?.cancel());
  }

  #stop(why: 'closed' | 'failed'): void {
    this.#ended = why;
    this.#turn?.cancel();
    this.#alarm.cancel();
    this.#inbox = [];
    for (const group of this.#groups.values()) group.close(why);
  }

  #quietly(closing: Promise<void>): void {
    closing.catch((error: unknown) =>
      this.#options.logger.warn({ err: error }, 'closing after a failure failed'),
    );
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #woken(lateMs: number): void {
    if (lateMs > this.#options.heartbeatMs / 2) this.#stalledForMs = Math.max(this.#stalledForMs, lateMs);
    this.wake();
  }

  /**
   * The loop was blocked since this turn was asked for: what came meanwhile is read before anything is concluded from the time.
   * Once, so that a loop that is always late gets its turns.
   */
  #pollsFirst(): boolean {
    const lateMs = this.#clock.monotonicMs() - this.#wokenMs;
    this.#hasPolled = !this.#hasPolled && lateMs > this.#options.heartbeatMs / 2;
    if (this.#hasPolled) this.#woken(lateMs);
    return this.#hasPolled;
  }

  #runTurn(): void {
    if (this.#ended !== undefined || this.#pollsFirst()) return;
    this.#checkSleep();
    this.#feedStall();
    this.#drain();
    for (const group of this.#groups.values()) group.submit();
    this.#drain();
    const nowMs = this.#clock.monotonicMs();
    for (const group of this.#groups.values()) group.tick(nowMs);
    this.#drain();
    this.#storageQueue.start();
    this.#options.mesh.flush();
    const wantedMs = this.#options.events.turnEnded(this.#clock.monotonicMs());
    this.#arm(Math.min(wantedMs, nowMs + this.#longestWaitMs()));
  }

  #drain(): void {
    while (this.#inbox.length > 0) {
      const inbox = this.#inbox;
      this.#inbox = [];
      for (const { group, input } of inbox) group.step(input);
    }
  }

  /** A stall of one's own says nothing about the others: the cores start their patience anew before they read what came. */
  #feedStall(): void {
    const forMs = this.#stalledForMs;
    if (forMs === 0) return;
    this.#stalledForMs = 0;
    for (const group of this.#groups.values()) group.step({ type: 'stalled', forMs });
    this.#options.events.stalled(forMs);
  }

  #checkSleep(): void {
    const forMs = this.#sleepWatch.sleptMs();
    if (forMs === 0) return;
    this.#options.events.slept(forMs);
    this.#sleepWatch.reset();
    for (const group of this.#groups.values()) {
      // The lease was counted by a clock that stood still; only a new term proves a new one (pitfall 83).
      if (group.view().role === 'leader') group.step({ type: 'abdicate', unwillingMs: 0 });
      group.step({ type: 'stalled', forMs });
    }
  }

  #longestWaitMs(): number {
    const leads = [...this.#groups.values()].some((group) => group.view().role === 'leader');
    return leads ? sleepCheckMs : Number.POSITIVE_INFINITY;
  }

  #arm(wantedMs: number): void {
    let deadlineMs = wantedMs;
    for (const group of this.#groups.values()) deadlineMs = Math.min(deadlineMs, group.deadlineMs());
    if (Number.isFinite(deadlineMs)) this.#alarm.at(deadlineMs);
  }

  #hostOfGroups(): GroupHost {
    const { id, mesh, events } = this.#options;
    return {
      nodeId: id,
      now: (): Now => ({ monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() }),
      push: (group, input) => this.push(group, input),
      wake: () => this.wake(),
      soon: (callback) => void this.#clock.soon(callback),
      persist: (group, request) => {
        this.#introduction.wrote(group);
        this.#storageQueue.push(group, request);
      },
      send: (group, to, message) => mesh.send(group, to, message),
      stepped: (group, changed) => {
        if (changed) this.#introduction.update(group.id, group.view());
        events.stepped(group, changed);
      },
      transferEnded: (group, ok, why) => events.transferEnded(group, ok, why),
      rejected: (count) => this.#rejected(count),
    };
  }

  #rejected(count: number): void {
    if (this.#rejectedCount === 0) this.#options.logger.warn({ count }, 'dropped a message that cannot be');
    this.#rejectedCount += count;
  }

  #pushTo(id: GroupId, input: Input): void {
    const group = this.#groups.get(id);
    if (group !== undefined) this.push(group, input);
  }

  #pushToAll(input: Input): void {
    for (const group of this.#groups.values()) this.push(group, input);
  }

  /** What a handler throws ends the node: above it are the sockets of the application's process. */
  #meshEvents(): MeshEvents {
    const { events, edges } = this.#options;
    const guard = (work: () => void): void => this.#guard(work);
    return {
      peerUp: (peer) =>
        guard(() => {
          events.peersChanged(peer);
          for (const group of this.#groups.values()) this.push(group, helloFor(group.id, peer));
          edges.peerUp(peer.id);
        }),
      peerClosed: (peer) =>
        guard(() => {
          events.peersChanged(undefined);
          this.#pushToAll({ type: 'peerClosed', peer });
          edges.peerClosed(peer);
        }),
      peerGone: (peer) => this.#pushToAll({ type: 'peerGone', peer }),
      message: (id, from, message) =>
        guard(() => {
          const group = this.#groups.get(id);
          if (group === undefined) return events.unknownGroup(id, from);
          if (id === mainGroup) events.heard(from, message);
          this.push(group, { type: 'message', from, message });
        }),
      service: (from, frame) => guard(() => edges.service(from, frame)),
      clientUp: (link) => guard(() => edges.clientUp(link)),
      problem: (problem) =>
        guard(() => {
          if (problem.kind === 'awaitingAdmission') this.#pushToAll({ type: 'notAdmitted' });
          events.meshProblem(problem);
        }),
    };
  }
}

/** What one group is told of a member: new to the group is who hosts it and has no record of it, whatever else its directory holds. */
function helloFor(group: GroupId, { id, incarnation, bootId, groups }: MeshPeer): Input {
  const said = groups.get(group);
  const pristine = said?.hosted === true && !said.recorded;
  const knowsLeader = said?.knowsLeader === true;
  return { type: 'peerUp', peer: { id, incarnation, bootId, pristine, knowsLeader } };
}
