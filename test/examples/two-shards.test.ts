import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

describe('examples/two-shards.ts', () => {
  it('moves a bucket and loses both leaders without an error, and ends by itself', async () => {
    const file = fileURLToPath(new URL('../../examples/two-shards.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), file],
      { timeout: 50_000 },
    );
    expect(stdout).toContain('put 40 tokens: 20 on shard one, 20 on shard two\n');
    expect(stdout).toContain('took and refreshed 40, each once\n');
    expect(stdout).toMatch(/^bucket \d+ of new-\d+ moved from shard one to two$/m);
    expect(stdout).toMatch(/^killed ([abc]), the leader of shard one; now (?!\1)[abc] leads$/m);
    expect(stdout).toMatch(/^killed ([abc]), the leader of shard two; now (?!\1)[abc] leads$/m);
    expect(stdout).toMatch(/^\d+ calls, 0 errors, 0 tokens lost; the slowest call took \d+ ms\n$/m);
  }, 60_000);
});
