/** Who ended a channel; as for a link. */
export type ChannelClosedBy = 'remote' | 'local' | 'timeout';

/** The client's end of an authenticated link, or of one inside the process. Messages are bundles of client frames. */
export interface ClientChannel {
  send(message: Uint8Array): void;
  queuedBytes(): number;
  close(): void;
  /** Set once, in the turn in which the channel was handed over. */
  onFrame: ((message: Uint8Array) => void) | undefined;
  /** Once, also after a local `close`. */
  onClose: ((by: ChannelClosedBy) => void) | undefined;
}
