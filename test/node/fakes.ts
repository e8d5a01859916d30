import { clusterId, type GroupId, incarnation, mainGroup, type NodeId, nodeId } from '../../src/base/ids.ts';
import type { LocalHello, Mesh, MeshEvents, PeerView } from '../../src/mesh/types.ts';
import type { Core } from '../../src/node/group.ts';
import type { Logger } from '../../src/ports/logger.ts';
import type { StateMachine } from '../../src/ports/state-machine.ts';
import type { LoadedStorage, Storage, StorageWrite } from '../../src/ports/storage.ts';
import type {
  Input,
  LogEntry,
  MemberIdentity,
  Message,
  Now,
  Output,
  RaftView,
} from '../../src/raft/types.ts';

export const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export const member = (id: string): MemberIdentity => ({
  id: nodeId(id),
  incarnation: incarnation('00'.repeat(8)),
});

export const firstView: RaftView = {
  role: 'follower',
  term: 1,
  leaderId: undefined,
  commitIndex: 0,
  lastLogIndex: 0,
  lastLogTerm: 0,
  membership: { voters: [member('a'), member('b'), member('c')], learners: [] },
  clusterId: clusterId('ab'.repeat(16)),
  awaitingAdmission: false,
  quorumContactMs: 1_000,
  transferringTo: undefined,
  failed: undefined,
};

const silent: Omit<Output, 'view' | 'lease'> = {
  persist: undefined,
  messages: [],
  committed: [],
  reads: [],
  proposals: [],
  transfer: undefined,
  deadlineMs: Number.POSITIVE_INFINITY,
  rejected: 0,
};

export const entry = (
  index: number,
  term: number,
  data: Uint8Array = new Uint8Array(0),
  kind: LogEntry['kind'] = 'commands',
): LogEntry => ({
  index,
  term,
  kind,
  stampMs: 1_700_000_000_000 + index,
  data,
});

/** A core that says what the test wants: `next` answers one input, everything else changes nothing. */
export class ScriptedCore implements Core {
  readonly inputs: Input[] = [];
  readonly times: Now[] = [];
  #output: Output = { ...silent, view: firstView, lease: undefined };
  #answers: ((input: Input, now: Now) => Partial<Output> | undefined)[] = [];

  /** Asked for each input, oldest first, until one answers. */
  answer(rule: (input: Input, now: Now) => Partial<Output> | undefined): void {
    this.#answers.push(rule);
  }

  step(input: Input, now: Now): Output {
    this.inputs.push(input);
    this.times.push(now);
    let said: Partial<Output> = {};
    for (const rule of this.#answers) {
      const answer = rule(input, now);
      if (answer === undefined) continue;
      said = answer;
      break;
    }
    const { view, lease, deadlineMs } = this.#output;
    this.#output = { ...silent, view, lease, deadlineMs, ...said };
    return this.#output;
  }

  typesSeen(): readonly string[] {
    return this.inputs.map((input) => input.type);
  }
}

export class FakeMesh implements Mesh {
  readonly sent: { readonly to: NodeId; readonly message: Message }[] = [];
  readonly hellos: LocalHello[] = [];
  members: ReadonlyMap<NodeId, string> | undefined;
  events: MeshEvents | undefined;
  flushes = 0;
  closes = 0;
  peerViews: PeerView[] = [];
  onSend: (() => void) | undefined;
  #queued: { readonly to: NodeId; readonly message: Message }[] = [];

  async start(events: MeshEvents): Promise<void> {
    this.events = events;
  }
  send(_group: GroupId, to: NodeId, message: Message): void {
    this.onSend?.();
    this.#queued.push({ to, message });
  }
  sendService(): boolean {
    return false;
  }
  flush(): void {
    this.flushes++;
    this.sent.push(...this.#queued);
    this.#queued = [];
  }
  setLocal(hello: LocalHello): void {
    this.hellos.push(hello);
  }
  setMembers(members: ReadonlyMap<NodeId, string> | undefined): void {
    this.members = members;
  }
  peers(): readonly PeerView[] {
    return this.peerViews;
  }
  address(): string | undefined {
    return 'memory:a';
  }
  async close(): Promise<void> {
    this.closes++;
  }
  receive(from: string, message: Message): void {
    this.events?.message(mainGroup, nodeId(from), message);
  }
}

/** A disk whose writes complete when the test says so. */
export class ManualStorage implements Storage {
  readonly batches: (readonly StorageWrite[])[] = [];
  closes = 0;
  #done: ((error: Error | undefined) => void) | undefined;

  async load(): Promise<LoadedStorage> {
    throw new Error('not used');
  }
  read(): void {
    throw new Error('not used');
  }
  append(batch: readonly StorageWrite[], done: (error: Error | undefined) => void): void {
    if (this.#done !== undefined) throw new Error('a second batch in flight');
    this.batches.push(batch);
    this.#done = done;
  }
  get busy(): boolean {
    return this.#done !== undefined;
  }
  complete(error?: Error): void {
    const done = this.#done;
    this.#done = undefined;
    done?.(error);
  }
  async close(): Promise<void> {
    this.closes++;
  }
}

/** Remembers what it applied and answers each command with its first byte plus one. */
export class RecordingMachine implements StateMachine {
  readonly applied: LogEntry[] = [];

  apply(entry: LogEntry, commands: readonly Uint8Array[]): readonly Uint8Array[] {
    this.applied.push(entry);
    return commands.map((command) => Uint8Array.of((command[0] ?? 0) + 1));
  }
  digest(): string {
    return String(this.applied.length);
  }
}
