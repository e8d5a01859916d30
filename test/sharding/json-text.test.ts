import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type JsonValue, readJson } from '../../src/sharding/json-text.ts';

function plain(value: JsonValue): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

describe('reading JSON', () => {
  it('accepts and refuses what JSON.parse does, with equal values', () => {
    const near = fc
      .tuple(
        fc.json({ maxDepth: 4 }),
        fc.nat(200),
        fc.constantFrom('', ',', '"', '}', '0', '\\', '\n', 'e', '-'),
      )
      .map(([text, at, extra]) => text.slice(0, at) + extra + text.slice(at));
    fc.assert(
      fc.property(fc.oneof(fc.json({ maxDepth: 4 }), near, fc.string()), (text) => {
        const expected = parsed(text);
        const result = readJson(text);
        if ('fault' in result) expect(expected, text).toBeUndefined();
        else if (result.twice.length === 0) expect(plain(result.value)).toEqual(expected?.value);
        else expect(expected).toBeDefined();
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['{"a": 1,\n "b": tru}', 2, 7, 'expected a value, found "t"'],
    ['{"a" 1}', 1, 6, 'expected a colon after the key, found "1"'],
    ['{a: 1}', 1, 2, 'expected a key in double quotes, found "a"'],
    ["{'a': 1}", 1, 2, 'expected a key in double quotes, found "\'"'],
    ['[1, 2', 1, 6, 'expected a comma or ], found the end of the file'],
    ['{"a": "b', 1, 7, 'a string without its closing quote'],
    ['"a\nb"', 1, 1, 'a string with a line break, a control character or an unknown escape in it'],
    ['"\\x"', 1, 1, 'a string with a line break, a control character or an unknown escape in it'],
    ['{} 😀', 1, 4, 'expected the end of the file, found "😀"'],
    ['// hello\n{}', 1, 1, 'expected a value, found "/"'],
    ['NaN', 1, 1, 'expected a value, found "N"'],
  ])('%j fails at line %i, column %i: %s', (text, line, column, message) => {
    expect(readJson(text)).toEqual({ fault: { line, column, message } });
  });

  it('reports each key that stands twice, at the second place, and keeps none of the names special', () => {
    expect(readJson('{"a": 1,\n "__proto__": 2, "a": 3,\n "a": 4}')).toEqual({
      value: new Map([
        ['a', 4],
        ['__proto__', 2],
      ]),
      twice: [
        { line: 2, column: 18, message: 'the key "a" stands twice in one object' },
        { line: 3, column: 2, message: 'the key "a" stands twice in one object' },
      ],
    });
  });
});
