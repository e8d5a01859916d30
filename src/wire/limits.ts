/** Largest frame before the other side has proved itself, in bytes. */
export const helloBytesMax: number = 4 * 1024;
/** Largest frame after authentication, in bytes. */
export const frameBytesMax: number = 4 * 1024 * 1024;
/** Deepest nesting of tuples in one frame. */
export const scanDepthMax = 16;
/** Most values in one frame, tuples included. */
export const scanItemsMax = 65_536;
/** Longest text the other side may give as a reason or a name for reports, in bytes. */
export const reportTextBytesMax = 256;
/** Most groups that a hello may name: those that a node hosts, and others of which its directory holds records. */
export const groupHellosMax = 128;
/** Most members a membership may name. */
export const membersMax = 63;
/** Longest duration in a message: 24 days, what a timer can wait. */
export const durationMsMax = 2_147_483_647;
/** Most items (messages and service frames) in one peer frame. */
export const peerItemsMax = 1_024;
