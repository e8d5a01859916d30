import { describe, expect, it } from 'vitest';
import { Judge } from '../../../src/simulation/checkers/judge.ts';
import { type Handed, QueueHistory } from '../../../src/simulation/checkers/queue-history.ts';

const broken = (judge: Judge): string[] => judge.violations.map((violation) => violation.invariant);

function make(): { judge: Judge; history: QueueHistory } {
  const judge = new Judge(() => 0);
  return { judge, history: new QueueHistory(judge) };
}

/** A put of `x` at [at, at + 1] that got `version`. */
function put(history: QueueHistory, at: number, content: string, version: number): void {
  history.end(history.begin('put', 'x', at, 0, content), 'ok', at + 1, version);
}

function given(at: number, fence: number, content: string, version: number, holder = 'w1'): Handed {
  return { id: 'x', fence, content, version, holder, startedMs: at, endedMs: at + 1 };
}

function ack(history: QueueHistory, at: number, fence: number, content: string): void {
  history.end(history.begin('ack', 'x', at, fence, content), 'ok', at + 1);
}

describe('the books of a queue', () => {
  it('accept put, take, ack, take and a read', () => {
    const { judge, history } = make();
    put(history, 0, 'p', 1);
    history.handed(given(2, 1, 'p', 1));
    ack(history, 4, 1, 'q');
    history.read('x', 6, 7, { content: 'q', version: 2 });
    history.handed(given(8, 2, 'q', 2, 'w2'));
    history.final('x', { content: 'q', version: 2 });
    expect(broken(judge)).toEqual([]);
  });

  it('reject a lost task (Q1) and a version given twice (Q1)', () => {
    const { judge, history } = make();
    put(history, 0, 'p', 1);
    put(history, 2, 'q', 1);
    history.final('x', undefined);
    expect(history.mustExist()).toEqual(['x']);
    expect(broken(judge)).toEqual(['Q1', 'Q1']);
  });

  it('let a task be gone after a removal that may have been applied', () => {
    const { judge, history } = make();
    put(history, 0, 'p', 1);
    history.handed(given(2, 1, 'p', 1));
    history.end(history.begin('ackDone', 'x', 4, 1), 'unknown', 9);
    history.final('x', undefined);
    expect(history.mustExist()).toEqual([]);
    expect(broken(judge)).toEqual([]);
  });

  it('reject content nobody stored (Q2)', () => {
    const { judge, history } = make();
    put(history, 0, 'p', 1);
    history.handed(given(2, 1, 'other', 1));
    history.read('x', 4, 5, { content: 'phantom', version: 1 });
    expect(broken(judge)).toEqual(['Q2', 'Q2']);
  });

  it('reject two acks under one fence (Q3)', () => {
    const { judge, history } = make();
    put(history, 0, 'p', 1);
    history.handed(given(2, 1, 'p', 1));
    ack(history, 4, 1, 'q');
    ack(history, 4, 1, 'r');
    expect(broken(judge)).toEqual(['Q3']);
  });

  it('reject a task that comes back under an acked fence (Q3)', () => {
    const { judge, history } = make();
    put(history, 0, 'p', 1);
    history.handed(given(2, 2, 'p', 1));
    ack(history, 4, 2, 'q');
    history.handed(given(6, 1, 'q', 2));
    expect(broken(judge)).toEqual(['I12', 'Q3']);
  });

  it('reject two holders under one fence (I16), and a fence that falls (I12)', () => {
    const { judge, history } = make();
    put(history, 0, 'p', 1);
    history.handed(given(2, 3, 'p', 1));
    history.handed(given(2, 3, 'p', 1, 'w2'));
    history.handed(given(4, 2, 'p', 1));
    expect(broken(judge)).toEqual(['I16', 'I12']);
  });

  it('reject an ack under a fence that was over when it was sent (I16)', () => {
    const { judge, history } = make();
    put(history, 0, 'p', 1);
    history.handed(given(2, 1, 'p', 1));
    history.handed(given(10, 2, 'p', 1, 'w2'));
    ack(history, 20, 1, 'late');
    expect(broken(judge)).toEqual(['I16']);
  });

  it('accept an ack that was under way when the next fence was given out', () => {
    const { judge, history } = make();
    put(history, 0, 'p', 1);
    history.handed(given(2, 1, 'p', 1));
    const operation = history.begin('ack', 'x', 4, 1, 'q');
    history.handed(given(10, 2, 'q', 2, 'w2'));
    history.end(operation, 'ok', 12);
    expect(broken(judge)).toEqual([]);
  });

  it('reject a read, or a take, that shows an older version than was known when it began (I11)', () => {
    const { judge, history } = make();
    put(history, 0, 'p', 1);
    put(history, 2, 'q', 2);
    history.read('x', 4, 5, { content: 'p', version: 1 });
    history.handed(given(4, 1, 'p', 1));
    history.read('x', 4, 5, undefined);
    history.read('x', 2, 5, { content: 'p', version: 1 });
    expect(broken(judge)).toEqual(['I11', 'I11', 'I11']);
  });

  it('reject a write that was applied twice, or an acknowledged one that was not (P1)', () => {
    const twice = make();
    put(twice.history, 0, 'p', 1);
    twice.history.final('x', { content: 'p', version: 2 });
    expect(broken(twice.judge)).toEqual(['P1']);

    const lost = make();
    put(lost.history, 0, 'p', 1);
    lost.history.handed(given(2, 1, 'p', 1));
    ack(lost.history, 4, 1, 'q');
    lost.history.final('x', { content: 'p', version: 1 });
    expect(broken(lost.judge)).toContain('P1');

    const unknown = make();
    put(unknown.history, 0, 'p', 1);
    unknown.history.end(unknown.history.begin('put', 'x', 2, 0, 'q'), 'unknown', 3);
    unknown.history.end(unknown.history.begin('put', 'x', 4, 0, 'r'), 'refused', 5);
    unknown.history.final('x', { content: 'q', version: 2 });
    expect(broken(unknown.judge)).toEqual([]);
  });
});
