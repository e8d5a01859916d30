/** Who ended a link: the other process, this one, or nobody answered in time. */
export type ClosedBy = 'remote' | 'local' | 'timeout';

/** Why a link is closed on purpose. The code is sent to the other side where the transport can (WebSocket: 1000 or 4000-4999). */
export interface CloseReason {
  readonly code: number;
  readonly text: string;
}

/**
 * A connection that moves frames. What was sent arrives in order; all of it or a prefix. Nothing here throws.
 * Handlers are set once, before the turn in which the link was handed over ends; frames are not delivered before.
 */
export interface Link {
  /** The other end, for logs and reports only. */
  readonly remoteAddress: string;
  /** Queues one frame; the bytes belong to the link from now on. A closed link ignores it. */
  send(frame: Uint8Array): void;
  /** Bytes handed to `send` and not yet taken by the platform. */
  queuedBytes(): number;
  /** The largest frame accepted from the other side; a larger one closes the link (1009). Small before authentication. */
  setFrameBytesMax(bytes: number): void;
  /** Stops (true) or resumes (false) reading: back-pressure on the sender. */
  pause(paused: boolean): void;
  onFrame: ((frame: Uint8Array) => void) | undefined;
  /** `queuedBytes()` fell to 0 after it was above. */
  onDrain: (() => void) | undefined;
  /** Once, also after a local `close`. `code` is the other side's close code, 1006 when there was none. */
  onClose: ((by: ClosedBy, code: number, text: string) => void) | undefined;
  close(reason?: CloseReason): void;
}

/** Takes links that others dial. */
export interface Listener {
  /** The address that others can dial, with the port that was really bound. */
  readonly address: string;
  /** Stops accepting; links that are open stay open. */
  close(): Promise<void>;
}

/** Moves bytes and knows nothing of Raft. Addresses are strings that only the transport reads. About 50 lines for a new one. */
export interface Transport {
  /** Resolves when the port listens; rejects when it cannot. */
  listen(onLink: (link: Link) => void): Promise<Listener>;
  /** Resolves with an open link; rejects when refused, or with `signal.reason`. */
  dial(address: string, options: { readonly signal: AbortSignal }): Promise<Link>;
}
