import msgpack from 'msgpack-lite';

/** What a checker reads from a frame between two members. Numbers are positions in the wire tables of docs/reference/wire.md. */
export interface ObservedMessage {
  readonly kind: MessageKind;
  readonly term: number;
  readonly granted: boolean;
  /** appendEntriesReply: the acknowledged index; timeoutNow: the index; others 0. */
  readonly index: number;
  readonly success: boolean;
  /** round: the lease asked for. */
  readonly leaseMs: number;
  readonly round: number;
}

const kinds = [
  'unknown',
  'preVote',
  'preVoteReply',
  'requestVote',
  'requestVoteReply',
  'appendEntries',
  'appendEntriesReply',
  'round',
  'roundReply',
  'timeoutNow',
  'release',
] as const;
export type MessageKind = (typeof kinds)[number];

const codec = msgpack.createCodec({});

/** @returns the Raft messages of one group in a peer frame that was sent after the handshake. */
export function observeFrame(frame: Uint8Array, group = 'main'): readonly ObservedMessage[] {
  return itemsOf(frame).flatMap((item) => {
    if (!Array.isArray(item) || item[0] !== group || !Array.isArray(item[1])) return [];
    return [observe(item[1])];
  });
}

/** @returns true if the frame holds Raft messages only, which may be lost and repeated; requests of clients rely on their order. */
export function isRaftAlone(frame: Uint8Array): boolean {
  const items = itemsOf(frame);
  return items.length > 0 && items.every((item) => Array.isArray(item));
}

function itemsOf(frame: Uint8Array): readonly unknown[] {
  if (frame.length === 0) return [];
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.length);
  const tuple: unknown = msgpack.decode(bytes, { codec });
  return Array.isArray(tuple) ? tuple.slice(1) : [];
}

function observe(fields: readonly unknown[]): ObservedMessage {
  const number = (place: number): number => {
    const value = fields[place];
    return typeof value === 'number' ? value : 0;
  };
  const kind = kinds[number(0)] ?? 'unknown';
  return {
    kind,
    term: number(1),
    granted: (kind === 'preVoteReply' || kind === 'requestVoteReply') && number(3) === 0,
    index: number(2),
    success: fields[3] === true,
    leaseMs: kind === 'round' ? number(3) : 0,
    round: kind === 'round' || kind === 'roundReply' ? number(2) : 0,
  };
}
