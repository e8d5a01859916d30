import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { backlogMax, windowMax } from '../../src/client/request-window.ts';
import { permissions } from '../../src/mesh/types.ts';
import { queueLimits } from '../../src/queue/limits.ts';
import { manyClients, oneClient, sessionsPerLinkMax } from '../../src/service/client-connection.ts';
import { serviceRefusals } from '../../src/wire/client-frame.ts';
import {
  clientHeaderBytes,
  clientHeaderLayout,
  clientVersion,
  frameKinds,
  hopsMax,
} from '../../src/wire/client-header.ts';
import { missingPermission } from '../../src/wire/operation-permissions.ts';
import { operationCodes } from '../../src/wire/queue-operation.ts';
import { logRefusals } from '../../src/wire/queue-result.ts';

type OperationType = keyof typeof operationCodes;

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
    expect(pairs('refused by the log')).toEqual(logRefusals.map((code, value) => [code, value]));
    expect(pairs('operation')).toEqual(Object.entries(operationCodes));
  });

  it('says which answers name another place, and what each operation needs', () => {
    expect(table('answer').map(([name]) => name)).toEqual(['notLeader', 'wrongShard', 'frozen']);
    for (const [name = '', , , needs = ''] of table('operation')) {
      const named = permissions.filter((each) => needs.includes(each));
      const type = Object.keys(operationCodes).find((each): each is OperationType => each === name);
      if (type === undefined) throw new Error(`${name} is no operation`);
      for (const each of permissions) {
        expect(missingPermission(new Set([each]), type) === undefined, `${name} with ${each}`).toBe(
          named.includes(each),
        );
      }
    }
  });

  it('has the bounds of the code', () => {
    const values = table('bound').map(([, value]) => value);
    const known = [windowMax, backlogMax, queueLimits.payloadBytesMax].map((value) =>
      value.toLocaleString('en-US'),
    );
    expect(values).toEqual(expect.arrayContaining(known));
    const ofLinks = (bound: string): string | undefined =>
      table('bound').find(([name]) => name?.startsWith(bound))?.[1];
    const mib = (bytes: number): string => `${bytes / 1024 / 1024} MiB`;
    expect(ofLinks('requests under way per link before')).toBe(oneClient.requests.toLocaleString('en-US'));
    expect(ofLinks('requests under way per link of a proxy')).toBe(
      manyClients.requests.toLocaleString('en-US'),
    );
    expect(ofLinks('takes that wait')).toBe(manyClients.waits.toLocaleString('en-US'));
    expect(ofLinks('bytes not taken by a client')).toBe(mib(oneClient.queuedBytes));
    expect(ofLinks('bytes not taken by a proxy')).toBe(mib(manyClients.queuedBytes));
    expect(ofLinks('bytes of requests')).toBe(mib(manyClients.requestBytes));
    expect(ofLinks('sessions per link')).toBe(`${sessionsPerLinkMax}`);
  });
});
