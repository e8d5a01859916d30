import { ClosedError, DeadlineExceededError, InvalidArgumentError } from '../base/errors.ts';
import { mainGroup, type NodeId } from '../base/ids.ts';
import type { MeshPeer, MeshProblem } from '../mesh/types.ts';
import { Attention } from './attention.ts';
import { Driver } from './driver.ts';
import type { DriverEvents, DriverOptions } from './driver-types.ts';
import type { Explanation } from './explain.ts';
import type { Group } from './group.ts';
import type { TransferResult } from './handover.ts';
import { Handovers } from './handovers.ts';
import type { LeaderCallback, RunWhileLeaderOptions } from './leadership.ts';
import type { NodeEvents, NodeProblem, NodeStatus, NodeView } from './node-events.ts';
import { Reporter, slowDiskMessage, unusedMessage } from './reporter.ts';
import { Scope, type ScopeHost } from './scope.ts';
import type { GroupHandle } from './types.ts';
import { type WaitForLeaderOptions, waitForLeader } from './wait-for-leader.ts';
import { type NodeListener, Watchers } from './watchers.ts';

/** The scope ends so long before the lease can: this, or a twentieth of the lease if that is more. */
export const scopeMarginMsMin = 10;

export interface NodeOptions extends Omit<DriverOptions, 'events'> {
  readonly cluster: string;
  readonly leaseMs: number;
  /** Ids of the configured peers, this node included: the address book. */
  readonly peers: readonly NodeId[];
  /** Closes what stands on the node: after the hand-over, before the links. */
  readonly beforeClose: () => Promise<void>;
}

/** What `transferLeadership` may be told. */
export interface TransferOptions {
  /** The voter that is to lead; the best caught-up one unless named. */
  readonly to?: string | undefined;
  /** `main` unless named. */
  readonly group?: string | undefined;
}

/** A running node, as the application sees it. `startNode` makes one. */
export class Node {
  readonly id: string;
  readonly #options: NodeOptions;
  readonly #driver: Driver;
  readonly #main: Group;
  readonly #scope: Scope;
  readonly #handovers: Handovers;
  readonly #watchers: Watchers;
  readonly #reporter: Reporter;
  readonly #attention = new Attention();
  #closing: Promise<void> | undefined;
  #asideCount = 0;

  constructor(options: NodeOptions) {
    this.id = options.id;
    this.#options = options;
    this.#watchers = new Watchers(options.logger);
    this.#reporter = new Reporter({ ...options, writingSinceMs: () => this.#driver.writingSinceMs });
    this.#driver = new Driver({ ...options, events: this.#driverEvents() });
    const main = this.#driver.group(mainGroup);
    if (main === undefined) throw new InvalidArgumentError(`a node hosts the group ${mainGroup}`);
    this.#main = main;
    this.#scope = new Scope(this.#scopeHost(), Math.max(scopeMarginMsMin, options.leaseMs / 20));
    const { clock, logger, electionTimeoutMs } = options;
    this.#handovers = new Handovers(
      this.#driver.groups,
      clock,
      logger,
      electionTimeoutMs * 3,
      // Groups beside main have no scope: there is nothing that could still be held.
      (group, to) => this.#driver.push(group, { type: 'transfer', to, scopeClosed: true }),
    );
  }

  /** Resolves when the port listens; does not wait for a quorum. */
  async start(): Promise<void> {
    const { recorded, logger } = this.#options;
    for (const group of recorded) {
      if (this.#driver.group(group) === undefined) logger.warn({ group }, unusedMessage(group));
    }
    this.#watchers.update(this.view());
    await this.#driver.start();
  }

  /**
   * Runs the callback whenever this node leads and its lease is exclusively its own, each time with a new fencing token.
   * One callback at a time. Resolves when `signal` aborts or the node closes, after the callback has drained.
   *
   * @throws InvalidArgumentError while another callback is registered; ClosedError; NodeFailedError when the node fails.
   */
  runWhileLeader(callback: LeaderCallback, options: RunWhileLeaderOptions = {}): Promise<void> {
    return this.#scope.run(callback, options);
  }

  /** The current view first, then each newer one; a slow reader gets the newest and the count it missed. Ends when `signal` aborts or the node stops. */
  observe({ signal }: { readonly signal?: AbortSignal | undefined } = {}): AsyncGenerator<NodeView, void> {
    return this.#watchers.observe(this.view(), signal);
  }

  on<Name extends keyof NodeEvents>(event: Name, listener: NodeListener<Name>): this {
    this.#watchers.on(event, listener);
    return this;
  }

  once<Name extends keyof NodeEvents>(event: Name, listener: NodeListener<Name>): this {
    this.#watchers.once(event, listener);
    return this;
  }

  off<Name extends keyof NodeEvents>(event: Name, listener: NodeListener<Name>): this {
    this.#watchers.off(event, listener);
    return this;
  }

  /** The view now. */
  view(): NodeView {
    return this.#reporter.view(this.#main);
  }

  status(): NodeStatus {
    const { groups, rejectedCount } = this.#driver;
    return this.#reporter.status(groups, this.#main, this.#scope.current(), rejectedCount);
  }

  /** Who leads, or voter by voter why nobody does. */
  explain(): Explanation {
    return this.#reporter.explain(this.#main);
  }

  /** Sends a frame to another node's service at the end of the turn. Returns false when there is no link. */
  sendService(to: NodeId, frame: Uint8Array): boolean {
    this.#driver.wake();
    return this.#options.mesh.sendService(to, frame);
  }

  /**
   * The replicated log below: for state machines of one's own and for tests. `main` unless named.
   *
   * @throws InvalidArgumentError when this node does not host the group.
   */
  group(name: string = mainGroup): GroupHandle {
    return this.#hosted(name);
  }

  /** All groups that this node hosts, `main` first. */
  groups(): readonly GroupHandle[] {
    return this.#driver.groups;
  }

  /**
   * Resolves with the first view that names a leader.
   *
   * @throws DeadlineExceededError after `timeoutMs`, with the reason; `signal.reason` when aborted; ClosedError, NodeFailedError.
   */
  async waitForLeader(options: WaitForLeaderOptions = {}): Promise<NodeView & { readonly leaderId: string }> {
    const { clock } = this.#options;
    const view = await waitForLeader((either) => this.observe(either), clock, options);
    if (view !== undefined) return view;
    if (this.#reporter.isOver) throw this.#reporter.failure ?? new ClosedError('the node is closed');
    throw new DeadlineExceededError(`within ${options.timeoutMs} ms: ${this.explain().summary}`);
  }

  /**
   * Hands leadership of a group over, of `main` unless named: the scope (of `main`) drains first, then the best caught-up voter,
   * or `to`, is asked to take over.
   *
   * @throws NotLeaderError on any other node; InvalidArgumentError when `to` is not another voter or the group is not hosted here;
   * TransferFailedError when this node goes on leading, or nobody is known to lead in time.
   */
  async transferLeadership(options: TransferOptions = {}): Promise<TransferResult> {
    const group = this.#hosted(options.group ?? mainGroup);
    const to = this.#handovers.check(group, options.to);
    if (group !== this.#main) return this.#handovers.run(group, to);
    await this.#scope.hold('leadership is being handed over');
    try {
      return await this.#handovers.run(group, to);
    } finally {
      this.#scope.release();
    }
  }

  /** Drains the scope, hands over leadership of every group, flushes and closes links and storage. Twice is harmless. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#scope.close('the node is closing');
    if (this.#reporter.failure === undefined && this.#hasCompany()) await this.#handovers.leaveAll();
    await this.#options.beforeClose();
    await this.#driver.close();
    this.#handovers.stopAll('the node is closed');
    this.#over(undefined);
  }

  #hosted(name: string): Group {
    const group = this.#driver.groups.find(({ id }) => id === name);
    if (group !== undefined) return group;
    const hosted = this.#driver.groups.map(({ id }) => id).join(', ');
    throw new InvalidArgumentError(`this node does not host the group ${name}, only ${hosted}`);
  }

  #hasCompany(): boolean {
    return this.#options.mesh.peers().some((peer) => peer.connected);
  }

  #leads(): boolean {
    return this.#main.view().role === 'leader';
  }

  #over(failure: Error | undefined): void {
    this.#reporter.stopped(failure);
    this.#watchers.update(this.view());
    this.#watchers.end();
  }

  #problem(problem: NodeProblem): void {
    this.#options.logger.warn(problem, problem.message);
    this.#watchers.emit('problem', problem);
  }

  #driverEvents(): DriverEvents {
    return {
      stepped: (group, changed) => {
        if (group !== this.#main) return;
        this.#scope.afterStep();
        if (changed) this.#attention.stepped(group.view());
      },
      turnEnded: (nowMs) => this.#turnEnded(nowMs),
      heard: (from, message) => this.#reporter.heard(from, message),
      unknownGroup: (group, from) => {
        const problem = this.#reporter.unknownGroup(group, from);
        if (problem !== undefined) this.#problem(problem);
      },
      transferEnded: (group, ok, why) => this.#handovers.ended(group, ok, why),
      peersChanged: (met) => this.#peersChanged(met),
      slept: (forMs) => {
        const message = `the machine slept for ${Math.round(forMs)} ms`;
        this.#scope.end(message);
        this.#problem({ kind: 'machineSlept', message, peer: undefined });
      },
      stalled: (forMs) => {
        const message = `this process did not run for ${Math.round(forMs)} ms`;
        // The scope of a leader outlives a short one, and followers forgive it.
        if (forMs < this.#options.electionTimeoutMs / 2) this.#options.logger.debug({ forMs }, message);
        else this.#options.logger.warn({ forMs }, message);
      },
      synced: (tookMs) => {
        if (this.#reporter.synced(tookMs)) {
          this.#problem({ kind: 'slowDisk', message: slowDiskMessage(tookMs), peer: undefined });
        }
      },
      failed: (error) => this.#failed(error),
      meshProblem: (problem) => this.#meshProblem(problem),
    };
  }

  #peersChanged(met: MeshPeer | undefined): void {
    this.#attention.wake();
    if (met !== undefined) for (const problem of this.#reporter.met(met)) this.#problem(problem);
    if (this.#closing !== undefined && !this.#hasCompany())
      this.#handovers.stopAll('nobody is left to take over');
  }

  #turnEnded(nowMs: number): number {
    this.#scope.evaluate(nowMs);
    const isolatedAtMs = this.#reporter.isolatedAtMs(this.#main.view(), nowMs);
    const isolated = !Number.isFinite(isolatedAtMs);
    if (this.#attention.isDue(nowMs) || isolated) this.#watchers.update(this.view());
    return Math.min(isolatedAtMs, this.#scope.deadlineMs(nowMs));
  }

  #failed(error: Error): void {
    void this.#scope.close('the node failed', error);
    this.#handovers.stopAll('the node failed');
    this.#over(error);
    this.#watchers.emit('problem', { kind: 'failed', message: error.message, peer: undefined });
  }

  #meshProblem(problem: MeshProblem): void {
    this.#attention.wake();
    this.#reporter.meshProblem(problem);
    this.#problem({ kind: problem.kind, message: problem.message, peer: problem.peer });
    this.#driver.wake();
  }

  #scopeHost(): ScopeHost {
    const { clock, logger } = this.#options;
    return {
      nowMs: () => clock.monotonicMs(),
      sleptMs: () => this.#driver.sleptMs(),
      view: () => this.#main.view(),
      lease: () => this.#main.lease(),
      appliedIndex: () => this.#main.applied().index,
      freshNoop: () => this.#driver.push(this.#main, { type: 'freshNoop' }),
      stepAside: (unwillingMs) => void this.#stepAside(unwillingMs),
      abdicate: (unwillingMs) => this.#driver.push(this.#main, { type: 'abdicate', unwillingMs }),
      wake: () => this.#driver.wake(),
      scopeError: (error, term, retryInMs) => {
        logger.error({ err: error, term, retryInMs }, 'the callback of runWhileLeader threw');
        this.#watchers.emit('scopeError', { error, term, retryInMs });
      },
      overrun: (term, drainMs) => {
        const message = `the callback of term ${term} still runs ${drainMs} ms after its signal aborted: this node hands leadership over and opens no scope until it returns`;
        this.#problem({ kind: 'overrun', message, peer: undefined });
      },
    };
  }

  /** With no other willing voter this node stays and tries again itself. */
  async #stepAside(unwillingMs: number): Promise<void> {
    if (this.#handovers.isRunning(mainGroup) || !this.#leads()) return;
    try {
      await this.#handovers.run(this.#main, this.#nextInLine());
      this.#driver.push(this.#main, { type: 'abdicate', unwillingMs });
    } catch (error) {
      this.#options.logger.info({ err: error }, 'nobody else takes over');
    }
  }

  /** Each time the next connected voter by id, so that a callback that works on one of them gets there. */
  #nextInLine(): NodeId | undefined {
    const peers = this.#options.mesh.peers().filter((peer) => peer.connected);
    const connected = new Set(peers.map((peer) => peer.id));
    const ids = this.#main.view().membership.voters.map((voter) => voter.id);
    const at = ids.indexOf(this.#options.id);
    const others = [...ids.slice(at + 1), ...ids.slice(0, at)].filter((id) => connected.has(id));
    return others[this.#asideCount++ % Math.max(1, others.length)];
  }
}
