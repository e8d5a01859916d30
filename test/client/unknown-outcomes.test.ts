import { describe, expect, it } from 'vitest';
import { type ClientId, nodeId } from '../../src/base/ids.ts';
import { createQueueClient } from '../../src/client/create-client.ts';
import type { QueueResult } from '../../src/queue/types.ts';
import { encodeBundle, splitBundle } from '../../src/wire/client-bundle.ts';
import type { ClientChannel } from '../../src/wire/client-channel.ts';
import { encodeLeader } from '../../src/wire/client-frame.ts';
import { blankHeader, type ClientHeader, decodeHeader, encodeFrame } from '../../src/wire/client-header.ts';
import { encodeResult } from '../../src/wire/queue-result.ts';
import { TestClock, TestRandom } from '../service/test-clock.ts';

/** A node that answers as it is told to; undefined is no answer. */
class ScriptedNode {
  readonly clock: TestClock = new TestClock();
  readonly requests: ClientHeader[] = [];
  registration = 1;
  answer: (request: ClientHeader) => QueueResult | undefined = () => undefined;
  #channel: ClientChannel | undefined;

  open = ({ client }: { readonly client: ClientId }): Promise<ClientChannel> => {
    const channel: ClientChannel = {
      send: (message) => {
        for (const frame of splitBundle(message)) this.#onFrame(channel, client, decodeHeader(frame));
      },
      queuedBytes: () => 0,
      close: () => {},
      onFrame: undefined,
      onClose: undefined,
    };
    this.#channel = channel;
    const leader = encodeFrame(
      { ...blankHeader, kind: 'leader', client },
      encodeLeader({ leaderId: nodeId('a'), term: 1 }),
    );
    this.clock.after(0, () => channel.onFrame?.(encodeBundle([leader])));
    return Promise.resolve(channel);
  };

  cut(): void {
    this.#channel?.onClose?.('timeout');
  }

  #onFrame(channel: ClientChannel, client: ClientId, header: ClientHeader): void {
    const { registration } = this;
    if (header.kind === 'request') this.requests.push(header);
    const result: QueueResult | undefined =
      header.kind === 'attach' ? { type: 'attached', attachment: 1, registration } : this.#resultOf(header);
    if (result === undefined) return;
    const frame = encodeFrame({ ...header, kind: 'result', client, settledUpTo: 1 }, encodeResult(result));
    this.clock.after(0, () => channel.onFrame?.(encodeBundle([frame])));
  }

  #resultOf(header: ClientHeader): QueueResult | undefined {
    return header.kind === 'request' ? this.answer(header) : undefined;
  }
}

const task = { id: 't1', payload: new Uint8Array(1), expiresAt: 2_000_000_000_000 };

describe('a request that may have been applied', () => {
  it('is not refused because the state machine has no room to remember a later copy (P1)', async () => {
    const node = new ScriptedNode();
    const client = createQueueClient({
      clock: node.clock,
      random: new TestRandom(1),
      openChannel: node.open,
    });
    const put = client.queue('tokens').put(task);
    await node.clock.advance(50);
    node.answer = () => ({ type: 'refused', code: 'BUSY', message: 'the group remembers too many answers' });
    node.cut();
    let isOver = false;
    put
      .finally(() => {
        isOver = true;
      })
      .catch(() => undefined);
    await node.clock.advance(500);
    expect([isOver, node.requests.length > 2]).toEqual([false, true]);
    expect(new Set(node.requests.map(({ seq }) => seq))).toEqual(new Set([1]));
    node.answer = () => ({ type: 'put', version: 1, created: true });
    await node.clock.advance(500);
    await expect(put).resolves.toMatchObject({ created: true });
  });
});

describe('a call that is aborted', () => {
  it('while the client looks for a new identity is not sent under it', async () => {
    const node = new ScriptedNode();
    const client = createQueueClient({
      clock: node.clock,
      random: new TestRandom(1),
      openChannel: node.open,
    });
    const tokens = client.queue('tokens');
    const stop = new AbortController();
    const slow = tokens.put({ ...task, id: 'slow' }, { timeoutMs: 2_000 });
    slow.catch(() => undefined);
    await node.clock.advance(50);
    node.answer = () => ({ type: 'refused', code: 'CLIENT_EXPIRED', message: '' });
    const take = tokens.take({ signal: stop.signal });
    await node.clock.advance(50);
    stop.abort(new Error('enough'));
    await expect(take).rejects.toThrow('enough');
    const before = node.requests.length;
    node.answer = () => ({ type: 'taken', tasks: [], atMs: 1 });
    node.registration = 2;
    await node.clock.advance(5_000);
    expect(node.requests.slice(before)).toEqual([]);
  });
});
