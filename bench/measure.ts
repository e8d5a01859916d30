/** Durations in ms, rounded to microseconds. */
export interface Quantiles {
  readonly n: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface Rate {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

export function quantiles(samples: readonly number[]): Quantiles {
  const sorted = Float64Array.from(samples).sort();
  const at = (share: number) =>
    rounded(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return { n: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

export function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

/** Keeps `inFlight` calls open for so long, after a warm-up of a fifth of it, and counts what ended inside. */
export async function measureRate(
  seconds: number,
  inFlight: number,
  call: (count: number) => Promise<unknown>,
): Promise<Rate> {
  const samples: number[] = [];
  const startAt = performance.now() + seconds * 200;
  const endAt = startAt + seconds * 1_000;
  let count = 0;
  const loop = async () => {
    for (;;) {
      const sentAt = performance.now();
      if (sentAt > endAt) return;
      await call(count++);
      const now = performance.now();
      if (now > startAt && now <= endAt) samples.push(now - sentAt);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  const { p50, p99 } = quantiles(samples);
  return { perSecond: Math.round(samples.length / seconds), p50, p99 };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A line of a table: what, figure, yardstick, and how many times the yardstick it is. */
export function row(
  what: string,
  figure: string,
  yardstick = '',
  ratio: number | undefined = undefined,
): string {
  const times = ratio === undefined ? '' : `x ${ratio.toFixed(2)}`;
  return `  ${what.padEnd(34)}${figure.padStart(24)}   ${yardstick.padEnd(34)}${times}`.trimEnd();
}
