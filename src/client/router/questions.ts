import { Buffer } from 'node:buffer';
import {
  ClosedError,
  DeadlineExceededError,
  ForbiddenError,
  ProtocolError,
  UnknownOutcomeError,
} from '../../base/errors.ts';
import type { ClientId } from '../../base/ids.ts';
import type { QueueResult } from '../../queue/types.ts';
import { readRefused } from '../../wire/client-frame.ts';
import {
  blankHeader,
  bodyOf,
  encodeFrame,
  type FrameKind,
  frameKinds,
  noBucket,
} from '../../wire/client-header.ts';
import { decodeResult } from '../../wire/queue-result.ts';
import { type ClaimBody, encodeClaim, type OwnershipBody, readOwnership } from '../../wire/shard-frames.ts';
import { kindCodeOf } from './frame-fields.ts';
import type { Lane } from './lane.ts';
import type { Origin } from './types.ts';

/** A shard that does not answer within this is asked again, or the reload fails. */
const answerWithinMs = 5_000;

/** Frames of the router's own: what it asks groups about ownership. */
export class Questions {
  readonly #clientId: ClientId;
  readonly #submit: (frame: Buffer, origin: Origin, lane: Lane) => void;

  constructor(clientId: ClientId, submit: (frame: Buffer, origin: Origin, lane: Lane) => void) {
    this.#clientId = clientId;
    this.#submit = submit;
  }

  /** @throws ForbiddenError, DeadlineExceededError */
  async ownership(lane: Lane): Promise<OwnershipBody> {
    return readOwnership(bodyOf(await this.#ask(lane, 'ownership', Buffer.alloc(0))));
  }

  /** @returns what the group's log says to the claim. @throws ForbiddenError, DeadlineExceededError, UnknownOutcomeError */
  async claim(lane: Lane, claim: ClaimBody): Promise<QueueResult> {
    return decodeResult(bodyOf(await this.#ask(lane, 'claim', encodeClaim(claim))));
  }

  #ask(lane: Lane, kind: 'ownership' | 'claim', body: Buffer): Promise<Buffer> {
    const client = this.#clientId;
    const header = { ...blankHeader, kind, client, bucket: noBucket, remainingMs: answerWithinMs };
    const expected: FrameKind = kind === 'claim' ? 'result' : 'ownershipResult';
    return new Promise((resolve, reject) => {
      const answer = (frame: Buffer): void => {
        if (kindCodeOf(frame) === frameKinds[expected]) resolve(frame);
        else reject(errorOf(frame, lane.shard.name));
      };
      this.#submit(encodeFrame(header, body), { answer }, lane);
    });
  }
}

function errorOf(frame: Buffer, shard: string): Error {
  const kind = kindCodeOf(frame);
  if (kind === frameKinds.unknown)
    return new UnknownOutcomeError(`shard ${shard} did not say whether it took the claim`);
  if (kind !== frameKinds.refused) return new ProtocolError(`shard ${shard} answered with kind ${kind}`);
  const { code, message } = readRefused(bodyOf(frame));
  if (code === 'FORBIDDEN') return new ForbiddenError(`shard ${shard}: ${message}`);
  if (code === 'CLOSED') return new ClosedError(message);
  return new DeadlineExceededError(`shard ${shard}: ${message}`);
}
