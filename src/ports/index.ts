export type { Clock, Scheduled } from './clock.ts';
export type { Escrow, EscrowRecord } from './escrow.ts';
export type { Logger } from './logger.ts';
export type { Random } from './random.ts';
export type { Command, StateMachine } from './state-machine.ts';
export type { GroupState, LoadedStorage, Storage, StorageIdentity, StorageWrite } from './storage.ts';
export type { ClosedBy, CloseReason, Link, Listener, Transport } from './transport.ts';
