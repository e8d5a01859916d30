import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rampWindow } from '../../src/client/router/backlog.ts';
import { frozenHoldMs, frozenRetryMs } from '../../src/client/router/bucket-holds.ts';
import { busyRetryMs } from '../../src/client/router/lane.ts';
import { shardBytesMax, shardRequestsMax, shardTakesMax } from '../../src/client/router/types.ts';
import { hopsMax } from '../../src/wire/client-header.ts';
import { root } from '../source-files.ts';

const page = readFileSync(join(root, 'docs/reference/router.md'), 'utf8');
const shown = (value: number): string => value.toLocaleString('en-US');

describe('docs/reference/router.md', () => {
  it.each([
    ['requests held and under way', shown(shardRequestsMax)],
    ['takes that wait', shown(shardTakesMax)],
    ['bytes held and under way', `${shardBytesMax / 1024 ** 2} MiB`],
    [
      'asking for the owner of a bucket that is frozen',
      `every ${frozenRetryMs} ms, ${shown(frozenHoldMs)} ms`,
    ],
    ['how often one frame is passed on', shown(hopsMax)],
  ])('gives the bound of the code: %s', (name, value) => {
    expect(page).toContain(`| ${name} | ${value} |`);
  });

  it('gives the ramp and the time after which to call again', () => {
    expect(page).toContain(`${rampWindow} are under way at first`);
    expect(page).toContain(`\`retryAfterMs\` ${busyRetryMs} `);
  });
});
