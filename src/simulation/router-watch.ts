import type { SimulatedProxy } from './simulated-proxy.ts';
import type { Stage } from './stage.ts';

/** Short enough to see a ramp. */
const lookEveryMs = 20;

/** Counts the states that the routers of the proxies are seen in. */
export function watchRouters({ world, coverage }: Stage, proxies: readonly SimulatedProxy[]): void {
  const look = (): void => {
    for (const { proxy } of proxies) {
      for (const { state, heldBuckets } of proxy?.status().shards ?? []) {
        if (state !== 'open') coverage.count(`router ${state}`);
        if (heldBuckets > 0) coverage.count('router held bucket');
      }
    }
    world.after(lookEveryMs, look);
  };
  look();
}
