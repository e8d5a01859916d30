import { describe, expect, it } from 'vitest';
import { clientId } from '../../src/base/ids.ts';
import { createLocalLink } from '../../src/mesh/local-link.ts';

describe('a link inside the process', () => {
  it('keeps the order of messages, also of those that came before anybody listened', async () => {
    const { link, channel } = createLocalLink(clientId('1'.repeat(32)));
    const got: number[] = [];
    link.send(Uint8Array.of(1));
    await Promise.resolve();
    await Promise.resolve();
    link.send(Uint8Array.of(2));
    channel.onFrame = (message) => got.push(message[0] ?? 0);
    link.send(Uint8Array.of(3));
    await new Promise(setImmediate);
    expect(got).toEqual([1, 2, 3]);
  });
});
