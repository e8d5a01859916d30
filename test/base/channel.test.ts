import { describe, expect, it } from 'vitest';
import { LatestChannel } from '../../src/base/channel.ts';

describe('a latest-wins channel', () => {
  it('gives the newest value and counts what the reader missed (pitfall 77)', async () => {
    const channel = new LatestChannel<number>();
    channel.push(1);
    channel.push(2);
    channel.push(3);
    expect(await channel.next()).toEqual({ done: false, value: { value: 3, missed: 2 } });
    channel.push(4);
    expect(await channel.next()).toEqual({ done: false, value: { value: 4, missed: 0 } });
  });

  it('wakes a reader that waits', async () => {
    const channel = new LatestChannel<string>();
    const read = channel.next();
    channel.push('a');
    expect(await read).toEqual({ done: false, value: { value: 'a', missed: 0 } });
  });

  it('gives the last unread value after its end, then finishes', async () => {
    const channel = new LatestChannel<string>();
    channel.push('last');
    channel.end();
    channel.push('too late');
    expect(await channel.next()).toEqual({ done: false, value: { value: 'last', missed: 0 } });
    expect(await channel.next()).toEqual({ done: true, value: undefined });
  });

  it('finishes readers that wait when it ends, and says once that it ended', async () => {
    let ends = 0;
    const channel = new LatestChannel<string>(() => ends++);
    const reads = [channel.next(), channel.next()];
    channel.end();
    channel.end();
    expect(await Promise.all(reads)).toEqual([
      { done: true, value: undefined },
      { done: true, value: undefined },
    ]);
    expect(ends).toBe(1);
  });

  it('ends when the reader breaks out of its loop', async () => {
    let ends = 0;
    const channel = new LatestChannel<number>(() => ends++);
    channel.push(1);
    for await (const { value } of channel) {
      expect(value).toBe(1);
      break;
    }
    expect(ends).toBe(1);
  });
});
