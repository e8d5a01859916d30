import { peerItemsMax } from '../wire/limits.ts';
import { encodePeerFrame, type PeerItem, peerFrameItemBytesMax, peerItemBytes } from '../wire/peer-frame.ts';

/** What one turn has for one member; leaves as one frame, or as few as the frame limit allows. */
export class Outbox {
  #items: PeerItem[] = [];
  #bytes = 0;

  /** Bytes that wait for the end of the turn. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @returns false if the item does not fit a frame even alone. */
  add(item: PeerItem): boolean {
    const bytes = peerItemBytes(item);
    if (bytes > peerFrameItemBytesMax) return false;
    this.#items.push(item);
    this.#bytes += bytes;
    return true;
  }

  clear(): void {
    this.#items = [];
    this.#bytes = 0;
  }

  flush(send: (frame: Uint8Array) => void): void {
    if (this.#items.length === 0) return;
    const items = this.#items;
    const fitsOne = this.#bytes <= peerFrameItemBytesMax && items.length <= peerItemsMax;
    this.clear();
    if (fitsOne) send(encodePeerFrame(items));
    else for (const part of cut(items)) send(encodePeerFrame(part));
  }
}

function cut(items: readonly PeerItem[]): readonly (readonly PeerItem[])[] {
  const parts: PeerItem[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const item of items) {
    bytes += peerItemBytes(item);
    const last = parts.at(-1);
    if (last !== undefined && bytes <= peerFrameItemBytesMax && last.length < peerItemsMax) last.push(item);
    else {
      parts.push([item]);
      bytes = peerItemBytes(item);
    }
  }
  return parts;
}
