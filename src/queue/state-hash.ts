/**
 * A 64-bit hash of plain values, the same on every machine: two lanes of 32-bit multiplications. It tells different states and
 * bodies apart by accident, not against someone who looks for collisions.
 */
export class StateHash {
  #low = 0xdeadbeef | 0;
  #high = 0x41c6ce57 | 0;

  get low(): number {
    return mix(this.#low, this.#high);
  }

  get high(): number {
    return mix(this.#high, this.#low);
  }

  /** Adds any plain value: keys of objects are sorted, a missing key equals an undefined one. */
  value(value: unknown): this {
    if (typeof value === 'string') return this.text(value);
    if (typeof value === 'number') return this.number(value);
    if (typeof value === 'boolean') return this.#word(value ? 2 : 3);
    if (value instanceof Uint8Array) return this.bytes(value);
    if (Array.isArray(value)) return this.#list(value);
    if (typeof value === 'object' && value !== null) return this.#object(value);
    return this.#word(1);
  }

  number(value: number): this {
    return this.#word(4)
      .#word(value | 0)
      .#word(Math.floor(value / 0x1_0000_0000) | 0);
  }

  text(value: string): this {
    this.#word(5).#word(value.length);
    for (let at = 0; at < value.length; at += 1) this.#word(value.charCodeAt(at));
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#word(6).#word(value.length);
    const whole = value.length - (value.length % 4);
    for (let at = 0; at < whole; at += 4) {
      this.#word(value[at]! | (value[at + 1]! << 8) | (value[at + 2]! << 16) | (value[at + 3]! << 24));
    }
    for (let at = whole; at < value.length; at += 1) this.#word(value[at]!);
    return this;
  }

  #list(values: readonly unknown[]): this {
    this.#word(7).#word(values.length);
    for (const value of values) this.value(value);
    return this;
  }

  #object(value: object): this {
    const entries = Object.entries(value).filter(([, field]) => field !== undefined);
    entries.sort(([left], [right]) => (left < right ? -1 : 1));
    this.#word(8).#word(entries.length);
    for (const [name, field] of entries) this.text(name).value(field);
    return this;
  }

  #word(word: number): this {
    this.#low = Math.imul(this.#low ^ word, 0x9e3779b1);
    this.#low ^= this.#low >>> 15;
    this.#high = Math.imul(this.#high ^ word, 0x5f356495);
    this.#high ^= this.#high >>> 13;
    return this;
  }
}

/** The hash of a set: the order in which its members are added does not matter. */
export class SetHash {
  #low = 0;
  #high = 0;

  add(member: StateHash): void {
    this.#low = (this.#low + member.low) | 0;
    this.#high = (this.#high + member.high) | 0;
  }

  hex(): string {
    return hex(this.#high) + hex(this.#low);
  }
}

/** @returns 16 hexadecimal digits for any plain value. */
export function hashOf(value: unknown): string {
  const hash = new StateHash().value(value);
  return hex(hash.high) + hex(hash.low);
}

function mix(own: number, other: number): number {
  let word = Math.imul(own ^ (own >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (other >>> 16) ^ other) | 0;
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
