import type { Permission } from '../mesh/types.ts';
import type { GroupHandle, ProposeResult } from '../node/types.ts';
import type { Redirect } from '../queue/types.ts';
import { encodeLeader, encodeRefused, type ServiceRefusal } from '../wire/client-frame.ts';
import type { FrameKind } from '../wire/client-header.ts';
import { redirectOf } from '../wire/queue-result.ts';
import { encodeRedirect } from '../wire/shard-frames.ts';

/** How a request ended at one layer: the kind and body of its answer frame, and the index at which it was applied (0: nowhere). */
export interface Answer {
  readonly kind: FrameKind;
  readonly index: number;
  readonly body: Uint8Array;
}

/** Takes the answer of one request; called once. */
export type Reply = (answer: Answer) => void;

const nothing = new Uint8Array(0);

export function refusedAnswer(code: ServiceRefusal, message: string, retryAfterMs = 0): Answer {
  return { kind: 'refused', index: 0, body: encodeRefused({ code, message, retryAfterMs }) };
}

export function forbiddenAnswer(missing: Permission): Answer {
  return refusedAnswer('FORBIDDEN', `this secret does not allow '${missing}'`);
}

/** A result of the state machine, unless it says that the key belongs elsewhere: routers read that without decoding a result. */
export function resultAnswer(result: Uint8Array, index: number): Answer {
  const redirect = redirectOf(result);
  return redirect === undefined ? { kind: 'result', index, body: result } : redirectAnswer(redirect, index);
}

export function redirectAnswer(redirect: Redirect, index: number): Answer {
  const { why, owner, version } = redirect;
  return { kind: why, index, body: encodeRedirect({ owner, version }) };
}

/** It may have been applied, or may be yet. */
export const unknownAnswer: Answer = { kind: 'unknown', index: 0, body: nothing };

/** This attempt did nothing: somebody else leads, or nobody. */
export function notLeaderAnswer(group: GroupHandle): Answer {
  const { leaderId, term } = group.view();
  return { kind: 'notLeader', index: 0, body: encodeLeader({ leaderId, term }) };
}

/** What a proposal's end means for the request behind it. */
export function proposalAnswer(group: GroupHandle, result: ProposeResult): Answer {
  if (result.type === 'applied') return resultAnswer(result.result, result.index);
  if (result.type === 'unknown') return unknownAnswer;
  if (result.why === 'logFull') return refusedAnswer('LOG_FULL', 'the log has reached its bound');
  if (result.why === 'busy') return refusedAnswer('BUSY', 'the leader has too many proposals', busyRetryMs);
  return notLeaderAnswer(group);
}

/** When a request that met a full inbox may be tried again. */
export const busyRetryMs = 50;
