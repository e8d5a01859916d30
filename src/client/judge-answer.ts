import { FrozenError, WrongShardError } from '../base/errors.ts';
import type { QueueResult } from '../queue/types.ts';
import { readRefused } from '../wire/client-frame.ts';
import type { ClientHeader } from '../wire/client-header.ts';
import { decodeResult } from '../wire/queue-result.ts';
import { type RedirectBody, readRedirect } from '../wire/shard-frames.ts';
import type { Call, CallEnd } from './call.ts';
import { serviceError } from './refusals.ts';
import { wholeCluster } from './routes.ts';

/** What an answer means for the call it answers. */
export type Verdict =
  | { readonly type: 'ended'; readonly end: CallEnd }
  /** This attempt did nothing, or nobody knows: sent again under the same id. */
  | { readonly type: 'again'; readonly isUnknown: boolean; readonly afterMs: number }
  /** It did nothing. By a newer version of the map it may; only the client, who knows that it is still unanswered, may raise that. */
  | { readonly type: 'redirected'; readonly owner: string | undefined; readonly version: number }
  /** It did nothing because the session was over: sent again under another id. */
  | { readonly type: 'sessionOver' }
  /** It did nothing because the client is not known there. */
  | { readonly type: 'expired' }
  | { readonly type: 'none' };

const unknownRetryMs = 50;
const busyRetryMs = 100;
/** How often a call may start again under another id because its session was over. */
const restartsMax = 5;

/** A request that may have been applied is never judged refused by a later attempt: only the state machine ends it. */
export function judgeAnswer(call: Call, { kind }: ClientHeader, body: Buffer): Verdict {
  switch (kind) {
    case 'result':
      return judgeResult(call, decodeResult(body));
    case 'record':
    case 'statsResult':
      return { type: 'ended', end: { type: 'read', kind, body } };
    case 'refused':
      return judgeRefused(call, body);
    case 'unknown':
      return { type: 'again', isUnknown: true, afterMs: unknownRetryMs };
    case 'wrongShard':
    case 'frozen':
      return judgeRedirect(call, kind, readRedirect(body));
    default:
      return { type: 'none' };
  }
}

function judgeResult(call: Call, result: QueueResult): Verdict {
  if (result.type === 'refused') {
    if (result.code === 'CLIENT_EXPIRED') return { type: 'expired' };
    // The state machine had no room and remembers nothing: an earlier attempt may still arrive.
    const mustKnow = (call.isUnknown && !call.isOrphan) || call.isQuestion;
    if (mustKnow && result.code === 'BUSY') return { type: 'again', isUnknown: false, afterMs: busyRetryMs };
    if (isSessionOver(call, result.code)) return { type: 'sessionOver' };
  }
  return { type: 'ended', end: { type: 'result', result } };
}

function judgeRefused(call: Call, body: Buffer): Verdict {
  const refused = readRefused(body);
  const afterMs = Math.max(unknownRetryMs, refused.retryAfterMs);
  // A proxy whose shard file is older than ours learns of the shard soon.
  if (refused.code === 'UNKNOWN_GROUP' && call.place.shard !== wholeCluster)
    return { type: 'again', isUnknown: false, afterMs: Math.max(busyRetryMs, afterMs) };
  return refusedWith(call, serviceError(refused), afterMs);
}

/** A router has tried what it may: never to raise the version that the client has put into the frame. */
function judgeRedirect(call: Call, kind: 'wrongShard' | 'frozen', { owner, version }: RedirectBody): Verdict {
  if (call.place.shard !== wholeCluster)
    return { type: 'redirected', owner: kind === 'frozen' ? undefined : owner, version };
  const error =
    kind === 'frozen'
      ? new FrozenError('the bucket of this key is between two owners')
      : new WrongShardError(owner, version);
  return refusedWith(call, error, unknownRetryMs);
}

function refusedWith(call: Call, error: Error, afterMs: number): Verdict {
  if (call.isUnknown || call.isOrphan) return { type: 'again', isUnknown: false, afterMs };
  return { type: 'ended', end: { type: 'failed', error } };
}

function isSessionOver(call: Call, code: string): boolean {
  return call.spec.isTake && code === 'STALE_LEASE' && call.restartCount < restartsMax && !call.isOrphan;
}
