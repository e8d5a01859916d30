import msgpack from 'msgpack-lite';
import { describe, expect, it } from 'vitest';
import { AnswerChecker } from '../../../src/simulation/checkers/answer-checker.ts';
import { EscrowChecker } from '../../../src/simulation/checkers/escrow-checker.ts';
import { Judge } from '../../../src/simulation/checkers/judge.ts';

const broken = (judge: Judge): string[] => judge.violations.map((violation) => violation.invariant);

/** Frames of (kind, seq, body), each behind its length. */
function message(...frames: readonly (readonly [kind: number, seq: number, body: Uint8Array])[]): Uint8Array {
  return Buffer.concat(
    frames.flatMap(([kind, seq, body]) => {
      const header = Buffer.alloc(64);
      header[1] = kind;
      header.writeUInt32BE(seq, 52);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(header.length + body.length);
      return [length, header, body];
    }),
  );
}

const result = 16;
const request = 2;

describe('the answer checker', () => {
  it('accepts the same answer twice, and two requests with two answers', () => {
    const judge = new Judge(() => 0);
    const answers = new AnswerChecker(judge);
    answers.sent(message([result, 1, Uint8Array.of(1)], [result, 2, Uint8Array.of(2)]));
    answers.sent(message([result, 1, Uint8Array.of(1)]));
    expect(broken(judge)).toEqual([]);
    expect(judge.coverage.get('Q6')).toBe(1);
  });

  it('rejects two answers to one request (Q6)', () => {
    const judge = new Judge(() => 0);
    const answers = new AnswerChecker(judge);
    answers.sent(message([result, 1, Uint8Array.of(1)]));
    answers.sent(message([result, 1, Uint8Array.of(2)]));
    expect(broken(judge)).toEqual(['Q6']);
  });

  it('compares what a take got, not the log time at which it is told', () => {
    const judge = new Judge(() => 0);
    const answers = new AnswerChecker(judge);
    answers.sent(message([result, 1, msgpack.encode([2, [['one']], 5])]));
    answers.sent(message([result, 1, msgpack.encode([2, [['one']], 6])]));
    expect(broken(judge)).toEqual([]);
    answers.sent(message([result, 1, msgpack.encode([2, [['two']], 6])]));
    expect(broken(judge)).toEqual(['Q6']);
  });

  it('rejects a take that is told of nothing first and of a task later (Q6)', () => {
    const judge = new Judge(() => 0);
    const answers = new AnswerChecker(judge);
    answers.sent(message([result, 1, msgpack.encode([2, [], 5])]));
    answers.sent(message([result, 1, msgpack.encode([2, [], 6])]));
    expect(broken(judge)).toEqual([]);
    answers.sent(message([result, 1, msgpack.encode([2, [['task']], 6])]));
    answers.sent(new Uint8Array(0));
    expect(broken(judge)).toEqual(['Q6']);
  });

  it('lets a late copy of a settled request, or of a forgotten client, be refused as such', () => {
    const judge = new Judge(() => 0);
    const answers = new AnswerChecker(judge);
    answers.sent(message([result, 1, msgpack.encode([2, [['task']], 5])]));
    for (const code of [7, 8]) answers.sent(message([result, 1, msgpack.encode([0, code, 'too late'])]));
    expect(broken(judge)).toEqual([]);
    answers.sent(message([result, 1, msgpack.encode([0, 5, 'busy'])]));
    expect(broken(judge)).toEqual(['Q6']);
  });
});

describe('the escrow checker', () => {
  it('rejects an ack that leaves before its answer is in the escrow (A1)', () => {
    const judge = new Judge(() => 0);
    const escrows = new EscrowChecker(judge);
    const ack = msgpack.encode([3, 'tokens', 't-1', 7, Buffer.of(1), 0]);
    const take = msgpack.encode([2, 'tokens', 1]);
    escrows.sent(
      'u1',
      message([request, 1, take], [request, 2, ack]),
      (id, fence) => id === 't-1' && fence === 7,
    );
    expect(broken(judge)).toEqual([]);
    escrows.sent('u1', message([request, 2, ack]), () => false);
    expect(broken(judge)).toEqual(['A1']);
  });
});
