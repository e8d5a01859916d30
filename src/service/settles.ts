import type { GroupHandle } from '../node/types.ts';
import type { ClientHeader } from '../wire/client-header.ts';
import { encodeCommand } from '../wire/queue-codec.ts';

/** Streams that are being settled at a time; a client whose word is lost says it again with its next request. */
const streamsMax = 10_000;

/** Tells the log which answers clients need no longer: one command per stream at a time, the newest word counts. */
export class Settles {
  readonly #group: GroupHandle;
  /** By client and stream: what came while its command was under way; 0 for nothing. */
  readonly #underWay = new Map<string, number>();

  constructor(group: GroupHandle) {
    this.#group = group;
  }

  settle({ client, stream, settledUpTo }: Pick<ClientHeader, 'client' | 'stream' | 'settledUpTo'>): void {
    const key = `${client}/${stream}`;
    const waiting = this.#underWay.get(key);
    if (waiting !== undefined) {
      this.#underWay.set(key, Math.max(waiting, settledUpTo));
      return;
    }
    if (this.#underWay.size >= streamsMax) return;
    this.#underWay.set(key, 0);
    this.#group.propose(encodeCommand({ type: 'settle', client, stream, settledUpTo }), (result) => {
      const newer = this.#underWay.get(key) ?? 0;
      this.#underWay.delete(key);
      if (result.type === 'applied' && newer > settledUpTo)
        this.settle({ client, stream, settledUpTo: newer });
    });
  }
}
