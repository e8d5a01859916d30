import type { GroupHandle } from '../node/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { TaskView } from '../queue/types.ts';
import { encodeCommand } from '../wire/queue-codec.ts';

/** How long one question about a task counts for all its readers. */
const wantEveryMs = 1_000;
const wantedMax = 4_096;

/** Tells the log which expired tasks readers ask for, once a second and task at most: they are refreshed first. */
export class Wants {
  readonly #group: GroupHandle;
  readonly #clock: Clock;
  readonly #asked = new Set<string>();
  #sinceMs = Number.NEGATIVE_INFINITY;

  constructor(group: GroupHandle, clock: Clock) {
    this.#group = group;
    this.#clock = clock;
  }

  ask(queue: string, task: TaskView): void {
    if (task.state !== 'ready' && task.state !== 'delayed') return;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#sinceMs + wantEveryMs) {
      this.#asked.clear();
      this.#sinceMs = nowMs;
    }
    const key = `${queue}/${task.id}`;
    if (this.#asked.size >= wantedMax || this.#asked.has(key)) return;
    this.#asked.add(key);
    this.#group.propose(encodeCommand({ type: 'want', queue, id: task.id }), () => {});
  }
}
