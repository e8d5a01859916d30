import { describe, expect, it } from 'vitest';
import { keys, put, refused, resultOf, ScriptedFront, tableOf, taskOf, watched } from './scripted-front.ts';

const [first, second] = keys;
const words = 'shard two did not answer in time; no leader is known; a (ws://a): it is a proxy';

function start(code: 'DEADLINE_EXCEEDED' | 'FORBIDDEN', message: string) {
  const front = new ScriptedFront(tableOf(1, [1, 2, 1, 2]));
  front.answer = () => resultOf(put);
  front.notAttached.set(2, refused(code, message));
  return { front, tokens: front.connect().queue('tokens') };
}

describe('a request for a shard where no session could be attached', () => {
  it('ends with what was said of the shard; the others are not disturbed', async () => {
    const { front, tokens } = start('DEADLINE_EXCEEDED', words);
    const late = watched(tokens.put(taskOf(second), { timeoutMs: 400 }));
    const taken = watched(tokens.setPolicy({ leadMs: 1 }, { timeoutMs: 400 }));
    const fine = tokens.put(taskOf(first), { timeoutMs: 400 });
    await front.clock.advance(500);
    await expect(fine).resolves.toMatchObject({ version: 1 });
    for (const each of [late, taken]) {
      await expect(each).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', outcome: 'refused' });
      await expect(each).rejects.toThrow(words);
    }
    expect(front.of('put').map(({ header }) => header.group)).toEqual([1]);
  });

  it('is forbidden if the attach was: waiting longer would not help', async () => {
    const { front, tokens } = start('FORBIDDEN', "this secret does not allow 'proxy'");
    const late = watched(tokens.put(taskOf(second), { timeoutMs: 400 }));
    await front.clock.advance(500);
    await expect(late).rejects.toMatchObject({ code: 'FORBIDDEN', outcome: 'refused' });
    await expect(late).rejects.toThrow("this secret does not allow 'proxy'");
  });

  it('goes on when it can be attached after all, and what was said is forgotten', async () => {
    const { front, tokens } = start('FORBIDDEN', 'no');
    const late = tokens.put(taskOf(second), { timeoutMs: 1_000 });
    await front.clock.advance(200);
    front.notAttached.clear();
    await front.clock.advance(200);
    await expect(late).resolves.toMatchObject({ version: 1 });
    front.notAttached.set(2, undefined);
    front.cut();
    const silent = watched(tokens.put(taskOf(second), { timeoutMs: 400 }));
    await front.clock.advance(500);
    await expect(silent).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: 'no answer came in time',
    });
  });

  it('is told so before the attach is asked again: whoever carries it has the shorter time', async () => {
    const { front } = start('FORBIDDEN', 'no');
    await front.clock.advance(10);
    expect(front.kind('attach').map(({ remainingMs }) => remainingMs)).toEqual([2_300, 2_300]);
  });
});
