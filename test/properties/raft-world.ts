import type { ClusterId, Incarnation, NodeId } from '../../src/base/ids.ts';
import {
  type HardState,
  type Input,
  type Lease,
  type LogEntry,
  type Message,
  type Output,
  type PersistRequest,
  Raft,
  type RaftOptions,
  resolveRaftOptions,
} from '../../src/raft/index.ts';

/** Drift bound of all worlds; the clocks of a world really run wrong by up to this much. */
const driftBound = 0.05;
const heartbeatMs = 50;
const electionTimeoutMinMs = 300;

interface Disk {
  hardState: HardState | undefined;
  entries: LogEntry[];
}

/** A batch on its way to the disk, or waiting for the one before it. */
interface Machine {
  readonly id: NodeId;
  readonly rate: number;
  readonly offsetMs: number;
  readonly wallErrorMs: number;
  readonly disk: Disk;
  raft: Raft | undefined;
  /** The log in memory, as the persist requests describe it. */
  memory: LogEntry[];
  boot: number;
  flying: PersistRequest[];
  waiting: PersistRequest[];
  pausedUntil: number;
  backlog: Input[];
  pausedFrom: number;
  lease: Lease | undefined;
  role: string;
  term: number;
  scopeClosed: boolean;
  deadline: number;
  commit: number;
  applied: number;
}

interface Timed {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export interface Faults {
  readonly drop: number;
  readonly duplicate: number;
  readonly slow: number;
  readonly slowDisk: number;
  readonly chaos: number;
}

/** What one run did, so that a batch of runs can show that nothing was vacuous. */
export interface Tally {
  elections: number;
  commits: number;
  reads: number;
  crashes: number;
  partitions: number;
  transfers: number;
  released: number;
  scopes: number;
  truncations: number;
  pauses: number;
  steps: number;
}

/** A small seeded network of bare cores, their disks and clocks. It judges from outside and knows nothing of how the core works. */
export class World {
  readonly tally: Tally = {
    elections: 0,
    commits: 0,
    reads: 0,
    crashes: 0,
    partitions: 0,
    transfers: 0,
    released: 0,
    scopes: 0,
    truncations: 0,
    pauses: 0,
    steps: 0,
  };
  readonly machines: Machine[] = [];
  readonly #random: () => number;
  readonly #queue: Timed[] = [];
  #order = 0;
  #tau = 0;
  #faults: Faults;
  readonly #blocked = new Set<string>();
  readonly #leaderOf = new Map<number, NodeId>();
  readonly #votes = new Map<string, NodeId>();
  readonly #committed: LogEntry[] = [];
  /** The term in which each was committed, at the latest. */
  readonly #committedIn: number[] = [];
  readonly #askedLease = new Map<string, number>();
  readonly #pendingReads = new Map<number, { readonly floor: number; readonly node: NodeId }>();
  readonly #tokenOfScope = new Map<string, number>();
  #tokenMax = 0;
  #token = 0;
  /** Every output, word for word, once `isRecorded` is set. */
  readonly transcript: string[] = [];
  isRecorded = false;

  constructor(seed: number, size: number, faults: Faults) {
    this.#random = mulberry(seed);
    this.#faults = faults;
    for (let at = 0; at < size; at += 1) {
      this.machines.push({
        id: `n${at}` as NodeId,
        rate: 1 + (this.#random() * 2 - 1) * driftBound,
        offsetMs: Math.floor(this.#random() * 100_000),
        wallErrorMs: this.#random() < 0.2 ? (this.#random() - 0.5) * 1e7 : this.#random() * 20,
        disk: { hardState: undefined, entries: [] },
        raft: undefined,
        memory: [],
        boot: 0,
        flying: [],
        waiting: [],
        pausedUntil: 0,
        backlog: [],
        pausedFrom: 0,
        lease: undefined,
        role: 'down',
        term: 0,
        scopeClosed: false,
        deadline: Number.POSITIVE_INFINITY,
        commit: 0,
        applied: 0,
      });
    }
    for (const machine of this.machines) this.start(machine);
  }

  get tau(): number {
    return this.#tau;
  }

  chance(p: number): boolean {
    return this.#random() < p;
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)]!;
  }

  between(low: number, high: number): number {
    return low + this.#random() * (high - low);
  }

  setFaults(faults: Faults): void {
    this.#faults = faults;
  }

  start(machine: Machine): void {
    if (machine.raft !== undefined) return;
    machine.boot += 1;
    machine.memory = [...machine.disk.entries];
    machine.flying = [];
    machine.waiting = [];
    machine.backlog = [];
    machine.pausedUntil = 0;
    machine.commit = 0;
    machine.applied = 0;
    machine.scopeClosed = false;
    machine.raft = new Raft(
      this.#options(machine),
      { hardState: machine.disk.hardState, entries: [...machine.disk.entries] },
      this.#now(machine),
    );
    this.input(machine, { type: 'deadline' });
    for (const other of this.machines) if (other !== machine) this.#linkUp(machine, other);
  }

  crash(machine: Machine): void {
    if (machine.raft === undefined) return;
    this.tally.crashes += 1;
    machine.raft = undefined;
    machine.lease = undefined;
    machine.role = 'down';
    machine.boot += 1;
    // What was being written is there in part: a prefix of its parts, in order. What was not handed over is gone.
    for (const request of machine.flying) if (!this.#writePart(machine.disk, request)) break;
    for (const other of this.machines) {
      if (other === machine || this.#isBlocked(machine, other)) continue;
      this.#after(this.between(0.1, 3), () => this.input(other, { type: 'peerClosed', peer: machine.id }));
      if (this.chance(0.8) && !this.#isBlocked(other, machine)) {
        this.#after(this.between(1, 6), () => {
          if (machine.raft === undefined) this.input(other, { type: 'peerGone', peer: machine.id });
        });
      }
    }
  }

  pause(machine: Machine, forMs: number): void {
    if (machine.raft === undefined || machine.pausedUntil > this.#tau) return;
    this.tally.pauses += 1;
    machine.pausedFrom = this.#tau;
    machine.pausedUntil = this.#tau + forMs;
    const { boot } = machine;
    this.#after(forMs, () => {
      if (machine.boot !== boot) return;
      const backlog = machine.backlog;
      machine.backlog = [];
      const stalled: Input = { type: 'stalled', forMs: forMs * machine.rate };
      // A correct driver drains first and says that it stalled; a careless one must still be safe.
      const late = this.chance(0.5) ? [stalled, ...backlog] : backlog;
      for (const input of late) this.input(machine, input);
      if (machine.deadline <= this.#local(machine)) this.input(machine, { type: 'deadline' });
    });
  }

  cut(from: Machine, to: Machine): void {
    this.#blocked.add(`${from.id}>${to.id}`);
  }

  /** Both ways are cut: each side may take the other for dead within a heartbeat, however alive it is. */
  sever(machine: Machine, other: Machine): void {
    this.cut(machine, other);
    this.cut(other, machine);
    for (const [from, to] of [
      [machine, other],
      [other, machine],
    ] as const) {
      this.input(from, { type: 'peerClosed', peer: to.id });
      this.#after(this.between(0.5, 30), () => {
        if (this.#isBlocked(from, to)) this.input(from, { type: 'peerGone', peer: to.id });
      });
    }
  }

  heal(): void {
    if (this.#blocked.size === 0) return;
    this.#blocked.clear();
    for (const a of this.machines) {
      for (const b of this.machines) if (a.id < b.id) this.#linkUp(a, b);
    }
  }

  #linkUp(a: Machine, b: Machine): void {
    if (this.#isBlocked(a, b) || this.#isBlocked(b, a)) return;
    this.#after(this.between(0.1, 2), () => {
      if (a.raft === undefined || b.raft === undefined) return;
      this.input(a, { type: 'peerUp', peer: this.#hello(b, a) });
      this.input(b, { type: 'peerUp', peer: this.#hello(a, b) });
    });
  }

  /** A cut link looks like a death to one side. */
  falseGone(): void {
    const observer = this.pick(this.machines);
    const peer = this.machines.find(({ role }) => role === 'leader') ?? this.pick(this.machines);
    if (observer !== peer) this.input(observer, { type: 'peerGone', peer: peer.id });
  }

  propose(): void {
    const machine = this.machines.find(({ role }) => role === 'leader');
    if (machine === undefined) return;
    this.#token += 1;
    const data = new Uint8Array(4 + Math.floor(this.between(0, 60)));
    new DataView(data.buffer).setUint32(0, this.#token);
    this.input(machine, { type: 'propose', proposals: [{ token: this.#token, data }] });
  }

  read(): void {
    for (const machine of this.machines) {
      if (machine.role !== 'leader') continue;
      this.#token += 1;
      this.#pendingReads.set(this.#token, { floor: this.#committed.length, node: machine.id });
      this.input(machine, { type: 'read', token: this.#token });
    }
  }

  transfer(): void {
    const machine = this.machines.find(({ role }) => role === 'leader');
    if (machine === undefined || machine.pausedUntil > this.#tau) return;
    this.tally.transfers += 1;
    const scopeClosed = this.chance(0.7);
    // The driver closes the scope before it asks for the handover.
    if (scopeClosed) machine.scopeClosed = true;
    const to = this.chance(0.5) ? undefined : this.pick(this.machines).id;
    this.input(machine, { type: 'transfer', to, scopeClosed });
  }

  abdicate(): void {
    const machine = this.machines.find(({ role }) => role === 'leader');
    if (machine !== undefined) this.input(machine, { type: 'abdicate', unwillingMs: 200 });
  }

  /** Runs until the world's own clock shows `tau`. */
  runUntil(tau: number): void {
    for (;;) {
      const next = this.#queue[0];
      if (next === undefined || next.at > tau) break;
      this.#pop();
      this.#tau = next.at;
      next.run();
    }
    this.#tau = tau;
  }

  input(machine: Machine, input: Input): void {
    if (machine.raft === undefined) return;
    if (machine.pausedUntil > this.#tau) {
      if (input.type !== 'deadline') machine.backlog.push(input);
      return;
    }
    this.tally.steps += 1;
    const output = machine.raft.step(input, this.#now(machine));
    this.#carryOut(machine, input, output);
  }

  #carryOut(machine: Machine, input: Input, output: Output): void {
    const { view } = output;
    if (this.isRecorded) this.transcript.push(`${machine.id} ${JSON.stringify(output)}`);
    if (view.failed !== undefined) this.fail(`${machine.id} failed: ${view.failed}`);
    if (output.rejected > 0)
      this.fail(`${machine.id} rejected ${JSON.stringify(input)} view ${JSON.stringify(view)}`);
    if (output.persist !== undefined) this.#persist(machine, output.persist);
    this.#judgeRole(machine, output);
    for (const { to, message } of output.messages) this.#send(machine, to, message);
    this.#judgeCommitted(machine, output.committed);
    if (output.committed.length > 0) machine.applied = output.committed.at(-1)!.index;
    for (const answer of output.reads) {
      const read = this.#pendingReads.get(answer.token);
      this.#pendingReads.delete(answer.token);
      if (read === undefined) this.fail(`a read was answered twice`);
      if (!('index' in answer)) continue;
      this.tally.reads += 1;
      if (answer.index < read!.floor) {
        this.fail(`I11: ${read!.node} read at ${answer.index}, ${read!.floor} was committed before`);
      }
    }
    if (
      output.transfer !== undefined &&
      !output.transfer.ok &&
      view.role === 'leader' &&
      machine.scopeClosed
    ) {
      machine.scopeClosed = false;
      this.#after(0.01, () => this.input(machine, { type: 'freshNoop' }));
    }
    this.#judgeScopes();
    this.#setDeadline(machine, output.deadlineMs);
  }

  #judgeRole(machine: Machine, output: Output): void {
    const { view, lease } = output;
    if (view.term < machine.term && machine.role !== 'down') this.fail(`I3: term fell on ${machine.id}`);
    if (view.role === 'leader') {
      const known = this.#leaderOf.get(view.term);
      if (known !== undefined && known !== machine.id) this.fail(`I1: two leaders in term ${view.term}`);
      if (known === undefined) {
        this.#leaderOf.set(view.term, machine.id);
        this.tally.elections += 1;
        for (const [at, entry] of this.#committed.entries()) {
          if (this.#committedIn[at]! < view.term && machine.memory[at]?.term !== entry.term)
            this.fail(`I6: leader ${machine.id} lacks ${at + 1}`);
        }
      }
    }
    if (view.role !== 'leader' || view.term !== machine.term) machine.scopeClosed = false;
    if (view.lastLogIndex !== machine.memory.length) this.fail(`${machine.id} wrote less than it appended`);
    machine.role = view.role;
    machine.term = view.term;
    machine.lease = lease;
    if (view.commitIndex < machine.commit) this.fail(`I9: commit fell on ${machine.id}`);
    machine.commit = view.commitIndex;
    if (lease === undefined) return;
    const opensIn = this.#realOf(machine, lease.exclusiveFromMs) - this.#tau;
    if (opensIn > 0) this.#after(opensIn + 0.001, () => this.#judgeScopes());
  }

  /** I14, at every instant at which a scope can have opened; I12 for the tokens. */
  #judgeScopes(): void {
    let holder: Machine | undefined;
    for (const machine of this.machines) {
      const { lease } = machine;
      if (lease === undefined || machine.scopeClosed || machine.role !== 'leader' || lease.noopIndex === 0)
        continue;
      const local = this.#local(machine);
      if (local < lease.exclusiveFromMs || local >= lease.untilMs) continue;
      if (holder !== undefined) this.fail(`I14: ${holder.id} and ${machine.id} both hold the scope`);
      holder = machine;
      const scope = `${machine.id} ${machine.term} ${lease.noopIndex}`;
      if (this.#tokenOfScope.has(scope)) continue;
      this.tally.scopes += 1;
      this.#tokenOfScope.set(scope, lease.noopIndex);
      if (lease.noopIndex <= this.#tokenMax)
        this.fail(`I12: token ${lease.noopIndex} after ${this.#tokenMax}`);
      this.#tokenMax = lease.noopIndex;
    }
  }

  #judgeCommitted(machine: Machine, entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      const known = this.#committed[entry.index - 1];
      if (entry.index !== machine.applied + 1 && entry !== entries[0]) {
        if (entry.index !== entries[0]!.index + entries.indexOf(entry))
          this.fail('I7: a gap in what is committed');
      }
      if (known !== undefined) {
        if (known.term !== entry.term || !sameData(known, entry))
          this.fail(`I7: two entries at ${entry.index}`);
        continue;
      }
      if (entry.index !== this.#committed.length + 1) this.fail('I7: committed with a gap');
      const holders = this.machines.filter(({ disk }) => disk.entries[entry.index - 1]?.term === entry.term);
      if (holders.length * 2 <= this.machines.length)
        this.fail(`I8: ${entry.index} is committed, not durable`);
      if (entry.stampMs < (this.#committed.at(-1)?.stampMs ?? 0)) this.fail('log time went back');
      this.#committed.push(entry);
      this.#committedIn.push(machine.term);
      this.tally.commits += 1;
    }
    if (entries.length > 0 && entries[0]!.index !== machine.applied + 1) this.fail('I7: applied with a gap');
  }

  #persist(machine: Machine, request: PersistRequest): void {
    if (request.truncateFrom !== undefined) {
      this.tally.truncations += 1;
      if (machine.raft!.view().role === 'leader') this.fail('I5: a leader cut its log');
      machine.memory.length = request.truncateFrom - 1;
    }
    machine.memory.push(...request.entries);
    machine.waiting.push(request);
    if (machine.flying.length === 0) this.#write(machine);
  }

  #write(machine: Machine): void {
    if (machine.waiting.length === 0) return;
    machine.flying = machine.waiting;
    machine.waiting = [];
    const { boot } = machine;
    const takesMs = this.chance(this.#faults.slowDisk) ? this.between(50, 600) : this.between(0.3, 4);
    this.#after(takesMs, () => {
      if (machine.boot !== boot) return;
      for (const request of machine.flying) writeAll(machine.disk, request);
      const { token } = machine.flying.at(-1)!;
      machine.flying = [];
      this.#write(machine);
      this.input(machine, { type: 'persisted', token });
    });
  }

  #writePart(disk: Disk, request: PersistRequest): boolean {
    const part = Math.floor(this.between(0, 4));
    if (part === 3) {
      writeAll(disk, request);
      return true;
    }
    const kept = part === 2 ? Math.floor(this.between(0, request.entries.length)) : 0;
    if (part >= 1) {
      const truncateFrom = part === 2 ? request.truncateFrom : undefined;
      writeAll(disk, { ...request, truncateFrom, entries: request.entries.slice(0, kept) });
    }
    return false;
  }

  #send(machine: Machine, to: NodeId, message: Message): void {
    this.#judgeMessage(machine, to, message);
    const target = this.machines.find(({ id }) => id === to);
    if (target === undefined || this.#blocked.has(`${machine.id}>${to}`)) return;
    if (message.type === 'release') this.tally.released += 1;
    const copies = this.chance(this.#faults.duplicate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      if (this.chance(this.#faults.drop)) continue;
      const delay = this.chance(this.#faults.slow) ? this.between(10, 700) : this.between(0.1, 3);
      const bytes = copyOf(message);
      this.#after(delay, () => {
        if (!this.#blocked.has(`${machine.id}>${to}`)) {
          this.input(target, { type: 'message', from: machine.id, message: bytes });
        }
      });
    }
  }

  /** What leaves must already be true on the disk (I2, I3, I8). */
  #judgeMessage(machine: Machine, to: NodeId, message: Message): void {
    const { disk } = machine;
    const durableTerm = disk.hardState?.currentTerm ?? 0;
    const isPre =
      message.type === 'preVote' || (message.type === 'preVoteReply' && message.refused === undefined);
    if (!isPre && message.term > durableTerm) {
      this.fail(`I3: ${machine.id} sent ${message.type} of term ${message.term}, durable is ${durableTerm}`);
    }
    if (message.type === 'requestVote') {
      this.#judgeVote(machine, message.term, machine.id);
      const last = disk.entries[message.lastLogIndex - 1];
      if (message.lastLogIndex > 0 && last?.term !== message.lastLogTerm) {
        this.fail(
          `${machine.id} asked for votes with a log tail that is not durable: ${JSON.stringify(message)} disk ${disk.entries.length} ${JSON.stringify(last)} ${machine.flying.length} ${machine.waiting.length}`,
        );
      }
    }
    if (message.type === 'requestVoteReply' && message.refused === undefined) {
      this.#judgeVote(machine, message.term, to);
    }
    if (message.type === 'appendEntriesReply' && message.success) {
      for (let index = Math.max(1, message.index - 40); index <= message.index; index += 1) {
        if (disk.entries[index - 1]?.term !== machine.memory[index - 1]?.term) {
          this.fail(`I8: ${machine.id} acknowledged ${message.index}, ${index} is not durable`);
        }
      }
    }
    if (message.type === 'round') this.#askedLease.set(`${message.term} ${message.round}`, message.leaseMs);
    if (message.type === 'roundReply') {
      const leaseMs = this.#askedLease.get(`${message.term} ${message.round}`) ?? 0;
      if ((disk.hardState?.longestLeaseMs ?? 0) < leaseMs)
        this.fail('a lease was promised before the disk knew of it');
    }
  }

  #judgeVote(machine: Machine, term: number, candidate: NodeId): void {
    const key = `${machine.id} ${term}`;
    const known = this.#votes.get(key);
    if (known !== undefined && known !== candidate) this.fail(`I2: ${machine.id} voted twice in ${term}`);
    this.#votes.set(key, candidate);
    const { hardState } = machine.disk;
    if (hardState?.currentTerm === term && hardState.votedFor !== candidate)
      this.fail('I2: a vote that is not durable');
  }

  /** I4, over all pairs: equal (index, term) means equal before it. */
  judgeLogs(): void {
    for (const a of this.machines) {
      for (const b of this.machines) {
        let meets = Math.min(a.memory.length, b.memory.length);
        while (meets > 0 && a.memory[meets - 1]!.term !== b.memory[meets - 1]!.term) meets -= 1;
        for (let at = 0; at < meets; at += 1) {
          if (a.memory[at]!.term !== b.memory[at]!.term || !sameData(a.memory[at]!, b.memory[at]!)) {
            this.fail(`I4: ${a.id} and ${b.id} meet at ${meets} and differ at ${at + 1}`);
          }
        }
      }
    }
  }

  fail(why: string): never {
    throw new Error(`at ${this.#tau.toFixed(3)} ms: ${why}`);
  }

  #setDeadline(machine: Machine, deadlineMs: number): void {
    machine.deadline = deadlineMs;
    if (deadlineMs === Number.POSITIVE_INFINITY) return;
    const { boot } = machine;
    const inMs = Math.max(0.01, this.#realOf(machine, deadlineMs) - this.#tau);
    this.#after(inMs + 0.0001, () => {
      if (machine.boot !== boot || machine.deadline !== deadlineMs) return;
      this.input(machine, { type: 'deadline' });
    });
  }

  #hello(machine: Machine, to: Machine): Extract<Input, { type: 'peerUp' }>['peer'] {
    const { disk } = machine;
    const leaderId = machine.raft?.view().leaderId;
    return {
      id: machine.id,
      incarnation: incarnationOf(machine.id),
      bootId: `${machine.id}.${machine.boot}`,
      pristine: disk.hardState === undefined && disk.entries.length === 0 && machine.flying.length === 0,
      knowsLeader: leaderId !== undefined && leaderId !== to.id,
    };
  }

  #options(machine: Machine): RaftOptions {
    return resolveRaftOptions({
      id: machine.id,
      incarnation: incarnationOf(machine.id),
      peers: this.machines.map(({ id }) => id),
      heartbeatMs,
      electionTimeoutMinMs,
      driftBound,
      appendBytesMax: 400,
      inflightBytesMax: 1_000,
      random: this.#random,
      mintClusterId: () => `${Math.floor(this.#random() * 1e9)}`.padStart(32, '0') as ClusterId,
    });
  }

  #now(machine: Machine): { monotonicMs: number; wallMs: number } {
    const monotonicMs = this.#local(machine);
    return { monotonicMs, wallMs: Math.floor(1e12 + this.#tau + machine.wallErrorMs) };
  }

  #local(machine: Machine): number {
    return machine.offsetMs + this.#tau * machine.rate;
  }

  #realOf(machine: Machine, localMs: number): number {
    return (localMs - machine.offsetMs) / machine.rate;
  }

  #isBlocked(from: Machine, to: Machine): boolean {
    return this.#blocked.has(`${from.id}>${to.id}`);
  }

  #after(delayMs: number, run: () => void): void {
    this.#order += 1;
    const item = { at: this.#tau + delayMs, order: this.#order, run };
    const heap = this.#queue;
    heap.push(item);
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(heap[at]!, heap[parent]!)) break;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  #pop(): void {
    const heap = this.#queue;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    let at = 0;
    for (;;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && isBefore(heap[child]!, heap[least]!)) least = child;
      }
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }
}

function isBefore(a: Timed, b: Timed): boolean {
  return a.at !== b.at ? a.at < b.at : a.order < b.order;
}

function writeAll(disk: Disk, request: PersistRequest): void {
  if (request.hardState !== undefined) disk.hardState = request.hardState;
  if (request.truncateFrom !== undefined) disk.entries.length = request.truncateFrom - 1;
  disk.entries.push(...request.entries);
}

function sameData(a: LogEntry, b: LogEntry): boolean {
  if (a.kind !== b.kind || a.stampMs !== b.stampMs) return false;
  return a.data === b.data || a.data.join() === b.data.join();
}

function copyOf(message: Message): Message {
  if (message.type !== 'appendEntries') return { ...message };
  return { ...message, entries: message.entries.map((entry) => ({ ...entry })) };
}

function incarnationOf(id: NodeId): Incarnation {
  return id.slice(1).padStart(16, '0') as Incarnation;
}

function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
