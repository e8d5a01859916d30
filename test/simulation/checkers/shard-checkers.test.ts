import { describe, expect, it } from 'vitest';
import { clientId } from '../../../src/base/ids.ts';
import { encodeCommandBatch } from '../../../src/node/command-batch.ts';
import { createPartitioner } from '../../../src/sharding/partitioner.ts';
import { CallerChecker } from '../../../src/simulation/checkers/caller-checker.ts';
import { EffectChecker } from '../../../src/simulation/checkers/effect-checker.ts';
import { HopChecker } from '../../../src/simulation/checkers/hop-checker.ts';
import { Judge } from '../../../src/simulation/checkers/judge.ts';
import { observedBucket } from '../../../src/simulation/checkers/observed-bucket.ts';
import {
  type ObservedClaim,
  type ObservedRequest,
  type ObservedResult,
  observeBatch,
  observeResult,
} from '../../../src/simulation/checkers/observed-command.ts';
import { frameCodes, observeBundle } from '../../../src/simulation/checkers/observed-frame.ts';
import { OwnershipChecker } from '../../../src/simulation/checkers/ownership-checker.ts';
import { Bundler } from '../../../src/wire/client-bundle.ts';
import { blankHeader, encodeFrame } from '../../../src/wire/client-header.ts';
import { encodeCommand } from '../../../src/wire/queue-codec.ts';
import { encodeResult } from '../../../src/wire/queue-result.ts';

const client = clientId('0123456789abcdef0123456789abcdef');
const a = { shard: 's1', namespace: 'tokens' };
const b = { shard: 's2', namespace: 'tokens' };
const key = 'key-1';
const bucketCount = 16;
const bucket = observedBucket(key, bucketCount);

const claim = (
  type: 'own' | 'disown',
  shard: string,
  version: number,
  epoch = 1,
  digest = 1,
): ObservedClaim => ({
  type: 'claim',
  claim: type,
  namespace: 'tokens',
  version,
  digest,
  bucketCount,
  shard,
  ranges: [{ from: bucket, to: bucket, epoch }],
});

const request = (seq: number, mapVersion: number, parts: Partial<ObservedRequest> = {}): ObservedRequest => ({
  type: 'request',
  id: `c/1/${seq}`,
  streamId: 'c/1',
  seq,
  settledUpTo: 0,
  mapVersion,
  operation: { kind: 'put', queue: 'tokens', key, fence: 0, content: `text ${seq}` },
  ...parts,
});

const result = (kind: ObservedResult['kind'], parts: Partial<ObservedResult> = {}): ObservedResult => ({
  kind,
  code: 0,
  isFrozen: false,
  taken: [],
  text: kind,
  ...parts,
});

describe('what checkers read for themselves', () => {
  it('agrees with what the codecs wrote', () => {
    const common = {
      client,
      stream: 2,
      seq: 7,
      settledUpTo: 5,
      mayWait: false,
      mapVersion: 3,
      inOrder: true,
    };
    const map = { namespace: 'tokens', version: 3, digest: 9, partitioner: 'buckets' as const, bucketCount };
    const batch = encodeCommandBatch([
      encodeCommand({
        type: 'request',
        request: common,
        operation: { type: 'ackDone', queue: 'tokens', id: key, fence: 12 },
      }),
      encodeCommand({
        type: 'claim',
        claim: { type: 'own', map, shard: 's2', ranges: [{ from: 1, to: 4, epoch: 2 }] },
      }),
      encodeCommand({
        type: 'claim',
        claim: { type: 'disown', map, to: 's1', ranges: [{ from: 3, to: 3 }] },
      }),
      encodeCommand({ type: 'settle', client, stream: 2, settledUpTo: 6 }),
      encodeCommand({ type: 'tick' }),
    ]);
    expect(observeBatch(batch)).toMatchObject([
      {
        type: 'request',
        id: `${client}/2/7`,
        settledUpTo: 5,
        mapVersion: 3,
        operation: { kind: 'ackDone', queue: 'tokens', key, fence: 12 },
      },
      {
        type: 'claim',
        claim: 'own',
        version: 3,
        digest: 9,
        shard: 's2',
        ranges: [{ from: 1, to: 4, epoch: 2 }],
      },
      { type: 'claim', claim: 'disown', shard: 's1', ranges: [{ from: 3, to: 3 }] },
      { type: 'settle', streamId: `${client}/2`, settledUpTo: 6 },
      { type: 'other' },
    ]);
    const redirect = { type: 'redirected', why: 'frozen', owner: undefined, version: 2 } as const;
    expect(observeResult(encodeResult(redirect))).toMatchObject({ kind: 'redirected', isFrozen: true });
    const never = { type: 'refused', code: 'NEVER_APPLIED', message: '' } as const;
    expect(observeResult(encodeResult(never))).toMatchObject({ kind: 'refused', code: 12 });
    const { bucketOf } = createPartitioner({ partitioner: 'buckets', bucketCount });
    for (const each of ['key-1', 'once-4', 'a much longer key']) {
      expect(observedBucket(each, bucketCount)).toBe(bucketOf(each));
    }
  });
});

describe('the ownership checker', () => {
  const make = (): { judge: Judge; checker: OwnershipChecker } => {
    const judge = new Judge(() => 0);
    return { judge, checker: new OwnershipChecker(judge) };
  };
  const broken = (run: (checker: OwnershipChecker) => void): readonly string[] => {
    const { judge, checker } = make();
    run(checker);
    return judge.violations.map(({ message }) => message);
  };

  it('accepts a founding, a move and a move back', () => {
    const messages = broken((checker) => {
      checker.claimed(a, claim('own', 's1', 1));
      checker.requested(a, request(1, 1), result('put'));
      checker.claimed(a, claim('disown', 's2', 2));
      checker.requested(a, request(2, 1), result('redirected'));
      checker.claimed(b, claim('own', 's2', 2, 2));
      checker.requested(b, request(2, 1), result('redirected'));
      checker.requested(b, request(2, 2), result('put'));
      checker.claimed(b, claim('disown', 's1', 3));
      checker.claimed(a, claim('own', 's1', 3, 3));
      checker.claimed(a, claim('own', 's1', 3, 3));
      checker.requested(a, request(3, 3), result('put'));
    });
    expect(messages).toEqual([]);
  });

  it('rejects two owners at once, one epoch twice, and epochs and versions that fall', () => {
    expect(
      broken((checker) => {
        checker.claimed(a, claim('own', 's1', 1));
        checker.claimed(b, claim('own', 's2', 2, 2));
      }),
    ).toEqual([`s1 and s2 own bucket ${bucket} at once`]);
    expect(
      broken((checker) => {
        checker.claimed(a, claim('own', 's1', 1));
        checker.claimed(a, claim('disown', 's2', 2));
        checker.claimed(b, claim('own', 's2', 2, 1));
      }).length,
    ).toBe(2);
    expect(
      broken((checker) => {
        checker.claimed(a, claim('own', 's1', 2));
        checker.claimed(a, claim('disown', 's2', 1));
      }),
    ).toEqual(['s1 accepted map 1 after 2']);
    expect(
      broken((checker) => {
        checker.claimed(a, claim('own', 's1', 2, 1, 7));
        checker.claimed(a, claim('disown', 's2', 2, 1, 8));
      }),
    ).toEqual(['s1 accepted two different maps of version 2']);
  });

  it('rejects a group that serves what it does not own, or a copy from before it owned it', () => {
    const gained = (checker: OwnershipChecker): void => {
      checker.claimed(a, claim('own', 's1', 1));
      checker.claimed(a, claim('disown', 's2', 2));
      checker.claimed(b, claim('own', 's2', 2, 2));
    };
    expect(
      broken((checker) => {
        gained(checker);
        checker.requested(a, request(1, 2), result('put'));
      }),
    ).toHaveLength(1);
    expect(
      broken((checker) => {
        gained(checker);
        checker.requested(b, request(1, 1), result('put'));
      }),
    ).toHaveLength(1);
    expect(broken((checker) => checker.requested(a, request(1, 1), result('put')))).toHaveLength(1);
    expect(
      broken((checker) => {
        gained(checker);
        checker.requested(b, request(1, 2), result('redirected'));
      }),
    ).toHaveLength(1);
  });
});

describe('the effect checker', () => {
  const broken = (run: (checker: EffectChecker) => void): readonly string[] => {
    const judge = new Judge(() => 0);
    run(new EffectChecker(judge, () => {}));
    return judge.violations.map(({ invariant }) => invariant);
  };

  it('accepts the same answer again, and copies that came too late', () => {
    expect(
      broken((checker) => {
        checker.requested(a, request(1, 1), result('put'));
        checker.requested(a, request(1, 1), result('put'));
        checker.requested(b, request(1, 1), result('redirected'));
        checker.requested(b, request(1, 1), result('refused', { code: 8 }));
      }),
    ).toEqual([]);
  });

  it('rejects a request that took effect twice, in one group or in two, under one id or two', () => {
    const twice = (second: ObservedRequest, where = a, text = 'another'): readonly string[] =>
      broken((checker) => {
        checker.requested(a, request(1, 1), result('put'));
        checker.requested(where, second, result('put', { text }));
      });
    expect(twice(request(1, 1))).toEqual(['Q6']);
    expect(twice(request(1, 1), b, 'put')).toEqual(['P1']);
    expect(twice({ ...request(1, 1), id: 'c/1/2', seq: 2 })).toEqual(['P1']);
  });

  it('rejects a request that is applied after it was resolved as never applied, and the reverse', () => {
    const resolve = request(1, 1, {
      operation: { kind: 'resolve', queue: 'tokens', key, fence: 0, content: '' },
    });
    const never = result('refused', { code: 12 });
    expect(
      broken((checker) => {
        checker.requested(a, resolve, never);
        checker.requested(b, request(1, 1), result('put'));
      }),
    ).toEqual(['P1']);
    expect(
      broken((checker) => {
        checker.requested(a, request(1, 1), result('put'));
        checker.requested(b, resolve, never);
      }),
    ).toEqual(['P1']);
  });

  it('rejects a bucket that is given up while it holds a task or an answer that is not settled', () => {
    const gone = { ...request(2, 1), operation: { ...request(2, 1).operation, kind: 'ackDone' as const } };
    const disown = claim('disown', 's2', 2);
    expect(
      broken((checker) => {
        checker.requested(a, request(1, 1), result('put'));
        checker.disowned(a, disown);
      }),
    ).toEqual(['P3', 'P1']);
    expect(
      broken((checker) => {
        checker.requested(a, request(1, 1), result('put'));
        checker.requested(a, gone, result('done'));
        checker.settled(a, { type: 'settle', streamId: 'c/1', settledUpTo: 1 });
        checker.disowned(a, disown);
      }),
    ).toEqual(['P1']);
    expect(
      broken((checker) => {
        checker.requested(a, request(1, 1), result('put'));
        checker.requested(a, gone, result('done'));
        checker.settled(a, { type: 'settle', streamId: 'c/1', settledUpTo: 2 });
        checker.disowned(a, disown);
      }),
    ).toEqual([]);
  });
});

describe('the caller checker', () => {
  const make = (): {
    judge: Judge;
    callers: CallerChecker;
    effects: EffectChecker;
    at: (ms: number) => void;
    apply: (seq: number, stream?: number) => void;
  } => {
    let nowMs = 0;
    const judge = new Judge(() => nowMs);
    const callers = new CallerChecker(judge, () => nowMs);
    const effects = new EffectChecker(judge, (deed, id) => callers.applied(deed, id));
    return {
      judge,
      callers,
      effects,
      at: (ms) => {
        nowMs = ms;
      },
      apply: (seq, stream = 1) => {
        const id = `c/${stream}/${seq}`;
        effects.requested(a, request(seq, 1, { id, streamId: `c/${stream}` }), result('put'));
      },
    };
  };

  it('rejects an ok that nobody applied, a refusal of what was applied, and what is applied after a refusal', () => {
    const one = make();
    one.callers.end(one.callers.begin('put text 1'), 'ok', one.effects);
    expect(one.judge.violations).toHaveLength(1);
    const two = make();
    const call = two.callers.begin('put text 1');
    two.apply(1);
    two.callers.end(call, 'refused', two.effects);
    expect(two.judge.violations).toHaveLength(1);
    const three = make();
    three.callers.end(three.callers.begin('put text 1'), 'refused', three.effects);
    three.apply(1);
    expect(three.judge.violations).toHaveLength(1);
  });

  it('rejects a later call that was applied before an earlier one, also one that was given up', () => {
    const strict = make();
    strict.callers.begin('put text 1', 'chain');
    strict.callers.begin('put text 2', 'chain');
    strict.apply(2);
    strict.apply(1);
    expect(strict.judge.violations.map(({ invariant }) => invariant)).toEqual(['P1']);
    const moved = make();
    moved.callers.begin('put text 1', 'chain');
    moved.callers.begin('put text 2', 'chain');
    moved.apply(2, 2);
    moved.apply(1, 1);
    expect(moved.judge.violations).toEqual([]);
    const given = make();
    const first = given.callers.begin('put text 1', 'chain');
    given.at(5);
    given.callers.end(first, 'unknown', given.effects);
    given.at(6);
    given.callers.begin('put text 2', 'chain');
    given.apply(2);
    given.apply(1);
    expect(given.judge.violations.map(({ invariant }) => invariant)).toEqual(['P1']);
  });
});

describe('the hop checker', () => {
  const bundle = (header: Partial<Parameters<typeof encodeFrame>[0]>, body = ''): Uint8Array => {
    let message: Uint8Array = new Uint8Array();
    const bundler = new Bundler((bytes) => {
      message = bytes;
    });
    bundler.add(
      encodeFrame(
        { ...blankHeader, kind: 'request', client, stream: 1, seq: 4, ...header },
        Buffer.from(body),
      ),
    );
    bundler.flush();
    return message;
  };
  const broken = (run: (checker: HopChecker) => void): number => {
    const judge = new Judge(() => 0);
    run(new HopChecker(judge));
    return judge.violations.length;
  };
  const asked = bundle({ hops: 4, mapVersion: 1 });

  it('reads the header of a frame as the codec wrote it', () => {
    const [frame] = observeBundle(
      bundle({ kind: 'result', hops: 2, marked: true, group: 9, correlation: 8 }, 'body'),
    );
    expect(frame).toMatchObject({
      kind: frameCodes.result,
      hops: 2,
      isMarked: true,
      group: 9,
      correlation: 8,
      seq: 4,
    });
  });

  it('accepts a request that a proxy passes on with one hop less, and an answer that a node gave', () => {
    const passed = (checker: HopChecker): void => {
      checker.sent('client', 'proxy', 'p1/1', asked);
      checker.sent('proxy', 'node', 'p1/1', bundle({ hops: 3, marked: true, mapVersion: 1 }));
      checker.sent('node', 'proxy', 'p1/1', bundle({ kind: 'result' }, 'done'));
      checker.sent('proxy', 'client', 'p1/1', bundle({ kind: 'result' }, 'done'));
    };
    expect(broken(passed)).toBe(0);
  });

  it('rejects an answer of the proxy’s own, one answer given twice, a ring, an unmarked frame and a changed version', () => {
    expect(broken((one) => one.sent('proxy', 'client', 'p1/1', bundle({ kind: 'record' }, 'old')))).toBe(1);
    expect(
      broken((one) => {
        one.sent('node', 'proxy', 'p1/1', bundle({ kind: 'result' }, 'done'));
        one.sent('proxy', 'client', 'p1/1', bundle({ kind: 'result' }, 'done'));
        one.sent('proxy', 'client', 'p1/1', bundle({ kind: 'result' }, 'done'));
      }),
    ).toBe(1);
    expect(broken((one) => one.sent('proxy', 'proxy', undefined, bundle({ hops: 3, marked: true })))).toBe(1);
    const passedOn = (header: Parameters<typeof bundle>[0]): number =>
      broken((one) => {
        one.sent('client', 'proxy', 'p1/1', asked);
        one.sent('proxy', 'node', 'p1/1', bundle({ hops: 3, marked: true, mapVersion: 1, ...header }));
      });
    expect(passedOn({ marked: false })).toBe(1);
    expect(passedOn({ hops: 4 })).toBe(1);
    expect(passedOn({ mapVersion: 2 })).toBe(1);
  });
});
