import type { Policy, Provider } from './types.ts';

/** Every bound of the queue. At a bound the operation is refused (`TOO_LARGE`, `INVALID_ARGUMENT` or `BUSY`) and nothing changes. */
export const queueLimits = {
  taskIdBytesMax: 256,
  payloadBytesMax: 65_536,
  nameBytesMax: 256,
  reasonBytesMax: 1_024,
  weightMax: 1_000_000,
  takeLimitMax: 1_000,
  /** A take ends early rather than answer more payload bytes than this; one task always fits. */
  takeBytesMax: 2_097_152,
  /** Ten years: the longest duration any operation may name. */
  durationMsMax: 315_360_000_000,
  urgentShareMax: 1_000_000,
  /** Below 2^24 keys, where a `Map` ends. */
  tasksMax: 12_000_000,
  queuesMax: 64,
  providersPerQueueMax: 1_024,
  clientsMax: 100_000,
  sessionsMax: 100_000,
  leasesPerSessionMax: 4_096,
  renewSessionsMax: 4_096,
  streamsPerClientMax: 256,
  unsettledPerStreamMax: 1_024,
  rememberedAnswersMax: 1_000_000,
  bucketsMax: 65_536,
  /** Owners that a bucket can have one after another. */
  epochMax: 8_192,
  /** Tasks that one tick entry moves because log time passed. */
  sliceMax: 4_096,
  /** The same for an entry that carries other commands: those should not wait for a long slice. */
  sliceBesideCommandsMax: 256,
} as const;

/** The policy of a queue until an entry sets another. */
export const defaultPolicy: Policy = {
  name: 'bands',
  version: 1,
  leadMs: 300_000,
  urgentMs: 60_000,
  urgentShare: 9,
  sessionTimeoutMs: 3_000,
  clientTimeoutMs: 3_600_000,
};

/** The settings of a provider until an entry sets others. */
export const defaultProvider: Provider = {
  kind: 'rotating',
  graceMs: 0,
  suspectMs: 60_000,
  onUnknown: 'retry',
};
