import type { Judge } from './checkers/judge.ts';
import type { Prng } from './prng.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { World } from './world.ts';

/** What the server, or the network before it, does to a call; chances per call. */
export interface ProviderFaults {
  readonly delayMs: number;
  readonly lostRequestChance: number;
  readonly lostAnswerChance: number;
  readonly lateAnswerChance: number;
  readonly lateMs: number;
  readonly duplicateChance: number;
  readonly busyChance: number;
  readonly errorChance: number;
}

export const kindProvider: ProviderFaults = {
  delayMs: 20,
  lostRequestChance: 0,
  lostAnswerChance: 0,
  lateAnswerChance: 0,
  lateMs: 0,
  duplicateChance: 0,
  busyChance: 0,
  errorChance: 0,
};

export type GrantAnswer =
  | { readonly type: 'ok'; readonly refreshToken: string }
  | { readonly type: 'invalidGrant' }
  | { readonly type: 'retry'; readonly status: 429 | 503; readonly retryAfterMs: number };

export interface GrantRequest {
  readonly refreshToken: string;
  /** Who calls: one process, under one lease. */
  readonly process: SimulatedProcess;
  readonly lease: string;
  readonly signal: AbortSignal;
}

interface Call {
  readonly request: GrantRequest;
  readonly settle: (answer: GrantAnswer) => void;
  /** The caller still waits. */
  isOpen: boolean;
  /** The answer with a new token reached its caller in time. */
  isAnswered: boolean;
  answeredMs: number;
  arrivals: number;
}

interface Family {
  readonly name: string;
  readonly rotates: boolean;
  current: string;
  count: number;
  /** Token -> the calls that spent it. */
  readonly spent: Map<string, Call[]>;
  revoked: string | undefined;
}

/** What the books say at the end of a run. */
export interface ProviderBooks {
  readonly calls: number;
  readonly rotations: number;
  readonly lostAnswers: number;
  readonly revokedFamilies: number;
  readonly excusedRevocations: number;
}

/**
 * The other side of every refresh: rotates, detects reuse and revokes the family, answers late, twice or not at all. It knows what it
 * answered to whom, so it can tell a revocation that nobody could prevent from one that the cluster caused (A1).
 */
export class AuthorizationServer {
  readonly #world: World;
  readonly #random: Prng;
  readonly #judge: Judge;
  readonly #families = new Map<string, Family>();
  readonly #familyOf = new Map<string, Family>();
  readonly #counts = new Map<string, number>();
  readonly #patienceMs: number;
  faults: ProviderFaults = kindProvider;

  /** @param patienceMs - how long the cluster at least waits for the holder of an answer before the token is tried again. */
  constructor(world: World, random: Prng, judge: Judge, patienceMs: number) {
    this.#patienceMs = patienceMs;
    this.#world = world;
    this.#random = random;
    this.#judge = judge;
  }

  /** The user consents: a new family begins. @returns its first refresh token. */
  consent(name: string, rotates: boolean): string {
    const family: Family = {
      name,
      rotates,
      current: `${name}.0`,
      count: 0,
      spent: new Map(),
      revoked: undefined,
    };
    this.#families.set(name, family);
    this.#familyOf.set(family.current, family);
    return family.current;
  }

  /** Calls the token endpoint. Rejects with `signal.reason` when the caller gives up. */
  refresh(request: GrantRequest): Promise<GrantAnswer> {
    return new Promise((resolve, reject) => {
      const call: Call = {
        request,
        settle: resolve,
        isOpen: true,
        isAnswered: false,
        answeredMs: 0,
        arrivals: 0,
      };
      const giveUp = (): void => {
        call.isOpen = false;
        reject(request.signal.reason);
      };
      if (request.signal.aborted) {
        giveUp();
        return;
      }
      request.signal.addEventListener('abort', giveUp, { once: true });
      this.#count('calls');
      this.#send(call);
    });
  }

  /** The newest token of a family that was not revoked. */
  currentToken(name: string): string | undefined {
    const family = this.#families.get(name);
    return family?.revoked === undefined ? family?.current : undefined;
  }

  /** True if every answer that rotated this family was received by a process that lived on. */
  everyAnswerArrived(name: string): boolean {
    const calls = [...(this.#families.get(name)?.spent.values() ?? [])].flat();
    return calls.every((call) => call.isAnswered && call.request.process.isAlive);
  }

  books(): ProviderBooks {
    const families = [...this.#families.values()];
    return {
      calls: this.#counts.get('calls') ?? 0,
      rotations: this.#counts.get('rotations') ?? 0,
      lostAnswers: families
        .flatMap((family) => [...family.spent.values()].flat())
        .filter((call) => !call.isAnswered || !call.request.process.isAlive).length,
      revokedFamilies: families.filter((family) => family.revoked !== undefined).length,
      excusedRevocations: this.#counts.get('excused') ?? 0,
    };
  }

  /** How often each fault really happened, for the coverage table. */
  faultCounts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  #send(call: Call): void {
    const { faults } = this;
    if (this.#draw('lostRequest', faults.lostRequestChance)) return;
    this.#world.after(this.#delay(), () => this.#arrive(call));
    if (this.#draw('duplicate', faults.duplicateChance)) {
      this.#world.after(this.#delay() * 2, () => this.#arrive(call));
    }
  }

  #arrive(call: Call): void {
    call.arrivals += 1;
    const { faults } = this;
    if (this.#draw('busy', faults.busyChance)) {
      this.#reply(call, {
        type: 'retry',
        status: 429,
        retryAfterMs: Math.floor(this.#random.between(50, 800)),
      });
      return;
    }
    if (this.#draw('error', faults.errorChance)) {
      this.#reply(call, { type: 'retry', status: 503, retryAfterMs: 100 });
      return;
    }
    this.#grant(call);
  }

  #grant(call: Call): void {
    const token = call.request.refreshToken;
    const family = this.#familyOf.get(token);
    if (family === undefined || family.revoked !== undefined) {
      this.#reply(call, { type: 'invalidGrant' });
      return;
    }
    if (!family.rotates) {
      family.count += 1;
      this.#reply(call, { type: 'ok', refreshToken: token });
      return;
    }
    const earlier = family.spent.get(token);
    if (earlier !== undefined) {
      this.#revoke(family, token, earlier, call);
      return;
    }
    this.#rotate(family, token, call);
  }

  #rotate(family: Family, token: string, call: Call): void {
    this.#count('rotations');
    family.spent.set(token, [call]);
    family.count += 1;
    family.current = `${family.name}.${family.count}`;
    this.#familyOf.set(family.current, family);
    const answer: GrantAnswer = { type: 'ok', refreshToken: family.current };
    if (this.#draw('lostAnswer', this.faults.lostAnswerChance)) return;
    const late = this.#draw('lateAnswer', this.faults.lateAnswerChance) ? this.faults.lateMs : 0;
    this.#world.after(late, () => this.#reply(call, answer));
  }

  #reply(call: Call, answer: GrantAnswer): void {
    this.#world.after(this.#delay(), () =>
      call.request.process.deliver(() => {
        if (!call.isOpen) return;
        call.isOpen = false;
        if (answer.type === 'ok') {
          call.isAnswered = true;
          call.answeredMs = this.#world.nowMs();
        }
        call.settle(answer);
      }),
    );
  }

  /** Reuse of a spent token: the whole family is void, as RFC 9700 section 4.14.2 asks. */
  #revoke(family: Family, token: string, earlier: readonly Call[], call: Call): void {
    family.revoked = token;
    this.#judge.reached('A1');
    const excuse = this.#excuse(earlier, call);
    if (excuse === undefined) {
      const holders = [...earlier, call].map(
        ({ request }) => `${nameOf(request.process)} under ${request.lease}`,
      );
      this.#judge.violated(
        'A1',
        `family ${family.name} is revoked, nothing was lost: ${token} was used by ${holders.join(', ')}`,
      );
    } else {
      this.#count('excused');
      this.#world.note(`provider: family ${family.name} revoked, ${excuse}`);
    }
    this.#reply(call, { type: 'invalidGrant' });
  }

  #excuse(earlier: readonly Call[], call: Call): string | undefined {
    if (call.arrivals > 1) return 'the network delivered the request twice';
    if (!call.isOpen) return 'the request arrived after its caller had given up';
    for (const before of earlier) {
      if (!before.request.process.isAlive) return 'the answer was lost with its process';
      if (!before.isAnswered && !before.isOpen) return 'the answer never came';
      const keptMs = this.#world.nowMs() - before.answeredMs;
      if (before.isAnswered && keptMs > this.#patienceMs)
        return 'its holder reached nobody for longer than suspectMs';
    }
    return undefined;
  }

  #draw(name: string, chance: number): boolean {
    if (!this.#random.chance(chance)) return false;
    this.#count(name);
    return true;
  }

  #count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  #delay(): number {
    return this.#random.between(1, this.faults.delayMs);
  }
}

function nameOf(process: SimulatedProcess): string {
  return `${process.host.name}/${process.life}`;
}
