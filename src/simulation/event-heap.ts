/** Something that happens at a moment of the world's own time. */
export interface WorldEvent {
  readonly atMs: number;
  /** Breaks ties: what was planned first happens first. */
  readonly sequence: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** A binary heap by (time, sequence). */
export class EventHeap {
  readonly #events: WorldEvent[] = [];

  get size(): number {
    return this.#events.length;
  }

  push(event: WorldEvent): void {
    const events = this.#events;
    let place = events.length;
    events.push(event);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isBefore(event, events[parent]!)) break;
      events[place] = events[parent]!;
      place = parent;
    }
    events[place] = event;
  }

  peek(): WorldEvent | undefined {
    return this.#events[0];
  }

  pop(): WorldEvent | undefined {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    if (first === undefined || last === undefined || events.length === 0) return first;
    let place = 0;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= events.length) break;
      if (child + 1 < events.length && isBefore(events[child + 1]!, events[child]!)) child += 1;
      if (!isBefore(events[child]!, last)) break;
      events[place] = events[child]!;
      place = child;
    }
    events[place] = last;
    return first;
  }
}

function isBefore(a: WorldEvent, b: WorldEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}
