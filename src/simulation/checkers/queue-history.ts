import type { Judge } from './judge.ts';

export type OperationKind = 'put' | 'ack' | 'ackDone' | 'release' | 'bury' | 'take' | 'get';
/** `unknown` also stands for an operation whose caller died: it may have been applied, or may be yet. */
export type OperationOutcome = 'ok' | 'refused' | 'unknown';

/** One call of a client, as that client saw it. Times are the world's. */
export interface Operation {
  readonly kind: OperationKind;
  readonly id: string;
  /** ack, release, bury: the fence it was made under. */
  readonly fence: number;
  /** put, ack: what it stores. */
  readonly content: string | undefined;
  readonly startedMs: number;
  endedMs: number;
  outcome: OperationOutcome | undefined;
  /** What a put was told. */
  version: number;
}

/** A task as a worker got it. */
export interface Handed {
  readonly id: string;
  readonly fence: number;
  readonly content: string;
  readonly version: number;
  /** The process that got it. */
  readonly holder: string;
  /** When its take began and ended. */
  readonly startedMs: number;
  readonly endedMs: number;
}

/** A task as a read or the final state shows it. */
export interface ReadTask {
  readonly content: string;
  readonly version: number;
}

interface TaskHistory {
  readonly operations: Operation[];
  readonly contents: Set<string>;
  readonly handed: Map<number, Handed>;
  /** From `atMs` on the task has at least this version. */
  readonly floors: { readonly atMs: number; readonly version: number }[];
  highestHanded: Handed | undefined;
}

const never = Number.POSITIVE_INFINITY;

/**
 * The books of all clients of one queue, compared with each other: I11, I12 (fences), I16, Q1, Q2, Q3, P1. An operation that ended before
 * another began stands before it; of two that overlap nothing is said.
 */
export class QueueHistory {
  readonly #judge: Judge;
  readonly #tasks = new Map<string, TaskHistory>();

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  begin(kind: OperationKind, id: string, startedMs: number, fence = 0, content?: string): Operation {
    const operation: Operation = {
      kind,
      id,
      fence,
      content,
      startedMs,
      endedMs: never,
      outcome: undefined,
      version: 0,
    };
    const task = this.#task(id);
    task.operations.push(operation);
    if (content !== undefined) task.contents.add(content);
    return operation;
  }

  end(operation: Operation, outcome: OperationOutcome, endedMs: number, version = 0): void {
    operation.outcome = outcome;
    operation.endedMs = endedMs;
    operation.version = version;
    if (outcome !== 'ok') return;
    const task = this.#task(operation.id);
    if (operation.kind === 'put') this.#putEnded(task, operation);
    if (isAck(operation)) this.#ackEnded(task, operation);
  }

  /** Q2, I12, I16: what a worker was given. */
  handed(given: Handed): void {
    const task = this.#task(given.id);
    const twin = task.handed.get(given.fence);
    if (twin !== undefined) {
      this.#judge.violated(
        'I16',
        `${given.id} was handed out twice under fence ${given.fence}: ${twin.holder}, ${given.holder}`,
      );
    }
    task.handed.set(given.fence, given);
    this.#judgeShown(given.id, task, given, given.startedMs);
    const before = task.highestHanded;
    if (before !== undefined && before.endedMs < given.startedMs) {
      this.#judge.reached('I12');
      if (given.fence <= before.fence) {
        this.#judge.violated('I12', `the fence of ${given.id} fell from ${before.fence} to ${given.fence}`);
      }
    }
    if (before === undefined || given.fence > before.fence) task.highestHanded = given;
    this.#notAfterAck(task, given);
    task.floors.push({ atMs: given.endedMs, version: given.version });
  }

  /** I11: a read that began after a write was acknowledged shows it, or what came later. */
  read(id: string, startedMs: number, endedMs: number, found: ReadTask | undefined): void {
    const task = this.#task(id);
    const floor = floorBefore(task, startedMs);
    if (floor > 0) this.#judge.reached('I11');
    if (found !== undefined) {
      this.#judgeShown(id, task, found, startedMs);
      task.floors.push({ atMs: endedMs, version: found.version });
    } else if (floor > 0 && !mayBeGone(task)) {
      this.#judge.violated('I11', `a read of ${id} found nothing, version ${floor} was known when it began`);
    }
  }

  /** Ids that must exist: an acknowledged put, and no removal that was or may have been applied. */
  mustExist(): string[] {
    return [...this.#tasks].filter(([, task]) => isStored(task)).map(([id]) => id);
  }

  ids(): string[] {
    return [...this.#tasks.keys()];
  }

  /** Q1, P1 at the end: every acknowledged put is there, and nothing was applied twice. */
  final(id: string, found: ReadTask | undefined): void {
    const task = this.#task(id);
    this.#judge.reached('Q1');
    if (found === undefined) {
      if (isStored(task)) this.#judge.violated('Q1', `${id} was put and acknowledged, and is lost`);
      return;
    }
    this.#judgeShown(id, task, found, never);
    this.#countApplied(id, task, found.version);
  }

  /** Versions rise by one with each put and ack, so they count what was applied. */
  #countApplied(id: string, task: TaskHistory, version: number): void {
    if (task.operations.some((operation) => operation.kind === 'ackDone')) return;
    const writes = task.operations.filter(({ kind }) => kind === 'put' || kind === 'ack');
    const sure = writes.filter(({ outcome }) => outcome === 'ok').length;
    const possible = writes.filter(({ outcome }) => outcome !== 'refused').length;
    if (possible > sure) this.#judge.reached('P1 unknown');
    this.#judge.reached('P1');
    if (version < sure)
      this.#judge.violated('P1', `${id} has version ${version} after ${sure} acknowledged writes`);
    if (version > possible) {
      this.#judge.violated('P1', `${id} has version ${version}, at most ${possible} writes were asked for`);
    }
  }

  #judgeShown(id: string, task: TaskHistory, { content, version }: ReadTask, startedMs: number): void {
    if (!task.contents.has(content)) this.#judge.violated('Q2', `${id} shows content nobody stored`);
    const floor = floorBefore(task, startedMs);
    if (version < floor)
      this.#judge.violated('I11', `${id} shows version ${version} after ${floor} was known`);
  }

  #putEnded(task: TaskHistory, put: Operation): void {
    if (put.version <= floorBefore(task, put.startedMs) && !mayBeGone(task)) {
      this.#judge.violated('Q1', `a put of ${put.id} got version ${put.version}, which was there before`);
    }
    task.floors.push({ atMs: put.endedMs, version: put.version });
  }

  /** Q3: one ack per fence; I16: none under a fence that is known to be over. */
  #ackEnded(task: TaskHistory, ack: Operation): void {
    this.#judge.reached('Q3');
    const given = task.handed.get(ack.fence);
    if (given !== undefined) task.floors.push({ atMs: ack.endedMs, version: given.version + 1 });
    for (const other of task.operations) {
      if (other === ack || other.outcome !== 'ok') continue;
      if (isAck(other) && other.fence === ack.fence) {
        this.#judge.violated('Q3', `${ack.id} was acked twice under fence ${ack.fence}`);
      }
      if (isAck(other) && other.fence > ack.fence && other.endedMs < ack.startedMs) {
        this.#judge.violated(
          'I16',
          `${ack.id} was acked under fence ${ack.fence} after an ack under ${other.fence}`,
        );
      }
    }
    for (const given of task.handed.values()) {
      if (given.fence > ack.fence && given.endedMs < ack.startedMs) {
        this.#judge.violated(
          'I16',
          `${ack.id} was acked under fence ${ack.fence} after ${given.fence} was handed out`,
        );
      }
    }
  }

  /** Q3: nothing comes back under a fence that was acked. */
  #notAfterAck(task: TaskHistory, given: Handed): void {
    for (const other of task.operations) {
      if (
        isAck(other) &&
        other.outcome === 'ok' &&
        other.endedMs < given.startedMs &&
        other.fence >= given.fence
      ) {
        this.#judge.violated(
          'Q3',
          `${given.id} came back under fence ${given.fence}, acked under ${other.fence}`,
        );
      }
    }
  }

  #task(id: string): TaskHistory {
    let task = this.#tasks.get(id);
    if (task === undefined) {
      task = {
        operations: [],
        contents: new Set(),
        handed: new Map(),
        floors: [],
        highestHanded: undefined,
      };
      this.#tasks.set(id, task);
    }
    return task;
  }
}

/** A removal was applied, or may have been. */
function mayBeGone(task: TaskHistory): boolean {
  return task.operations.some(({ kind, outcome }) => kind === 'ackDone' && outcome !== 'refused');
}

function isStored(task: TaskHistory): boolean {
  return !mayBeGone(task) && task.operations.some(({ kind, outcome }) => kind === 'put' && outcome === 'ok');
}

function floorBefore(task: TaskHistory, atMs: number): number {
  if (mayBeGone(task)) return 0;
  let version = 0;
  for (const floor of task.floors) if (floor.atMs < atMs) version = Math.max(version, floor.version);
  return version;
}

function isAck({ kind }: Operation): boolean {
  return kind === 'ack' || kind === 'ackDone';
}
