/** A value of a JSON text. Objects are maps, so that no key is special and the order is that of the text. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export type JsonObject = ReadonlyMap<string, JsonValue>;

/** Where a text is not JSON, or says a thing twice. Line and column start at 1. */
export interface JsonFault {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export type JsonResult =
  | { readonly value: JsonValue; readonly twice: readonly JsonFault[] }
  | { readonly fault: JsonFault };

const depthMax = 32;
const twiceMax = 100;

/**
 * Reads strict JSON (RFC 8259), and unlike `JSON.parse` says where it fails and which keys stand twice in one object: a person
 * who edits a file must not lose half of it in silence.
 */
export function readJson(text: string): JsonResult {
  const reader = new JsonReader(text);
  try {
    return { value: reader.read(), twice: reader.twice };
  } catch (error) {
    if (error instanceof Fault) return { fault: faultAt(text, error.at, error.message) };
    throw error;
  }
}

class Fault extends Error {
  readonly at: number;

  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

const blanks = /[ \t\n\r]*/y;
const quotedText = /"[^"\\]*(?:\\.[^"\\]*)*"/sy;
const plainNumber = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const word = /[A-Za-z_$][\w$]*/y;
const words: ReadonlyMap<string, JsonValue> = new Map<string, JsonValue>([
  ['null', null],
  ['true', true],
  ['false', false],
]);

class JsonReader {
  readonly twice: JsonFault[] = [];
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): JsonValue {
    this.#match(blanks);
    const value = this.#value(0);
    this.#match(blanks);
    if (this.#at < this.#text.length) throw this.#unexpected('the end of the file');
    return value;
  }

  #value(depth: number): JsonValue {
    if (depth > depthMax) throw new Fault(this.#at, `more than ${depthMax} levels deep`);
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth);
      case '[':
        return this.#array(depth);
      case '"':
        return this.#string();
      default:
        return this.#scalar();
    }
  }

  #object(depth: number): JsonObject {
    const members = new Map<string, JsonValue>();
    this.#list('}', () => {
      const keyAt = this.#at;
      if (this.#text[keyAt] !== '"') throw this.#unexpected('a key in double quotes');
      const key = this.#string();
      this.#match(blanks);
      if (this.#text[this.#at] !== ':') throw this.#unexpected('a colon after the key');
      this.#at++;
      this.#match(blanks);
      if (members.has(key) && this.twice.length < twiceMax)
        this.twice.push(
          faultAt(this.#text, keyAt, `the key ${JSON.stringify(key)} stands twice in one object`),
        );
      members.set(key, this.#value(depth + 1));
    });
    return members;
  }

  #array(depth: number): readonly JsonValue[] {
    const items: JsonValue[] = [];
    this.#list(']', () => items.push(this.#value(depth + 1)));
    return items;
  }

  /** What stands between the opening character, which is next, and `close`, separated by commas. */
  #list(close: string, readItem: () => void): void {
    this.#at++;
    this.#match(blanks);
    if (this.#text[this.#at] === close) {
      this.#at++;
      return;
    }
    for (;;) {
      readItem();
      this.#match(blanks);
      const mark = this.#text[this.#at];
      if (mark !== ',' && mark !== close) throw this.#unexpected(`a comma or ${close}`);
      this.#at++;
      if (mark === close) return;
      this.#match(blanks);
      if (this.#text[this.#at] === close)
        throw new Fault(this.#at, `a comma before ${close} is one too many`);
    }
  }

  #string(): string {
    const from = this.#at;
    const quoted = this.#match(quotedText);
    if (quoted === undefined) throw new Fault(from, 'a string without its closing quote');
    try {
      const value: string = JSON.parse(quoted);
      return value;
    } catch {
      throw new Fault(from, 'a string with a line break, a control character or an unknown escape in it');
    }
  }

  #scalar(): JsonValue {
    const number = this.#match(plainNumber);
    if (number !== undefined) return Number(number);
    const from = this.#at;
    const name = this.#match(word);
    const value = words.get(name ?? '');
    if (value !== undefined) return value;
    this.#at = from;
    throw this.#unexpected('a value');
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #unexpected(wanted: string): Fault {
    const found = this.#text.codePointAt(this.#at);
    const what = found === undefined ? 'the end of the file' : JSON.stringify(String.fromCodePoint(found));
    return new Fault(this.#at, `expected ${wanted}, found ${what}`);
  }
}

function faultAt(text: string, at: number, message: string): JsonFault {
  const before = text.slice(0, at);
  return { line: before.split('\n').length, column: at - before.lastIndexOf('\n'), message };
}
