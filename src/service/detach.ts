import type { ClientId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import { type Attachment, encodeDetach } from '../wire/client-frame.ts';
import { blankHeader, type ClientHeader, noDeadlineMs } from '../wire/client-header.ts';
import type { LeaderPath } from './leader-path.ts';

/** A client that closed is detached within this, or its sessions end by silence. */
const detachWithinMs = 10_000;

/** Says to whoever leads that a client is gone for good: its leases end in one entry. Held while nobody leads. */
export function detach(path: LeaderPath, clock: Clock, client: ClientId, attachment: Attachment): void {
  const header: ClientHeader = { ...blankHeader, kind: 'detach', remainingMs: noDeadlineMs, client };
  const deadlineMs = clock.monotonicMs() + detachWithinMs;
  const carried = { header, body: encodeDetach(attachment), deadlineMs, waitUntilMs: 0 };
  const correlation = path.open(carried, () => {});
  if (correlation !== undefined) path.dispatch(correlation);
}
