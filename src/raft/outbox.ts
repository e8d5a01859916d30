import type { NodeId } from '../base/ids.ts';
import type { Envelope, LogEntry, Message, ProposalAnswer, ReadAnswer } from './types.ts';

/** Messages held back at most; with a disk that hangs the oldest go. Each is sent again by its own rules, or overtaken. */
const heldMessagesMax = 1_024;

interface Held {
  readonly token: number;
  readonly envelope: Envelope;
}

/** What one step hands to the driver, and the messages that wait for the disk until a later one. */
export class Outbox {
  messages: Envelope[] = [];
  committed: readonly LogEntry[] = [];
  reads: ReadAnswer[] = [];
  proposals: ProposalAnswer[] = [];
  transfer: { readonly ok: boolean; readonly why: string } | undefined;
  rejected = 0;
  #held: Held[] = [];

  /** @param token - the disk's token to wait for; 0 to send at once. */
  send(to: NodeId, message: Message, token: number): void {
    const envelope = { to, message };
    if (token === 0) {
      this.messages.push(envelope);
      return;
    }
    if (this.#held.length >= heldMessagesMax) this.#held.shift();
    this.#held.push({ token, envelope });
  }

  /** Lets go what waited for no more than this token, in the order it was held. */
  release(token: number): void {
    if (this.#held.length === 0) return;
    const waiting: Held[] = [];
    for (const held of this.#held) {
      if (held.token <= token) this.messages.push(held.envelope);
      else waiting.push(held);
    }
    this.#held = waiting;
  }

  /** What was held back in an old term dies with it (pitfall 16). */
  dropHeld(): void {
    this.#held = [];
  }

  clear(): void {
    this.messages = [];
    this.committed = [];
    this.reads = [];
    this.proposals = [];
    this.transfer = undefined;
    this.rejected = 0;
  }
}
