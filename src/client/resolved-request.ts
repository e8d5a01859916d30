import { InvalidArgumentError } from '../base/errors.ts';
import type { QueueResult } from '../queue/types.ts';
import { refusalError } from './refusals.ts';
import type { ResolvedRequest } from './types.ts';

/** What names a request for good, as in `UnknownOutcomeError.requestId`: `client/stream/seq`. */
export interface RequestId {
  readonly client: string;
  readonly stream: number;
  readonly seq: number;
}

export function formatRequestId({ client, stream, seq }: RequestId): string {
  return `${client}/${stream}/${seq}`;
}

/** @throws InvalidArgumentError for what no UnknownOutcomeError has said. */
export function parseRequestId(text: string): RequestId {
  const match = typeof text === 'string' ? /^([0-9a-f]{32})\/(\d{1,10})\/(\d{1,16})$/.exec(text) : null;
  if (match === null)
    throw new InvalidArgumentError('a request id is the `requestId` of an UnknownOutcomeError');
  const [, client = '', stream, seq] = match;
  return { client, stream: Number(stream), seq: Number(seq) };
}

/** @throws the error of the request itself if it was refused. */
export function whatBecame(result: QueueResult): ResolvedRequest {
  if (result.type === 'refused') {
    if (result.code === 'NEVER_APPLIED') return { outcome: 'neverApplied' };
    throw refusalError(result.code, result.message);
  }
  if (result.type !== 'put') return { outcome: 'applied', result: undefined };
  return { outcome: 'applied', result: { version: result.version, created: result.created } };
}
