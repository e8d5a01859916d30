import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as errors from '../../src/base/errors.ts';

const page = readFileSync(new URL('../../docs/reference/errors.md', import.meta.url), 'utf8');

function sample(name: string): errors.RaftsmanError | undefined {
  switch (name) {
    case 'BusyError':
      return new errors.BusyError('busy', 10);
    case 'LeadershipLostError':
      return new errors.LeadershipLostError(3, 'the lease ended');
    case 'HandshakeRefusedError':
      return new errors.HandshakeRefusedError('wrongSecret', 'refused');
    case 'NotLeaderError':
      return new errors.NotLeaderError('b');
    case 'ShardFileError':
      return new errors.ShardFileError([{ path: 'version', message: 'must rise' }]);
    default: {
      const candidate: unknown = Reflect.get(errors, name);
      if (typeof candidate !== 'function' || candidate === errors.RaftsmanError) return undefined;
      const made: unknown = Reflect.construct(candidate, ['text']);
      return errors.isRaftsmanError(made) ? made : undefined;
    }
  }
}

const samples = Object.keys(errors)
  .filter((name) => name.endsWith('Error') && name !== 'RaftsmanError' && name !== 'isRaftsmanError')
  .map((name) => ({ name, error: sample(name) }));

describe('docs/reference/errors.md', () => {
  it.each(samples)('$name has the row and the paragraph that the code says', ({ name, error }) => {
    if (error === undefined) throw new Error(`${name} is no RaftsmanError`);
    expect(error.name).toBe(name);
    const row = `| \`${error.code}\` | ${name} | ${error.retryable ? 'yes' : 'no'} | ${error.outcome} |`;
    expect(page).toContain(row);
    expect(page).toMatch(new RegExp(`^### ${error.code}\\n+\\S.{40,}`, 'm'));
  });

  it('names no code that does not exist', () => {
    const codes = new Set(samples.map(({ error }) => error?.code));
    const named = [...page.matchAll(/^\| `([A-Z_]+)` \|/gm)].map((match) => match[1]);
    expect(named.length).toBe(codes.size);
    for (const code of named) expect(codes).toContain(code);
  });
});
