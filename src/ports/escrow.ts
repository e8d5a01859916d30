/** An answer of a provider that is not yet stored by the cluster. */
export interface EscrowRecord {
  readonly queue: string;
  readonly id: string;
  readonly fence: number;
  readonly expiresAtMs: number;
  readonly payload: Uint8Array;
}

/** Where a worker keeps a provider's answer before it acks: a crash in between loses nothing. The records are secrets. */
export interface Escrow {
  /** The records that were appended and not settled, oldest first; a torn last record is dropped. */
  load(): Promise<readonly EscrowRecord[]>;
  /** Calls back once when the record is durable, or with StorageFailedError. */
  append(record: EscrowRecord, done: (error: Error | undefined) => void): void;
  /** The record is no longer needed; may become durable later. */
  settle(record: Pick<EscrowRecord, 'queue' | 'id' | 'fence'>): void;
  close(): Promise<void>;
}
