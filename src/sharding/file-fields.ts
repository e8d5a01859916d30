import type { ShardFileProblem } from '../base/errors.ts';
import { isName } from '../base/ids.ts';
import { nearest } from '../base/nearest.ts';
import type { JsonObject, JsonValue } from './json-text.ts';

/** Beyond it, further problems are counted and not listed. */
const problemsMax = 100;

/** Collects what is wrong instead of stopping at the first: one look at the list, one edit of the file. */
export class Problems {
  readonly #found: ShardFileProblem[] = [];
  #count = 0;

  add(path: string, message: string): void {
    this.#count++;
    if (this.#found.length < problemsMax) this.#found.push({ path, message });
  }

  /** True if further problems are only counted: no need to word them well. */
  get isFull(): boolean {
    return this.#count >= problemsMax;
  }

  get count(): number {
    return this.#count;
  }

  get list(): readonly ShardFileProblem[] {
    const more = this.#count - this.#found.length;
    return more === 0 ? this.#found : [...this.#found, { path: '', message: `and ${more} more problems` }];
  }
}

/** The fields of one object of the file, checked one by one; what is wrong goes to the list and reads as undefined. */
export class Fields {
  readonly path: string;
  readonly #object: JsonObject;
  readonly #problems: Problems;

  constructor(path: string, object: JsonObject, problems: Problems) {
    this.path = path;
    this.#object = object;
    this.#problems = problems;
  }

  has(key: string): boolean {
    return this.#object.has(key);
  }

  get(key: string): JsonValue | undefined {
    return this.#object.get(key);
  }

  /** Reports every key that is not one of these, with the nearest that is, or with what is said of those known elsewhere. */
  only(keys: readonly string[], elsewhere: Readonly<Record<string, string>> = {}): void {
    for (const key of this.#object.keys()) {
      if (keys.includes(key)) continue;
      if (Object.hasOwn(elsewhere, key)) {
        this.#problems.add(pathOf(this.path, key), elsewhere[key]!);
        continue;
      }
      const meant = this.#problems.isFull
        ? undefined
        : nearest(
            key,
            keys.filter((known) => !this.#object.has(known)),
          );
      const advice = meant === undefined ? `known here: ${keys.join(', ')}` : `did you mean ${meant}?`;
      this.#problems.add(pathOf(this.path, key), `unknown key; ${advice}`);
    }
  }

  integer(key: string, min: number, max: number, otherwise?: number): number | undefined {
    const value = this.#object.has(key) ? this.#object.get(key) : otherwise;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    return this.#wrong(key, value, `a whole number from ${min} to ${max}`);
  }

  name(key: string, otherwise?: string): string | undefined {
    const value = this.#object.has(key) ? this.#object.get(key) : otherwise;
    if (typeof value === 'string' && isName(value)) return value;
    return this.#wrong(key, value, nameRule);
  }

  oneOf<T extends string>(key: string, allowed: readonly T[], otherwise: T): T | undefined {
    const value = this.#object.get(key);
    if (value === undefined) return otherwise;
    const found = allowed.find((each) => each === value);
    if (found !== undefined) return found;
    const meant = typeof value === 'string' ? nearest(value, allowed) : undefined;
    return this.#wrong(
      key,
      value,
      `one of ${allowed.join(', ')}${meant === undefined ? '' : ` (did you mean ${meant}?)`}`,
    );
  }

  array(key: string): readonly JsonValue[] | undefined {
    const value = this.#object.get(key);
    if (isArray(value)) return value;
    return this.#wrong(key, value, 'a list');
  }

  /** The members of an object, of which there is at least one and each has a name as its key. */
  members(key: string, what: string, max: number): readonly (readonly [string, JsonValue])[] {
    const value = this.#object.get(key);
    const path = pathOf(this.path, key);
    if (!isObject(value)) {
      this.#wrong(key, value, `an object with one key for each ${what}`);
      return [];
    }
    if (value.size === 0) this.#problems.add(path, `has no ${what}; add at least one`);
    if (value.size > max)
      this.#problems.add(path, `has ${value.size} ${what}s; at most ${max} fit into one file`);
    for (const name of value.keys())
      if (!isName(name)) this.#problems.add(pathOf(path, name), `the name of a ${what} must be ${nameRule}`);
    return [...value].slice(0, max);
  }

  #wrong(key: string, value: JsonValue | undefined, wanted: string): undefined {
    const path = pathOf(this.path, key);
    if (value === undefined) this.#problems.add(path, `is missing; it must be ${wanted}`);
    else this.#problems.add(path, `must be ${wanted}, got ${shown(value)}`);
    return undefined;
  }
}

const nameRule = '1 to 64 characters of A-Z a-z 0-9 . _ -';

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return value instanceof Map;
}

export function isArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

export function pathOf(path: string, key: string): string {
  const step = isName(key) ? key : JSON.stringify(key.length > 64 ? `${key.slice(0, 64)}…` : key);
  return path === '' ? step : `${path}.${step}`;
}

/** A value in a message: short, and never the whole of something long. */
export function shown(value: JsonValue): string {
  if (isObject(value)) return 'an object';
  if (isArray(value)) return 'a list';
  return typeof value === 'string' && value.length > 64
    ? `${JSON.stringify(value.slice(0, 64))}…`
    : JSON.stringify(value);
}
