import { setTimeout as wait } from 'node:timers/promises';

/** Polls until the condition holds. */
export async function until(condition: () => boolean, limitMs = 5_000): Promise<void> {
  const startMs = performance.now();
  while (!condition()) {
    if (performance.now() - startMs > limitMs) throw new Error(`did not happen within ${limitMs} ms`);
    await wait(1);
  }
}

export async function pause(ms: number): Promise<void> {
  await wait(ms);
}
