import { describe, expect, it } from 'vitest';
import {
  AuthorizationServer,
  type GrantAnswer,
  kindProvider,
} from '../../src/simulation/authorization-server.ts';
import { Judge } from '../../src/simulation/checkers/judge.ts';
import { Prng } from '../../src/simulation/prng.ts';
import { SimulatedHost, type SimulatedProcess } from '../../src/simulation/simulated-process.ts';
import { World } from '../../src/simulation/world.ts';

class Setup {
  readonly world: World = new World(1);
  readonly judge: Judge = new Judge(() => this.world.nowMs());
  readonly server: AuthorizationServer = new AuthorizationServer(this.world, new Prng(1), this.judge, 60_000);
  readonly one: SimulatedProcess = this.#boot('one');
  readonly two: SimulatedProcess = this.#boot('two');

  /** One call with a deadline of a second. */
  async call(process: SimulatedProcess, refreshToken: string): Promise<GrantAnswer | 'gave up'> {
    const abort = new AbortController();
    this.world.after(1_000, () => abort.abort(new Error('deadline')));
    const answer = this.server
      .refresh({ refreshToken, process, lease: 'x/1', signal: abort.signal })
      .catch(() => 'gave up' as const);
    await this.world.run(this.world.nowMs() + 2_000);
    return answer;
  }

  broken(): string[] {
    return this.judge.violations.map((violation) => violation.invariant);
  }

  #boot(name: string): SimulatedProcess {
    return new SimulatedHost(this.world, name, new Prng(name)).boot(new Prng(name), () => {});
  }
}

describe('the authorisation server of the world', () => {
  it('rotates a refresh token on each use, and never a static one', async () => {
    const setup = new Setup();
    const first = setup.server.consent('f', true);
    expect(await setup.call(setup.one, first)).toEqual({ type: 'ok', refreshToken: 'f.1' });
    expect(await setup.call(setup.two, 'f.1')).toEqual({ type: 'ok', refreshToken: 'f.2' });
    const fixed = setup.server.consent('s', false);
    expect(await setup.call(setup.one, fixed)).toEqual({ type: 'ok', refreshToken: fixed });
    expect(await setup.call(setup.one, fixed)).toEqual({ type: 'ok', refreshToken: fixed });
    expect(setup.broken()).toEqual([]);
    expect(setup.server.currentToken('f')).toBe('f.2');
  });

  it('revokes the family when a spent token comes again, and calls it a violation where nothing was lost (A1)', async () => {
    const setup = new Setup();
    const first = setup.server.consent('f', true);
    await setup.call(setup.one, first);
    expect(await setup.call(setup.two, first)).toEqual({ type: 'invalidGrant' });
    expect(await setup.call(setup.two, 'f.1')).toEqual({ type: 'invalidGrant' });
    expect(setup.broken()).toEqual(['A1']);
  });

  it('excuses a revocation after an answer was lost, or died with its process', async () => {
    const lost = new Setup();
    const first = lost.server.consent('f', true);
    lost.server.faults = { ...kindProvider, lostAnswerChance: 1 };
    expect(await lost.call(lost.one, first)).toBe('gave up');
    expect(await lost.call(lost.two, first)).toEqual({ type: 'invalidGrant' });
    expect(lost.broken()).toEqual([]);
    expect(lost.server.books()).toMatchObject({ lostAnswers: 1, revokedFamilies: 1, excusedRevocations: 1 });

    const died = new Setup();
    const token = died.server.consent('f', true);
    await died.call(died.one, token);
    died.one.die();
    await died.call(died.two, token);
    expect(died.broken()).toEqual([]);
  });

  it('excuses a retry after the holder of an answer had its time to come back', async () => {
    const setup = new Setup();
    const first = setup.server.consent('f', true);
    await setup.call(setup.one, first);
    await setup.world.run(setup.world.nowMs() + 60_000);
    await setup.call(setup.two, first);
    expect(setup.broken()).toEqual([]);
  });

  it('calls it a violation when two processes use one token at once, though the first answer is still under way (A1)', async () => {
    const setup = new Setup();
    const first = setup.server.consent('f', true);
    const calls = [setup.call(setup.one, first)];
    void setup.server
      .refresh({
        refreshToken: first,
        process: setup.two,
        lease: 'x/2',
        signal: new AbortController().signal,
      })
      .catch(() => {});
    await Promise.all(calls);
    expect(setup.broken()).toEqual(['A1']);
  });

  it('excuses a request that the network delivered twice', async () => {
    const setup = new Setup();
    setup.server.faults = { ...kindProvider, duplicateChance: 1 };
    await setup.call(setup.one, setup.server.consent('f', true));
    expect(setup.server.books().revokedFamilies).toBe(1);
    expect(setup.broken()).toEqual([]);
  });

  it('asks to come back later without spending the token', async () => {
    const setup = new Setup();
    const first = setup.server.consent('f', true);
    setup.server.faults = { ...kindProvider, busyChance: 1 };
    expect(await setup.call(setup.one, first)).toMatchObject({ type: 'retry', status: 429 });
    setup.server.faults = kindProvider;
    expect(await setup.call(setup.two, first)).toMatchObject({ type: 'ok' });
  });
});
