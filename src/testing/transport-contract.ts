import { strict as assert } from 'node:assert';
import type { ClosedBy, Link, Listener, Transport } from '../ports/transport.ts';

/** Two transports that can reach each other, made anew for each case, and a way to let time pass. */
export interface TransportHarness {
  readonly listening: Transport;
  readonly dialling: Transport;
  /** An address at which nobody listens. */
  readonly deadAddress: string;
  /** Lets time pass until the condition holds; rejects after a while. */
  until(condition: () => boolean): Promise<void>;
  /** Lets everything happen that is going to happen by itself. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/** One promise of a transport, as something that a test runs. */
export interface TransportContractCase {
  readonly name: string;
  run(): Promise<void>;
}

/** What every transport must do, one case each; run them with any test runner. */
export function transportContract(create: () => Promise<TransportHarness>): readonly TransportContractCase[] {
  return cases.map(({ name, run }) => ({
    name,
    run: async () => {
      const harness = await create();
      try {
        await run(harness);
      } finally {
        await harness.close();
      }
    },
  }));
}

/** A link and all that it reported. */
class Recorder {
  readonly link: Link;
  readonly frames: string[] = [];
  readonly closes: { readonly by: ClosedBy; readonly code: number; readonly text: string }[] = [];
  bytes = 0;
  drainCount = 0;

  constructor(link: Link) {
    this.link = link;
    link.onFrame = (frame) => {
      this.bytes += frame.length;
      this.frames.push(textOf(frame.subarray(0, 20)));
    };
    link.onDrain = () => {
      this.drainCount++;
    };
    link.onClose = (by, code, text) => {
      this.closes.push({ by, code, text });
    };
  }
}

interface Joined {
  readonly listener: Listener;
  readonly dialler: Recorder;
  readonly acceptor: Recorder;
}

async function join(harness: TransportHarness): Promise<Joined> {
  const accepted: Recorder[] = [];
  const listener = await harness.listening.listen((link) => accepted.push(new Recorder(link)));
  const dialled = settled(dial(harness, listener.address));
  await harness.until(() => accepted.length > 0 && dialled.isDone);
  const [acceptor] = accepted;
  assert.ok(acceptor !== undefined && dialled.link !== undefined);
  return { listener, dialler: dialled.link, acceptor };
}

async function dial(harness: TransportHarness, address: string, signal?: AbortSignal): Promise<Recorder> {
  const link = await harness.dialling.dial(address, { signal: signal ?? new AbortController().signal });
  return new Recorder(link);
}

/** Follows a promise without waiting for it: virtual time has to pass meanwhile. */
function settled(promise: Promise<Recorder>): { isDone: boolean; link?: Recorder; error?: unknown } {
  const outcome: { isDone: boolean; link?: Recorder; error?: unknown } = { isDone: false };
  promise.then(
    (link) => Object.assign(outcome, { isDone: true, link }),
    (error: unknown) => Object.assign(outcome, { isDone: true, error }),
  );
  return outcome;
}

const cases: readonly { readonly name: string; run(harness: TransportHarness): Promise<void> }[] = [
  {
    name: 'frames arrive whole and in order, both ways',
    run: async (harness) => {
      const { dialler, acceptor } = await join(harness);
      const sent = Array.from({ length: 200 }, (_, i) => `frame ${i}`);
      for (const text of sent) dialler.link.send(bytesOf(text));
      acceptor.link.send(bytesOf('answer'));
      acceptor.link.send(new Uint8Array(0));
      await harness.until(() => acceptor.frames.length === 200 && dialler.frames.length === 2);
      assert.deepEqual(acceptor.frames, sent);
      assert.deepEqual(dialler.frames, ['answer', '']);
    },
  },
  {
    name: 'a large frame arrives whole',
    run: async (harness) => {
      const { dialler, acceptor } = await join(harness);
      dialler.link.send(new Uint8Array(1_000_000).fill(7));
      await harness.until(() => acceptor.bytes === 1_000_000);
      assert.equal(acceptor.frames.length, 1);
    },
  },
  {
    name: 'what was sent before a close arrives, then the close with its code and text',
    run: async (harness) => {
      const { dialler, acceptor } = await join(harness);
      dialler.link.send(bytesOf('last words'));
      dialler.link.close({ code: 4321, text: 'enough' });
      assert.equal(dialler.closes.length, 0, 'onClose is not called inside close');
      await harness.until(() => acceptor.closes.length === 1 && dialler.closes.length === 1);
      assert.deepEqual(acceptor.frames, ['last words']);
      assert.deepEqual(acceptor.closes, [{ by: 'remote', code: 4321, text: 'enough' }]);
      assert.equal(dialler.closes[0]?.by, 'local');
    },
  },
  {
    name: 'onClose comes once, and a closed link ignores everything',
    run: async (harness) => {
      const { dialler, acceptor } = await join(harness);
      dialler.link.close();
      dialler.link.close();
      acceptor.link.close();
      dialler.link.send(bytesOf('too late'));
      await harness.settle();
      acceptor.link.send(bytesOf('too late'));
      dialler.link.pause(true);
      dialler.link.close();
      await harness.settle();
      assert.equal(dialler.closes.length, 1);
      assert.equal(acceptor.closes.length, 1);
      assert.deepEqual(acceptor.frames, []);
      assert.equal(dialler.link.queuedBytes(), 0);
    },
  },
  {
    name: 'a frame over the limit closes the link with 1009, for both sides',
    run: async (harness) => {
      const { dialler, acceptor } = await join(harness);
      acceptor.link.setFrameBytesMax(100);
      dialler.link.send(new Uint8Array(100));
      dialler.link.send(new Uint8Array(101));
      dialler.link.send(bytesOf('after'));
      await harness.until(() => acceptor.closes.length === 1 && dialler.closes.length === 1);
      assert.equal(acceptor.frames.length, 1);
      assert.equal(acceptor.closes[0]?.by, 'local');
      assert.equal(acceptor.closes[0]?.code, 1009);
      assert.equal(dialler.closes[0]?.by, 'remote');
      assert.equal(dialler.closes[0]?.code, 1009);
    },
  },
  {
    name: 'the frame limit can rise',
    run: async (harness) => {
      const { dialler, acceptor } = await join(harness);
      acceptor.link.setFrameBytesMax(100);
      dialler.link.send(new Uint8Array(100));
      await harness.until(() => acceptor.bytes === 100);
      acceptor.link.setFrameBytesMax(200_000);
      dialler.link.send(new Uint8Array(150_000));
      await harness.until(() => acceptor.bytes === 150_100);
      assert.deepEqual(acceptor.closes, []);
    },
  },
  {
    name: 'a paused link holds the sender back, and drains when resumed',
    run: async (harness) => {
      const { dialler, acceptor } = await join(harness);
      acceptor.link.pause(true);
      for (let i = 0; i < 400; i++) dialler.link.send(new Uint8Array(64 * 1024));
      await harness.settle();
      assert.ok(dialler.link.queuedBytes() > 1_000_000, 'unread bytes count as queued');
      assert.ok(acceptor.bytes < 400 * 64 * 1024);
      acceptor.link.pause(false);
      await harness.until(() => acceptor.bytes === 400 * 64 * 1024 && dialler.link.queuedBytes() === 0);
      await harness.until(() => dialler.drainCount > 0);
    },
  },
  {
    name: 'a dial to an address where nobody listens rejects',
    run: async (harness) => {
      const dialled = settled(dial(harness, harness.deadAddress));
      await harness.until(() => dialled.isDone);
      assert.ok(dialled.error instanceof Error);
    },
  },
  {
    name: 'an aborted dial rejects with the reason of its signal',
    run: async (harness) => {
      const listener = await harness.listening.listen((link) => new Recorder(link));
      const reason = new Error('changed my mind');
      const early = settled(dial(harness, listener.address, AbortSignal.abort(reason)));
      const late = new AbortController();
      const other = settled(dial(harness, listener.address, late.signal));
      late.abort(reason);
      await harness.until(() => early.isDone && other.isDone);
      assert.equal(early.error, reason);
      assert.equal(other.error, reason);
    },
  },
  {
    name: 'a closed listener takes no new links and keeps those that are open',
    run: async (harness) => {
      const { listener, dialler, acceptor } = await join(harness);
      await listener.close();
      await listener.close();
      const dialled = settled(dial(harness, listener.address));
      await harness.until(() => dialled.isDone);
      assert.ok(dialled.error instanceof Error);
      dialler.link.send(bytesOf('still here'));
      await harness.until(() => acceptor.frames.length === 1);
    },
  },
  {
    name: 'a close by one side while the other sends loses at most a suffix',
    run: async (harness) => {
      const { dialler, acceptor } = await join(harness);
      for (let i = 0; i < 50; i++) dialler.link.send(bytesOf(`${i}`));
      acceptor.link.close();
      for (let i = 50; i < 100; i++) dialler.link.send(bytesOf(`${i}`));
      await harness.until(() => dialler.closes.length === 1 && acceptor.closes.length === 1);
      assert.deepEqual(
        acceptor.frames,
        acceptor.frames.map((_, i) => `${i}`),
      );
      assert.equal(dialler.closes[0]?.by, 'remote');
    },
  },
];

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
