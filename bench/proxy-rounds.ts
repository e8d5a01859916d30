import { measureRate, quantiles, type Rate } from './measure.ts';

/** One slice of one probe: what it did, and the processor time of a call in this process and in the proxy's. */
export interface Slice extends Rate {
  readonly clientCpuUs: number;
  readonly proxyCpuUs: number;
}

/** A way to do one thing, measured again and again between the others. */
export interface Probe {
  readonly name: string;
  readonly inFlight: number;
  readonly call: (count: number) => Promise<unknown>;
}

/** The slices of each probe by name; slices of one index were measured beside each other. */
export class Rounds {
  readonly #slices = new Map<string, Slice[]>();
  readonly #proxyCpuUs: () => Promise<number>;

  constructor(proxyCpuUs: () => Promise<number>) {
    this.#proxyCpuUs = proxyCpuUs;
  }

  /** Measures all of them, another one first each time. Nothing is kept if `isGood` says no afterwards. */
  async run(
    probes: readonly Probe[],
    turn: number,
    seconds: number,
    isGood: () => boolean,
  ): Promise<boolean> {
    const measured: [string, Slice][] = [];
    for (let at = 0; at < probes.length; at++) {
      const probe = probes[(at + turn) % probes.length]!;
      measured.push([probe.name, await this.#measure(probe, seconds)]);
    }
    if (!isGood()) return false;
    for (const [name, slice] of measured) this.#slices.set(name, [...(this.#slices.get(name) ?? []), slice]);
    return true;
  }

  /** What was measured so far was to warm up. */
  forget(): void {
    this.#slices.clear();
  }

  /** The median over the rounds. */
  median(name: string, figure: (slice: Slice) => number): number {
    return quantiles(this.#of(name).map(figure)).p50;
  }

  /** The median of what two probes of one round make together, and the lower and upper quartile: noise of the machine hits both. */
  paired(one: string, other: string, figure: (one: Slice, other: Slice) => number): Spread {
    const others = this.#of(other);
    const figures = this.#of(one)
      .map((slice, at) => figure(slice, others[at]!))
      .filter(Number.isFinite) // a slice in which the machine did nothing has no share of anything
      .sort((low, high) => low - high);
    const at = (share: number) => figures[Math.floor((figures.length - 1) * share)] ?? 0;
    return { median: at(0.5), lower: at(0.25), upper: at(0.75) };
  }

  #of(name: string): readonly Slice[] {
    return this.#slices.get(name) ?? [];
  }

  async #measure({ inFlight, call }: Probe, seconds: number): Promise<Slice> {
    let calls = 0;
    const proxyBeforeUs = await this.#proxyCpuUs();
    const before = process.cpuUsage();
    const rate = await measureRate(seconds, inFlight, (count) => {
      calls++;
      return call(count);
    });
    const { user, system } = process.cpuUsage(before);
    const proxyUs = (await this.#proxyCpuUs()) - proxyBeforeUs;
    return { ...rate, clientCpuUs: (user + system) / calls, proxyCpuUs: proxyUs / calls };
  }
}

export interface Spread {
  readonly median: number;
  readonly lower: number;
  readonly upper: number;
}
