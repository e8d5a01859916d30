const linesKept = 400;
const words = new Uint32Array(2);
const float = new Float64Array(words.buffer);

/** What happened, for people (the last lines) and for comparison (a running hash over everything). */
export class Trace {
  readonly #lines: string[] = [];
  #hash = 0x811c9dc5;
  #listener: ((line: string) => void) | undefined;

  /** Calls back with every line from now on, for a replay. */
  follow(listener: (line: string) => void): void {
    this.#listener = listener;
  }

  get isFollowed(): boolean {
    return this.#listener !== undefined;
  }

  note(atMs: number, text: string): void {
    const line = `${atMs.toFixed(3).padStart(12)} ${text}`;
    for (let i = 0; i < line.length; i += 1)
      this.#hash = Math.imul(this.#hash ^ line.charCodeAt(i), 0x01000193);
    this.#listener?.(line);
    if (this.#lines.push(line) > linesKept * 2) this.#lines.splice(0, linesKept);
  }

  /** Adds a number to the hash without a line. */
  mix(value: number): void {
    float[0] = value;
    this.#hash = Math.imul(this.#hash ^ words[0]!, 0x01000193);
    this.#hash = Math.imul(this.#hash ^ words[1]!, 0x01000193);
  }

  mixBytes(bytes: Uint8Array): void {
    let hash = this.#hash;
    for (let i = 0; i < bytes.length; i += 1) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    this.#hash = hash;
  }

  hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  last(count: number): readonly string[] {
    return this.#lines.slice(-count);
  }
}
