import type { Judge } from './judge.ts';
import { frameCodes, type ObservedFrame, observeBundle } from './observed-frame.ts';

export type Party = 'client' | 'proxy' | 'node';

/** A frame is passed on at most so often, and to so many parties. */
const hopsMax = 4;

const asks: ReadonlySet<number> = new Set([
  frameCodes.request,
  frameCodes.get,
  frameCodes.stats,
  frameCodes.attach,
]);
/** Answers that only a group can give. A refusal is a proxy's own to give. */
const answers: ReadonlySet<number> = new Set([frameCodes.result, frameCodes.record, frameCodes.statsResult]);

const answerNames: ReadonlyMap<number, string> = new Map([
  [frameCodes.result, 'result'],
  [frameCodes.record, 'record'],
  [frameCodes.statsResult, 'stats'],
  [frameCodes.refused, 'refused'],
  [frameCodes.unknown, 'unknown'],
  [frameCodes.wrongShard, 'wrongShard'],
  [frameCodes.frozen, 'frozen'],
  [frameCodes.notLeader, 'notLeader'],
]);

/**
 * P2, from the frames on the wires: nothing is passed on more often than its header allows, nothing that a router sent is passed on by a
 * node, proxies do not speak to proxies, and what a proxy answers to a client a node has answered to the proxy.
 */
export class HopChecker {
  readonly #judge: Judge;
  /** Proxy process -> what nodes answered there and was not passed on yet: times by content. */
  readonly #arrived = new Map<string, Map<string, number>>();
  /** Proxy process/request id -> the versions of the map that its client wrote into it. */
  readonly #versions = new Map<string, Set<number>>();
  readonly #counts: Record<string, number> = {};

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** Kinds of answers that were given, by name and giver. */
  get answers(): Readonly<Record<string, number>> {
    return this.#counts;
  }

  /** A message of a client link as it is sent. `proxy` names the process of the proxy that is at one of its ends. */
  sent(from: Party, to: Party, proxy: string | undefined, message: Uint8Array): void {
    for (const frame of observeBundle(message)) {
      const name = answerNames.get(frame.kind);
      if (name !== undefined) this.#count(`${name} by a ${from}`);
      if (asks.has(frame.kind)) this.#asked(from, to, proxy, frame);
      else if (answers.has(frame.kind) && proxy !== undefined) this.#answered(from, to, proxy, frame);
    }
  }

  #asked(from: Party, to: Party, proxy: string | undefined, frame: ObservedFrame): void {
    const what = `frame ${frame.kind} of ${frame.client}/${frame.stream}/${frame.seq}`;
    this.#judge.reached('P2 hops');
    if (frame.hops > hopsMax) this.#judge.violated('P2', `${what} may be passed on ${frame.hops} times`);
    if (from === 'proxy' && to === 'proxy') {
      this.#judge.violated('P2', `a proxy sent ${what} to a proxy`);
    } else if (from === 'proxy' && frame.hops >= hopsMax) {
      this.#judge.violated('P2', `a proxy passed ${what} on and counted no hop`);
    }
    if (from === 'proxy' && to === 'node' && !frame.isMarked)
      this.#judge.violated('P2', `a proxy sent ${what} unmarked: a node would pass it on`);
    if (frame.kind === frameCodes.request && proxy !== undefined)
      this.#judgeVersion(from, proxy, what, frame);
  }

  /** P3: only the client knows whether it still waits for a request; nobody else may call it one of a newer map. */
  #judgeVersion(from: Party, proxy: string, what: string, frame: ObservedFrame): void {
    const key = `${proxy} ${frame.client}/${frame.stream}/${frame.seq}`;
    const versions = this.#versions.get(key) ?? new Set();
    if (from === 'client') this.#versions.set(key, versions.add(frame.mapVersion));
    else if (!versions.has(frame.mapVersion))
      this.#judge.violated('P3', `${proxy} sent ${what} under map ${frame.mapVersion}`);
  }

  #count(name: string): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + 1;
  }

  #answered(from: Party, to: Party, proxy: string, frame: ObservedFrame): void {
    const arrived = this.#of(proxy);
    const content = contentOf(frame);
    const times = arrived.get(content) ?? 0;
    if (from === 'node') {
      arrived.set(content, times + 1);
    } else if (from === 'proxy' && to === 'client') {
      this.#judge.reached('P2 answered');
      if (times === 0)
        this.#judge.violated(
          'P2',
          `${proxy} answered ${frame.client}/${frame.stream}/${frame.seq} by itself`,
        );
      else arrived.set(content, times - 1);
    }
  }

  #of(proxy: string): Map<string, number> {
    let arrived = this.#arrived.get(proxy);
    if (arrived === undefined) {
      arrived = new Map();
      this.#arrived.set(proxy, arrived);
    }
    return arrived;
  }
}

function contentOf({ kind, client, stream, seq, body }: ObservedFrame): string {
  return `${kind} ${client}/${stream}/${seq} ${Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1')}`;
}
