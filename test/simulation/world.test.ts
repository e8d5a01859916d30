import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/simulation/prng.ts';
import { SimulatedHost } from '../../src/simulation/simulated-process.ts';
import { World } from '../../src/simulation/world.ts';

describe('the world', () => {
  it('runs events by time, then in the order they were planned', async () => {
    const world = new World(1);
    const seen: string[] = [];
    world.after(5, () => seen.push('late'));
    world.after(1, () => seen.push('first'));
    world.after(1, () => seen.push('second'));
    await world.run(10);
    expect(seen).toEqual(['first', 'second', 'late']);
    expect(world.nowMs()).toBe(10);
  });

  it('lets every promise of an event settle before the next event', async () => {
    const world = new World(1);
    const seen: string[] = [];
    world.after(1, async () => {
      for (let i = 0; i < 50; i += 1) await undefined;
      seen.push('promised');
    });
    world.after(1, () => seen.push('next'));
    await world.run(2);
    expect(seen).toEqual(['promised', 'next']);
  });

  it('draws the same numbers from the same seed, and streams of their own from forks', () => {
    const draw = (prng: Prng): number[] => Array.from({ length: 5 }, () => prng.next32());
    expect(draw(new Prng(7))).toEqual(draw(new Prng(7)));
    expect(draw(new Prng(7))).not.toEqual(draw(new Prng(8)));
    expect(draw(new Prng(7).fork('a'))).not.toEqual(draw(new Prng(7).fork('b')));
  });

  it('makes at least 200,000 bare events in a second', async () => {
    const world = new World(1);
    let left = 20_000;
    const next = (): void => {
      left -= 1;
      if (left > 0) world.after(1, next);
    };
    next();
    const before = process.cpuUsage().user;
    await world.run(1e6);
    expect(world.steps()).toBe(19_999);
    expect(process.cpuUsage().user - before).toBeLessThan(1_000_000);
  });
});

describe('a simulated process', () => {
  const make = (): { world: World; host: SimulatedHost; crashes: unknown[] } => {
    const world = new World(1);
    const crashes: unknown[] = [];
    const host = new SimulatedHost(world, 'a', world.random.fork('a'));
    host.boot(world.random.fork('p'), (error) => crashes.push(error));
    return { world, host, crashes };
  };

  it('reads a clock that runs at the rate of its machine', async () => {
    const { world, host } = make();
    host.setRate(1.05);
    const before = host.monotonicMs();
    await world.run(1_000);
    expect(host.monotonicMs() - before).toBeCloseTo(1_050);
    host.setRate(0.95);
    await world.run(2_000);
    expect(host.monotonicMs() - before).toBeCloseTo(2_000);
  });

  it('runs late timers before the input that waited while it was paused (pitfall 82)', async () => {
    const { world, host } = make();
    const process = host.process!;
    const seen: string[] = [];
    process.after(10, () => {
      seen.push('timer');
      process.soon(() => seen.push('soon'));
    });
    process.pause();
    world.after(5, () => process.deliver(() => seen.push('frame')));
    await world.run(400);
    expect(seen).toEqual([]);
    process.resume();
    await world.run(401);
    expect(seen).toEqual(['timer', 'frame', 'soon']);
  });

  it('stands still with its monotonic clock and timers while the machine sleeps, boot time goes on (pitfall 83)', async () => {
    const { world, host } = make();
    let firedAt = 0;
    host.process!.after(100, () => {
      firedAt = world.nowMs();
    });
    const [monotonic, boot] = [host.monotonicMs(), host.bootMs()];
    host.sleep();
    await world.run(1_000);
    host.wake();
    expect(host.monotonicMs()).toBeCloseTo(monotonic);
    expect(host.bootMs() - boot).toBeCloseTo(1_000);
    await world.run(2_000);
    expect(firedAt).toBeGreaterThanOrEqual(1_100);
    expect(firedAt).toBeLessThan(1_105);
  });

  it('runs nothing after its death', async () => {
    const { world, host } = make();
    const process = host.process!;
    let count = 0;
    process.after(10, () => {
      count += 1;
    });
    world.after(5, () => process.die());
    world.after(20, () => process.deliver(() => (count += 1)));
    await world.run(100);
    expect(count).toBe(0);
  });

  it('reports what its code throws', async () => {
    const { world, host, crashes } = make();
    host.process!.after(1, () => {
      throw new Error('a defect');
    });
    await world.run(10);
    expect(crashes).toHaveLength(1);
  });
});
