import type { Prng } from './prng.ts';

/** How a wire behaves; drawn per pair and direction. */
export interface WireProfile {
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
  /** Chance that a parcel is late by up to `spikeMs`; what follows it waits behind it. */
  readonly spikeChance: number;
  readonly spikeMs: number;
  readonly bytesPerMs: number;
}

export const quickWire: WireProfile = {
  delayMinMs: 0.1,
  delayMaxMs: 0.6,
  spikeChance: 0,
  spikeMs: 0,
  bytesPerMs: 100_000,
};

/** The state of every wire between two machines, one direction each. */
export class Wires {
  readonly #random: Prng;
  readonly #profiles = new Map<string, WireProfile>();
  readonly #blocked = new Map<string, readonly [from: string, to: string]>();
  #defaultProfile = quickWire;

  constructor(random: Prng) {
    this.#random = random;
  }

  setAll(profile: WireProfile): void {
    this.#defaultProfile = profile;
    this.#profiles.clear();
  }

  set(from: string, to: string, profile: WireProfile): void {
    this.#profiles.set(wire(from, to), profile);
  }

  isBlocked(from: string, to: string): boolean {
    return this.#blocked.has(wire(from, to));
  }

  block(from: string, to: string): void {
    this.#blocked.set(wire(from, to), [from, to]);
  }

  /** @returns true if it was blocked. */
  unblock(from: string, to: string): boolean {
    return this.#blocked.delete(wire(from, to));
  }

  blocked(): readonly (readonly [from: string, to: string])[] {
    return [...this.#blocked.values()];
  }

  /** How long so many bytes take from one machine to the other. */
  drawMs(from: string, to: string, bytes: number): number {
    const profile = this.#profiles.get(wire(from, to)) ?? this.#defaultProfile;
    const spike = this.#random.chance(profile.spikeChance) ? this.#random.between(0, profile.spikeMs) : 0;
    return this.#random.between(profile.delayMinMs, profile.delayMaxMs) + bytes / profile.bytesPerMs + spike;
  }
}

function wire(from: string, to: string): string {
  return `${from}>${to}`;
}
