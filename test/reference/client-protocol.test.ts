import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { backlogMax, windowMax } from '../../src/client/request-window.ts';
import { queueLimits } from '../../src/queue/limits.ts';
import { serviceRefusals } from '../../src/wire/client-frame.ts';
import {
  clientHeaderBytes,
  clientHeaderLayout,
  clientVersion,
  frameKinds,
  hopsMax,
} from '../../src/wire/client-header.ts';
import { operationCodes } from '../../src/wire/queue-operation.ts';

const page = readFileSync(new URL('../../docs/reference/client-protocol.md', import.meta.url), 'utf8');

/** The rows of the table whose first heading is given, without backticks. */
function table(heading: string): readonly (readonly string[])[] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} |`));
  expect(start, `no table with the heading ${heading}`).toBeGreaterThan(0);
  const end = lines.findIndex((line, index) => index > start && !line.startsWith('|'));
  return lines.slice(start + 2, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
}
const pairs = (heading: string): readonly (readonly [string, number])[] =>
  table(heading).map(([name = '', code]) => [name, Number(code)]);

describe('docs/reference/client-protocol.md', () => {
  it('has the header of the code, field by field, without a gap', () => {
    expect(pairs('field')).toEqual(Object.entries(clientHeaderLayout).sort(([, a], [, b]) => a - b));
    let offset = 0;
    for (const [, at, bytes] of table('field')) {
      expect(Number(at)).toBe(offset);
      offset += Number(bytes);
    }
    expect(offset).toBe(clientHeaderBytes);
    expect(page).toContain(`${clientHeaderBytes} bytes, big-endian`);
    expect(page).toContain(`Version ${clientVersion}.`);
    expect(page).toContain(`at most ${hopsMax}`);
  });

  it('has the kinds, refusals and operations of the code, all of them', () => {
    expect(pairs('kind')).toEqual(Object.entries(frameKinds));
    expect(pairs('refused')).toEqual(serviceRefusals.map((code, value) => [code, value]));
    expect(pairs('operation')).toEqual(Object.entries(operationCodes));
  });

  it('has the bounds of the code', () => {
    const values = table('bound').map(([, value]) => value);
    const known = [windowMax, backlogMax, queueLimits.payloadBytesMax].map((value) =>
      value.toLocaleString('en-US'),
    );
    expect(values).toEqual(expect.arrayContaining(known));
  });
});
