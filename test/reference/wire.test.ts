import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { secretBytesMin } from '../../src/mesh/keyring.ts';
import * as meshLimits from '../../src/mesh/limits.ts';
import * as socketLimits from '../../src/transport/websocket/limits.ts';
import { linkCodes, refusalCodes } from '../../src/wire/close-codes.ts';
import { handshakeMagic, keyIdBytes, linkKinds, macBytes, nonceBytes } from '../../src/wire/handshake.ts';
import * as wireLimits from '../../src/wire/limits.ts';
import { peerVersion } from '../../src/wire/peer-frame.ts';
import { messageKinds, messageLengths, voteRefusals } from '../../src/wire/raft-messages.ts';

const page = readFileSync(new URL('../../docs/reference/wire.md', import.meta.url), 'utf8');

/** The rows of the table whose first heading is given, without backticks. */
function table(heading: string): readonly (readonly string[])[] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} |`));
  expect(start, `no table with the heading ${heading}`).toBeGreaterThan(0);
  const rows: string[][] = [];
  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith('|')) break;
    rows.push(
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
  }
  return rows;
}

describe('docs/reference/wire.md', () => {
  it('has the close codes of the code, all of them', () => {
    const refusals = table('refusal').map(([name, code]) => [name, Number(code)]);
    expect(refusals).toEqual(Object.entries(refusalCodes));
    const ends = table('end').map(([name, code]) => [name, Number(code)]);
    expect(ends).toEqual(Object.entries(linkCodes));
  });

  it('has the messages of the code, with their kinds and number of fields', () => {
    const rows = table('message').map(([name, kind, fields]) => [
      name,
      Number(kind),
      (fields ?? '').split(',').length + 1,
    ]);
    const known = Object.entries(messageKinds).map(([name, kind]) => [
      name,
      kind,
      Object.entries(messageLengths).find(([type]) => type === name)?.[1],
    ]);
    expect(rows).toEqual(known);
    expect(page).toContain(`the tuple \`[${peerVersion}, item, ...]\``);
  });

  it('has the refusals of a vote', () => {
    const rows = table('refused').map(([name, value]) => [
      name === 'granted' ? undefined : name,
      Number(value),
    ]);
    expect(rows).toEqual(voteRefusals.map((refusal, value) => [refusal, value]));
  });

  it('has the limits of the code', () => {
    const known: Readonly<Record<string, unknown>> = {
      ...wireLimits,
      ...meshLimits,
      ...socketLimits,
      secretBytesMin,
    };
    for (const [name, value] of table('limit'))
      expect([name, known[name ?? '']]).toEqual([name, Number(value)]);
    const named = new Set(table('limit').map(([name]) => name));
    for (const name of Object.keys(wireLimits)) expect(named, `${name} is not on the page`).toContain(name);
  });

  it('has the first steps of Dials and the sizes of the handshake', () => {
    const { first, longest } = meshLimits.backoffMs;
    expect(page).toContain(
      `wait ${first} ms at first, then twice as long each time up to ${longest / 1_000} s`,
    );
    const frames = new Map(table('frame').map(([name, , fields]) => [name, fields]));
    expect(frames.get('hello')).toContain(handshakeMagic);
    expect(frames.get('hello')).toContain(`nonce (${nonceBytes} bytes)`);
    expect(frames.get('hello')).toContain(
      `kind (0 ${linkKinds[0] === 'peer' ? 'member' : ''}, 1 ${linkKinds[1]})`,
    );
    expect(frames.get('proof')).toContain(`keyId (${keyIdBytes} bytes)`);
    expect(frames.get('proof')).toContain(`mac (${macBytes} bytes)`);
    expect(page).toContain(`subprotocol \`${socketLimits.subprotocol}\``);
  });
});
