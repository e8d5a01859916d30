import type { Lease, QueueClient } from '../client/types.ts';
import type { Judge } from './checkers/judge.ts';
import type { Coverage } from './coverage.ts';
import { driftBound } from './nemesis.ts';
import type { Prng } from './prng.ts';
import type { Program, SimulatedClient } from './simulated-client.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { World } from './world.ts';

/** How a client leaves. */
export const leavings = ['killed', 'closed', 'frozen', 'gatewayLost'] as const;
type Leaving = (typeof leavings)[number];

export interface ReleaseProbeOptions {
  readonly world: World;
  readonly cluster: SimulatedCluster;
  readonly judge: Judge;
  readonly coverage: Coverage;
  readonly random: Prng;
  /** A node that must not be counted on. */
  readonly wiped: string | undefined;
  readonly client: (name: string, program: Program) => SimulatedClient;
}

const sessionTimeoutMs = 3_000;
/** One commit and the way to the next taker, in calm weather. */
const oneCommitMs = 100;
/** Silence counts from the last renewal: bytes are sent every half second, renewals follow. */
const renewalMs = 1_500;
const electionMsMax = 2_000;

/** I17 and I18, measured in calm weather: how soon, and how late, the tasks of a client that leaves go to the next one. */
export class ReleaseProbe {
  readonly #options: ReleaseProbeOptions;
  #count = 0;

  constructor(options: ReleaseProbeOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { random, cluster } = this.#options;
    // With one node lost for good and another killed there is no quorum to go to.
    const mayLoseOne = cluster.members.length >= 3 && this.#options.wiped === undefined;
    const possible = leavings.filter((leaving) => leaving !== 'gatewayLost' || mayLoseOne);
    for (const leaving of random.shuffled(possible).slice(0, 2)) await this.#probe(leaving);
  }

  async #probe(leaving: Leaving): Promise<void> {
    const { world, coverage } = this.#options;
    this.#count += 1;
    world.note(`--- a client is ${leaving}`);
    const queue = `probe-${this.#count}`;
    const holder = await this.#connected(`${queue}-holder`);
    const next = await this.#connected(`${queue}-next`);
    if (holder === undefined || next === undefined) return;
    const lease = await this.#taken(holder, queue);
    if (lease === undefined) return;
    let gotMs: number | undefined;
    void next.client
      .queue(queue)
      .take({ waitMs: 20_000, timeoutMs: 25_000 })
      .then((leases) => {
        if (leases.length > 0) gotMs = world.nowMs();
      })
      .catch(() => {});
    await world.run(world.nowMs() + 1_000);
    const leftMs = world.nowMs();
    await this.#leave(leaving, holder);
    await world.run(leftMs + 12_000, () => gotMs !== undefined);
    coverage.count(`reached probe ${leaving}`);
    if (leaving === 'gatewayLost') await this.#mustKeep(lease, gotMs, leftMs);
    else this.#mustRelease(leaving, gotMs === undefined ? undefined : gotMs - leftMs);
    holder.process.resume();
    for (const { client, process } of [holder, next]) {
      void client.close();
      await world.run(world.nowMs() + 200);
      process.die();
    }
  }

  #mustRelease(leaving: Leaving, tookMs: number | undefined): void {
    const { judge } = this.#options;
    const name = leaving === 'closed' ? 'I18' : 'I17';
    const [soonest, latest] =
      leaving === 'frozen'
        ? [
            sessionTimeoutMs * (1 - driftBound) - renewalMs,
            sessionTimeoutMs * (1 + driftBound) + electionMsMax + renewalMs,
          ]
        : [0, oneCommitMs];
    if (tookMs === undefined) judge.violated(name, `a client was ${leaving}, its task went to nobody`);
    else if (tookMs > latest)
      judge.violated(name, `a client was ${leaving}, its task was free after ${tookMs} ms`);
    else if (tookMs < soonest)
      judge.violated(name, `a client was ${leaving}, its task was free after ${tookMs} ms already`);
  }

  /** Loss of the gateway is silence, not a close: the session goes on through another node. */
  async #mustKeep(lease: Lease<Uint8Array>, gotMs: number | undefined, leftMs: number): Promise<void> {
    if (gotMs !== undefined) {
      this.#options.judge.violated(
        'I17',
        `a gateway was lost, its client's task was free after ${gotMs - leftMs} ms`,
      );
    }
    await this.#must('I17', 'ack after its gateway was lost', lease.ack({ done: true }));
  }

  async #leave(leaving: Leaving, { client, process, program }: Connected): Promise<void> {
    const { cluster } = this.#options;
    switch (leaving) {
      case 'killed':
        program.kill();
        break;
      case 'closed':
        void client.close();
        break;
      case 'frozen':
        process.pause();
        break;
      case 'gatewayLost': {
        const gateway = cluster.members.find(({ name }) =>
          cluster.network.areLinked(process.host.name, name),
        );
        if (gateway === undefined) return;
        cluster.kill(gateway.name);
        await this.#options.world.run(this.#options.world.nowMs() + 500);
        void cluster.start(gateway.name);
      }
    }
  }

  async #connected(name: string): Promise<Connected | undefined> {
    const { world, client, judge } = this.#options;
    let connected: Connected | undefined;
    const program = client(name, (made, process) => {
      connected = { client: made, process, program };
    });
    program.start();
    await world.run(world.nowMs() + 8_000, () => connected?.client.connected === true);
    if (connected?.client.connected !== true)
      judge.violated('L1', `${name} was not attached within 8 s in calm weather`);
    return connected;
  }

  /** Puts a task whose provider does not mind being asked twice, and takes it. */
  async #taken({ client, process }: Connected, queue: string): Promise<Lease<Uint8Array> | undefined> {
    const handle = client.queue(queue);
    const expiresAt = process.wallMs() + 1_000;
    await this.#must('L1', 'configure', handle.setProvider('fix', { kind: 'static' }));
    const payload = Uint8Array.of(1);
    await this.#must('L1', 'put', handle.put({ id: 'one', payload, expiresAt, provider: 'fix' }));
    const leases = await this.#must('L1', 'take', handle.take({ waitMs: 2_000, ttrMs: 60_000 }));
    if (leases?.length === 0) this.#options.judge.violated('Q4', 'a take found nothing, a task was ready');
    return leases?.[0];
  }

  async #must<T>(invariant: string, what: string, call: Promise<T>): Promise<T | undefined> {
    const { world, judge } = this.#options;
    let result: { readonly value: T } | undefined;
    let failure: unknown = 'no answer';
    call.then(
      (value) => {
        result = { value };
      },
      (error: unknown) => {
        failure = error;
      },
    );
    await world.run(world.nowMs() + 8_000, () => result !== undefined || failure !== 'no answer');
    if (result === undefined)
      judge.violated(invariant, `a client could not ${what} in calm weather: ${String(failure)}`);
    return result?.value;
  }
}

interface Connected {
  readonly client: QueueClient;
  readonly process: SimulatedProcess;
  readonly program: SimulatedClient;
}
