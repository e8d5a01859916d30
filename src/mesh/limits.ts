/** A handshake that takes longer is refused. */
export const handshakeTimeoutMs = 5_000;
/** An idle link says so this often. */
export const keepAliveMs = 500;
/** A link from which nothing came for this long is closed. */
export const linkSilenceMs = 3_000;
/** Bytes queued for one member above which entries and forwarded requests are dropped; rounds and votes still go. */
export const pairWindowBytes: number = 4 * 1024 * 1024;
/** Bytes queued on one link above which it is closed. */
export const linkQueueBytesMax: number = 64 * 1024 * 1024;
/** Links that have not proved themselves yet, at most. */
export const handshakesMax = 256;
/** Links of clients, at most. */
export const clientLinksMax = 10_000;
/** A dial that has not opened a link by then is given up. */
export const dialTimeoutMs = 2_000;
/** First and longest wait between dials of one member. */
export const backoffMs = { first: 20, longest: 1_000 } as const;
/** A problem whose origin is not known is reported again after this long. */
export const anonymousReportMs = 60_000;
