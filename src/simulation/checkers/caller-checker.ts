import type { EffectChecker } from './effect-checker.ts';
import type { Judge } from './judge.ts';

export type CallOutcome = 'ok' | 'refused' | 'unknown';

interface Call {
  readonly deed: string;
  /** Puts of one program on one key: in the order in which they were asked for. */
  readonly order: { readonly chain: string; readonly place: number } | undefined;
  outcome: CallOutcome | undefined;
  appliedAtMs: number | undefined;
  /** The id under which it was applied. */
  appliedAs: string | undefined;
}

/**
 * P1 as callers see it: what was answered ok was applied, what was refused never is, and unknown calls that are resolved are what they
 * were said to be. And order: puts of one program on one key are applied in the order in which they were asked for, unless the map
 * changed between them and they belong to the streams of two shards.
 */
export class CallerChecker {
  readonly #judge: Judge;
  readonly #now: () => number;
  readonly #calls = new Map<string, Call>();
  /** Chain -> its calls, oldest first. */
  readonly #chains = new Map<string, Call[]>();

  constructor(judge: Judge, now: () => number) {
    this.#judge = judge;
    this.#now = now;
  }

  begin(deed: string, chain?: string): Call {
    const calls = chain === undefined ? [] : this.#chain(chain);
    const order = chain === undefined ? undefined : { chain, place: calls.length };
    const call: Call = {
      deed,
      order,
      outcome: undefined,
      appliedAtMs: undefined,
      appliedAs: undefined,
    };
    this.#calls.set(deed, call);
    calls.push(call);
    return call;
  }

  end(call: Call, outcome: CallOutcome, effects: EffectChecker): void {
    call.outcome = outcome;
    const doneBy = effects.doneBy(call.deed);
    this.#judge.reached(`P1 ${outcome}`);
    if (outcome === 'ok' && doneBy === undefined)
      this.#judge.violated('P1', `${call.deed} was answered ok, and no group has applied it`);
    if (outcome === 'refused' && doneBy !== undefined)
      this.#judge.violated('P1', `${call.deed} was refused, and had been applied as ${doneBy}`);
  }

  /** What became of an unknown call, as it was told later. */
  resolved(call: Call, wasApplied: boolean, effects: EffectChecker): void {
    this.end(call, wasApplied ? 'ok' : 'refused', effects);
    this.#judge.reached(wasApplied ? 'P1 told applied' : 'P1 told never applied');
  }

  /** A group applied it just now. */
  applied(deed: string, id: string): void {
    const call = this.#calls.get(deed);
    if (call === undefined) return;
    if (call.outcome === 'refused')
      this.#judge.violated('P1', `${deed} was refused to its caller, and is applied`);
    call.appliedAtMs = this.#now();
    call.appliedAs = id;
    if (call.order !== undefined) this.#judgeOrder(call, call.order);
  }

  /** Later calls of the chain must not stand before this one, also where it was given up as unknown before they were asked for. */
  #judgeOrder(call: Call, { chain, place }: NonNullable<Call['order']>): void {
    const later = this.#chain(chain).slice(place + 1);
    if (later.length > 0) this.#judge.reached('P1 order');
    for (const other of later) {
      if (other.appliedAtMs === undefined) continue;
      // Under another map a key belongs to the stream of another shard: order is promised within each.
      if (streamOf(call) !== streamOf(other)) continue;
      this.#judge.violated('P1', `${call.deed} was applied after ${other.deed}, which was asked for later`);
      return;
    }
  }

  #chain(name: string): Call[] {
    let calls = this.#chains.get(name);
    if (calls === undefined) {
      calls = [];
      this.#chains.set(name, calls);
    }
    return calls;
  }
}

function streamOf({ appliedAs = '' }: Call): string {
  return appliedAs.slice(0, appliedAs.lastIndexOf('/'));
}
