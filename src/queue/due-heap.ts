import { IndexedHeap } from './indexed-heap.ts';
import type { TaskTable } from './task-table.ts';

/** A heap of tasks by `dueMs`. A task is in at most one such heap or band at a time, so they share a column of positions. */
export function dueHeap(tasks: TaskTable): IndexedHeap {
  return new IndexedHeap(tasks.timePosition, (left, right) => {
    const leftMs = tasks.dueMs[left]!;
    const rightMs = tasks.dueMs[right]!;
    return leftMs !== rightMs ? leftMs < rightMs : tasks.sequence[left]! < tasks.sequence[right]!;
  });
}
