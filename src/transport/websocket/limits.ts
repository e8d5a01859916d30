import { frameBytesMax } from '../../wire/limits.ts';

/** The subprotocol that both ends must name. */
export const subprotocol = 'raftsman.1';
/** What `ws` refuses even if a link's own limit were higher, in bytes. */
export const payloadBytesMax: number = frameBytesMax;
/** Fragments of one message, at most; this transport sends none. */
export const fragmentsMax = 1_024;
/** How long a closed link waits for the other side's close frame before the socket is destroyed. */
export const closeTimeoutMs = 1_000;
/** How long a client may take for the HTTP upgrade. */
export const upgradeTimeoutMs = 5_000;
/** Bytes of HTTP headers in an upgrade request, at most. */
export const headerBytesMax: number = 8 * 1024;
/** Sockets that a server of our own accepts, at most. */
export const socketsMax = 16_384;
