import { describe, expect, it } from 'vitest';
import { Backoff } from '../../src/mesh/backoff.ts';
import { backoffMs } from '../../src/mesh/limits.ts';
import { MeshWorld } from './mesh-world.ts';
import { SeededRandom } from './virtual-clock.ts';

describe('backoff between dials', () => {
  it('doubles to its cap, with jitter of half a step, and starts anew (pitfall 93)', () => {
    const backoff = new Backoff(new SeededRandom(1));
    let stepMs: number = backoffMs.first;
    for (let i = 0; i < 12; i++) {
      const waitMs = backoff.nextMs();
      expect(waitMs).toBeGreaterThanOrEqual(stepMs / 2);
      expect(waitMs).toBeLessThanOrEqual(stepMs);
      stepMs = Math.min(stepMs * 2, backoffMs.longest);
    }
    backoff.reset();
    expect(backoff.nextMs()).toBeLessThanOrEqual(backoffMs.first);
  });

  it('keeps a node from hammering a member that is not there', async () => {
    const world = new MeshWorld();
    let dialCount = 0;
    const inner = world.network.transport('a');
    const transport = {
      listen: inner.listen,
      dial: (...how: Parameters<typeof inner.dial>) => {
        dialCount++;
        return inner.dial(...how);
      },
    };
    await world.node('a', { peers: ['a', 'b'], transport }).start();
    await world.clock.advance(60_000);
    expect(dialCount).toBeGreaterThan(60);
    expect(dialCount).toBeLessThan(130);
  });
});
