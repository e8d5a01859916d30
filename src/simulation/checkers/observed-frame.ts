/** The fixed header of a client frame as docs/reference/client-protocol.md has it. */
const headerBytes = 64;
const lengthBytes = 4;
const at = {
  kind: 1,
  hops: 2,
  flags: 3,
  correlation: 4,
  group: 8,
  bucket: 12,
  mapVersion: 16,
  stream: 28,
  client: 32,
  seq: 48,
} as const;
const markedFlag = 1;
const anyFlag = 2;

/** Codes of the kinds that the checkers look at. */
export const frameCodes = {
  attach: 1,
  request: 2,
  get: 3,
  stats: 4,
  cancel: 5,
  settle: 8,
  ownership: 9,
  claim: 10,
  result: 16,
  record: 17,
  statsResult: 18,
  refused: 19,
  unknown: 20,
  wrongShard: 22,
  frozen: 23,
  notLeader: 48,
} as const;

/** What a checker reads from a client frame; it shares no code with the codec that wrote it. */
export interface ObservedFrame {
  readonly kind: number;
  readonly hops: number;
  readonly isMarked: boolean;
  readonly isAny: boolean;
  readonly correlation: number;
  readonly group: number;
  readonly bucket: number;
  readonly mapVersion: number;
  readonly client: string;
  readonly stream: number;
  readonly seq: number;
  readonly body: Uint8Array;
}

/** @returns the frames of a message of a client link, each behind its length. */
export function observeBundle(message: Uint8Array): readonly ObservedFrame[] {
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const frames: ObservedFrame[] = [];
  let start = 0;
  while (start + lengthBytes + headerBytes <= message.length) {
    const length = view.getUint32(start);
    const frame = observeFrame(message.subarray(start + lengthBytes, start + lengthBytes + length));
    if (frame !== undefined) frames.push(frame);
    start += lengthBytes + length;
  }
  return frames;
}

function observeFrame(frame: Uint8Array): ObservedFrame | undefined {
  if (frame.length < headerBytes) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const flags = frame[at.flags]!;
  return {
    kind: frame[at.kind]!,
    hops: frame[at.hops]!,
    isMarked: (flags & markedFlag) !== 0,
    isAny: (flags & anyFlag) !== 0,
    correlation: view.getUint32(at.correlation),
    group: view.getUint32(at.group),
    bucket: view.getUint32(at.bucket),
    mapVersion: view.getUint32(at.mapVersion),
    client: hexOf(frame.subarray(at.client, at.client + 16)),
    stream: view.getUint32(at.stream),
    seq: view.getUint32(at.seq) * 2 ** 32 + view.getUint32(at.seq + 4),
    body: frame.subarray(headerBytes),
  };
}

function hexOf(bytes: Uint8Array): string {
  let text = '';
  for (let place = 0; place < bytes.length; place += 1) text += bytes[place]!.toString(16).padStart(2, '0');
  return text;
}
