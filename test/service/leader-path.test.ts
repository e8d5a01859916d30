import { describe, expect, it } from 'vitest';
import { clientId, nodeId } from '../../src/base/ids.ts';
import type { QueueResult } from '../../src/queue/types.ts';
import type { Answer } from '../../src/service/answers.ts';
import { LeaderPath } from '../../src/service/leader-path.ts';
import { blankHeader } from '../../src/wire/client-header.ts';
import { encodeResult } from '../../src/wire/queue-result.ts';
import { TestCluster } from './test-cluster.ts';

/** A request that was on its way to one leader when another came, and what the log says to it there. */
function answeredAfterFailover(
  result: QueueResult,
  kind: 'request' | 'attach' = 'request',
): readonly string[] {
  const cluster = new TestCluster();
  const { clock } = cluster;
  cluster.lead('a');
  const sent: string[] = [];
  const path = new LeaderPath(cluster.node('b').group, clock, (to) => {
    sent.push(to);
    return true;
  });
  path.onView();
  const told: Answer[] = [];
  const header = {
    ...blankHeader,
    kind,
    client: clientId('a'.repeat(32)),
    stream: 1,
    seq: 1,
  } as const;
  const carried = {
    header,
    body: new Uint8Array(1),
    deadlineMs: clock.monotonicMs() + 60_000,
    waitUntilMs: 0,
  };
  const correlation = path.open(carried, (answer) => told.push(answer)) ?? 0;
  path.dispatch(correlation);
  cluster.lead('c');
  path.onView();
  expect(sent).toEqual(['a', 'c'].map(nodeId));
  path.onAnswer(correlation, { kind: 'result', index: 9, body: encodeResult(result) });
  path.close();
  return told.map((answer) => answer.kind);
}

describe('the way to the leader', () => {
  it.each(['BUSY', 'CLIENT_EXPIRED'] as const)(
    'takes %s of the log for no word on an attempt before: it is remembered nowhere',
    (code) => {
      expect(answeredAfterFailover({ type: 'refused', code, message: '' })).toEqual(['unknown']);
    },
  );

  it('hands on that an attach names a client that is forgotten: that is so, whatever became of an attempt before', () => {
    const forgotten = { type: 'refused', code: 'CLIENT_EXPIRED', message: '' } as const;
    expect(answeredAfterFailover(forgotten, 'attach')).toEqual(['result']);
  });

  it('takes for final what the log remembers', () => {
    expect(answeredAfterFailover({ type: 'refused', code: 'OVERTAKEN', message: '' })).toEqual(['result']);
    expect(answeredAfterFailover({ type: 'put', version: 1, created: true })).toEqual(['result']);
  });
});
