import type { Buffer } from 'node:buffer';
import { ProtocolError } from '../base/errors.ts';
import type { GroupId } from '../base/ids.ts';
import type { Message } from '../raft/types.ts';
import { readInt, readTuple } from './fields.ts';
import { readGroupId } from './id-fields.ts';
import { frameBytesMax, peerItemsMax } from './limits.ts';
import { asBuffer, decodeStrict, encodeTuple, type WireValue } from './msgpack.ts';
import { messageFromTuple, messageToTuple } from './raft-messages.ts';

/** The version of the peer protocol, agreed in the handshake and repeated in every peer frame. */
export const peerVersion = 1;

/** One item of a frame between two members. */
export type PeerItem =
  | { readonly type: 'message'; readonly group: GroupId; readonly message: Message }
  /** A client-protocol frame that one node forwards to another, or its answer; opaque here. */
  | { readonly type: 'service'; readonly frame: Uint8Array };

/** @returns the frame `[version, item, ...]`: what one turn has for one peer, all groups together. */
export function encodePeerFrame(items: readonly PeerItem[]): Buffer {
  return encodeTuple([peerVersion, ...items.map(toWire)]);
}

/** @throws ProtocolError if any item is malformed; then none is delivered. */
export function decodePeerFrame(bytes: Uint8Array): readonly PeerItem[] {
  const [version, ...items] = readTuple(decodeStrict(bytes), 'peer frame', 1, peerItemsMax + 1);
  if (readInt(version, 'version') !== peerVersion) throw new ProtocolError('peer frame of another version');
  return items.map(fromWire);
}

/** An upper bound of the bytes that the item takes in a frame, for cutting a turn into frames; encodes nothing. */
export function peerItemBytes(item: PeerItem): number {
  if (item.type === 'service') return item.frame.length + itemOverheadBytes;
  const { message } = item;
  if (message.type === 'preVote' || message.type === 'requestVote') return voteRequestBytesMax;
  if (message.type !== 'appendEntries') return itemOverheadBytes;
  let bytes = itemOverheadBytes;
  for (const entry of message.entries) bytes += entry.data.length + entryOverheadBytes;
  return bytes;
}

/** More than a vote request with a bootstrap set of 63 members takes. */
const voteRequestBytesMax = 8 * 1024;
/** More than any other message without entries takes, its group included. */
const itemOverheadBytes = 160;
/** More than the header of an entry in its blob. */
const entryOverheadBytes = 32;

function toWire(item: PeerItem): WireValue {
  if (item.type === 'message') return [item.group, messageToTuple(item.message)];
  return asBuffer(item.frame);
}

function fromWire(value: unknown): PeerItem {
  if (value instanceof Uint8Array) return { type: 'service', frame: value };
  const [group, message] = readTuple(value, 'item', 2);
  return { type: 'message', group: readGroupId(group, 'group'), message: messageFromTuple(message) };
}

/** Bytes of items that fit one frame beside its own head. */
export const peerFrameItemBytesMax: number = frameBytesMax - 16;
