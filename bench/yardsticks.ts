import { closeSync, fdatasync, mkdtempSync, openSync, rmSync, write } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { measureRate, type Quantiles, quantiles, type Rate } from './measure.ts';
import { type BenchProcess, startProcess } from './processes.ts';

/** What the machine can do with nothing of ours in the way. */
export interface Yardstick {
  /** A bare WebSocket echo between two processes. */
  readonly echo: Rate;
  /** A bare append and fdatasync. */
  readonly sync: Rate;
}

export async function measureYardstick(seconds: number, bytes: number, inFlight: number): Promise<Yardstick> {
  return { echo: await measureEcho(seconds, bytes, inFlight), sync: await measureSync(seconds, bytes) };
}

async function measureEcho(seconds: number, bytes: number, inFlight: number): Promise<Rate> {
  const peer = startProcess('./echo-process.ts', undefined);
  const socket = await openSocket(await peer.ready);
  const waiting: (() => void)[] = [];
  socket.on('message', () => waiting.shift()?.());
  const frame = Buffer.alloc(bytes, 7);
  const rate = await measureRate(seconds, inFlight, () => echo(socket, waiting, frame));
  peer.kill();
  await peer.exited;
  return rate;
}

function echo(socket: WebSocket, waiting: (() => void)[], frame: Buffer): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    socket.send(frame);
  });
}

async function measureSync(seconds: number, bytes: number): Promise<Rate> {
  return withFile((append) => measureRate(seconds, 1, () => append(bytes)));
}

async function withFile<T>(use: (append: (bytes: number) => Promise<void>) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'raftsman-bench-'));
  const file = openSync(join(directory, 'log'), 'a');
  const record = Buffer.alloc(65_536, 7);
  try {
    return await use(
      (bytes) =>
        new Promise((resolve, reject) => {
          write(file, record, 0, bytes, null, (failed) => {
            if (failed !== null) return reject(failed);
            fdatasync(file, (error) => (error === null ? resolve() : reject(error)));
          });
        }),
    );
  } finally {
    closeSync(file);
    rmSync(directory, { recursive: true, force: true });
  }
}

export interface FailoverFloor extends Quantiles {
  /** From SIGKILL until the other end sees its socket close. */
  readonly close: Quantiles;
  readonly echo: Quantiles;
  readonly sync: Quantiles;
}

/** What no failover can beat here: the closed socket, then an election and a write of three round trips and three syncs. */
export async function measureFailoverFloor(rounds: number): Promise<FailoverFloor> {
  const parts = await withFile(async (append) => {
    const measured: { readonly close: number; readonly echo: number; readonly sync: number }[] = [];
    for (let round = 0; round < rounds; round++) measured.push(await floorRound(append));
    return measured;
  });
  const steps = 3;
  return {
    ...quantiles(parts.map((part) => part.close + steps * part.echo + steps * part.sync)),
    close: quantiles(parts.map((part) => part.close)),
    echo: quantiles(parts.map((part) => part.echo)),
    sync: quantiles(parts.map((part) => part.sync)),
  };
}

async function floorRound(
  append: (bytes: number) => Promise<void>,
): Promise<{ readonly close: number; readonly echo: number; readonly sync: number }> {
  const peer = startProcess('./echo-process.ts', undefined);
  const socket = await openSocket(await peer.ready);
  const waiting: (() => void)[] = [];
  socket.on('message', () => waiting.shift()?.());
  const once = () => echo(socket, waiting, Buffer.alloc(300, 7));
  const echoMs = await typical(once);
  const syncMs = await typical(() => append(300));
  const closeMs = await took(() => killed(peer, socket));
  await peer.exited;
  return { close: closeMs, echo: echoMs, sync: syncMs };
}

/** From SIGKILL until a connected socket sees it, again and again with fresh processes. */
export async function measureClose(rounds: number): Promise<Quantiles> {
  const samples: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const peer = startProcess('./echo-process.ts', undefined);
    const socket = await openSocket(await peer.ready);
    samples.push(await took(() => killed(peer, socket)));
    await peer.exited;
  }
  return quantiles(samples);
}

function killed(peer: BenchProcess, socket: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    socket.on('close', () => resolve());
    peer.kill();
  });
}

/** The median of a few, the first of which are slow because nothing is compiled yet. */
async function typical(call: () => Promise<unknown>): Promise<number> {
  const samples: number[] = [];
  for (let count = 0; count < 20; count++) samples.push(await took(call));
  return quantiles(samples).p50;
}

async function took(call: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await call();
  return performance.now() - startedAt;
}

function openSocket(address: string): Promise<WebSocket> {
  const socket = new WebSocket(address, { perMessageDeflate: false });
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () => resolve(socket));
  });
}
