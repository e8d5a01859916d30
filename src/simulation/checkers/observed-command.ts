import msgpack from 'msgpack-lite';

/** A request as it stands in a group's log. */
export interface ObservedRequest {
  readonly type: 'request';
  /** client/stream/seq: one per request, whatever way it came. */
  readonly id: string;
  /** client/stream. */
  readonly streamId: string;
  readonly seq: number;
  readonly settledUpTo: number;
  readonly mapVersion: number;
  readonly operation: ObservedOperation;
}

export interface ObservedOperation {
  readonly kind: OperationName;
  readonly queue: string;
  /** The task's id; empty for what has no key. */
  readonly key: string;
  readonly fence: number;
  readonly content: string;
}

export interface ObservedRange {
  readonly from: number;
  readonly to: number;
  readonly epoch: number;
}

export interface ObservedClaim {
  readonly type: 'claim';
  readonly claim: 'own' | 'disown';
  readonly namespace: string;
  readonly version: number;
  readonly digest: number;
  readonly bucketCount: number;
  /** The shard that owns: this one for `own`, another for `disown`. */
  readonly shard: string;
  readonly ranges: readonly ObservedRange[];
}

export interface ObservedSettle {
  readonly type: 'settle';
  readonly streamId: string;
  readonly settledUpTo: number;
}

export type ObservedCommand = ObservedRequest | ObservedClaim | ObservedSettle | { readonly type: 'other' };

/** What the state machine answered, as far as the checkers read it. */
export interface ObservedResult {
  readonly kind: ResultName;
  /** `refused`: the code's number. */
  readonly code: number;
  /** `redirected`. */
  readonly isFrozen: boolean;
  /** `taken`: the tasks; empty for the rest. */
  readonly taken: readonly { readonly key: string; readonly fence: number }[];
  /** What it says, the same each time it is answered; the hour of a take is left out. */
  readonly text: string;
}

/** As docs/reference/client-protocol.md numbers them. */
const operationNames = [
  'none',
  'put',
  'take',
  'ack',
  'ackDone',
  'release',
  'bury',
  'setProvider',
  'setPolicy',
  'resolve',
] as const;
export type OperationName = (typeof operationNames)[number];
const resultNames = [
  'refused',
  'put',
  'taken',
  'done',
  'attached',
  'ticked',
  'owned',
  'disowned',
  'redirected',
] as const;
export type ResultName = (typeof resultNames)[number];
/** REQUEST_SETTLED, CLIENT_EXPIRED: a copy came too late, and nothing was done. */
const lateCodes: ReadonlySet<number> = new Set([7, 8]);
export const neverAppliedCode = 12;

/** Requests that came by a shard map say its version before their body. */
const tags = { other: 2, routedRequest: 4 } as const;
const bodyOffset = 37;
const claimCode = 5;
const settleCode = 6;
const codec = msgpack.createCodec({});
const text = new TextDecoder();

export function isLate({ kind, code }: ObservedResult): boolean {
  return kind === 'refused' && lateCodes.has(code);
}

/** @returns the commands of an entry that holds commands: a count, then each behind its length, little-endian. */
export function observeBatch(data: Uint8Array): readonly ObservedCommand[] {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const commands: ObservedCommand[] = [];
  let at = 4;
  for (let left = view.getUint32(0, true); left > 0; left -= 1) {
    const length = view.getUint32(at, true);
    commands.push(observeCommand(data.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return commands;
}

export function observeCommand(bytes: Uint8Array): ObservedCommand {
  if (bytes[0] === tags.other) return observeOther(bytes);
  const isRouted = (bytes[0] ?? 0) >= tags.routedRequest;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const streamId = `${hexOf(bytes.subarray(1, 17))}/${view.getUint32(17)}`;
  const seq = wide(view, 21);
  return {
    type: 'request',
    id: `${streamId}/${seq}`,
    streamId,
    seq,
    settledUpTo: wide(view, 29),
    mapVersion: isRouted ? view.getUint32(bodyOffset) : 0,
    operation: observeOperation(bytes.subarray(isRouted ? bodyOffset + 4 : bodyOffset)),
  };
}

export function observeOperation(body: Uint8Array): ObservedOperation {
  const [code, queue, second, third, fourth] = tupleOf(body);
  const kind = operationNames[numberOf(code)] ?? 'none';
  const hasKey = kind !== 'take' && kind !== 'setProvider' && kind !== 'setPolicy';
  const content = kind === 'put' ? third : kind === 'ack' ? fourth : undefined;
  return {
    kind,
    queue: textOf(queue),
    key: hasKey ? textOf(second) : '',
    fence: hasKey && kind !== 'put' && kind !== 'resolve' ? numberOf(third) : 0,
    content: content instanceof Uint8Array ? text.decode(content) : '',
  };
}

export function observeResult(body: Uint8Array): ObservedResult {
  const [code, first, second, third] = tupleOf(body);
  const kind = resultNames[numberOf(code)] ?? 'refused';
  const tasks: readonly unknown[] = kind === 'taken' && Array.isArray(first) ? first : [];
  return {
    kind,
    code: kind === 'refused' ? numberOf(first) : 0,
    isFrozen: kind === 'redirected' && first === 1,
    taken: tasks.map((task) =>
      Array.isArray(task) ? { key: textOf(task[0]), fence: numberOf(task[8]) } : { key: '', fence: 0 },
    ),
    text: JSON.stringify(kind === 'taken' ? [code, first] : [code, first, second, third]),
  };
}

function observeOther(bytes: Uint8Array): ObservedCommand {
  const [code, first, second, third] = tupleOf(bytes.subarray(1));
  if (code === settleCode && first instanceof Uint8Array) {
    const streamId = `${hexOf(first)}/${numberOf(second)}`;
    return { type: 'settle', streamId, settledUpTo: numberOf(third) };
  }
  return code === claimCode && Array.isArray(first) ? observeClaim(first) : { type: 'other' };
}

/** `[0 own | 1 disown, [namespace, version, digest, partitioner, bucketCount], shard, ranges]`. */
export function observeClaim([code, map, shard, ranges]: readonly unknown[]): ObservedCommand {
  const [namespace, version, digest, , bucketCount] = Array.isArray(map) ? map : [];
  const isOwn = code === 0;
  return {
    type: 'claim',
    claim: isOwn ? 'own' : 'disown',
    namespace: textOf(namespace),
    version: numberOf(version),
    digest: numberOf(digest),
    bucketCount: numberOf(bucketCount),
    shard: textOf(shard),
    ranges: ranges instanceof Uint8Array ? rangesOf(ranges, isOwn) : [],
  };
}

/** Rows of unsigned 32-bit integers, big-endian: from, to, and an epoch where there is one. */
function rangesOf(bytes: Uint8Array, withEpoch: boolean): readonly ObservedRange[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const width = withEpoch ? 12 : 8;
  const ranges: ObservedRange[] = [];
  for (let at = 0; at + width <= bytes.length; at += width) {
    const epoch = withEpoch ? view.getUint32(at + 8) : 0;
    ranges.push({ from: view.getUint32(at), to: view.getUint32(at + 4), epoch });
  }
  return ranges;
}

function tupleOf(bytes: Uint8Array): readonly unknown[] {
  const tuple: unknown = msgpack.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), { codec });
  return Array.isArray(tuple) ? tuple : [];
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function wide(view: DataView, at: number): number {
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
}

export function hexOf(bytes: Uint8Array): string {
  let hex = '';
  for (let at = 0; at < bytes.length; at += 1) hex += bytes[at]!.toString(16).padStart(2, '0');
  return hex;
}
