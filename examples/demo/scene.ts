import { type CallJournal, joinJournals } from './call-log.ts';
import { Cast } from './cast.ts';
import { type Deployment, nodeIdsOf } from './deployment.ts';
import { countLinks, type Links, socketsOf } from './links.ts';
import type { Claims, FromChild } from './messages.ts';
import { Reloads } from './reloads.ts';
import type { Run } from './report.ts';
import { play, type Stage } from './script.ts';
import { type Settings, updaterIds, updaterRestartMs } from './settings.ts';
import { homeOf, markIds, ShardPlan, tokenIds } from './shard-plan.ts';
import { Spectator } from './spectator.ts';
import type { Kill } from './verdict.ts';

export interface SceneOptions {
  readonly settings: Settings;
  readonly deployment: Deployment;
  readonly directory: string;
  /** Draw in place; otherwise a line every few seconds. */
  readonly live: boolean;
}

const drawMs = 250;
const leaderWaitMs = 15_000;
/** The updater is killed at the first moment with so many calls open; after a while fewer will do. */
const openCallsWanted = 4;
const openCallsWaitMs = 3_000;
const updaterToKill = 'updater-2';
const proxyToKill = 'proxy-1';

/** The processes of one run, what is done to them, and what a person sees of it. */
export class Scene implements Stage {
  readonly #options: SceneOptions;
  readonly #cast: Cast;
  readonly #spectator: Spectator;
  readonly #plan: ShardPlan;
  readonly #reloads: Reloads;
  readonly #updaterCalls: CallJournal[] = [];
  readonly #unstored: string[] = [];
  #links: Links | undefined;
  #startedAt = 0;

  constructor(options: SceneOptions) {
    const { settings, deployment } = options;
    this.#options = options;
    this.#cast = new Cast({ ...options, onMessage: (message) => this.#note(message) });
    this.#spectator = new Spectator({ ...options, isAlive: (name) => this.#cast.isAlive(name) });
    this.#plan = new ShardPlan(deployment.clusters, [
      ...tokenIds(settings.tokens),
      ...markIds(deployment.clusters.length),
    ]);
    this.#reloads = new Reloads({
      path: deployment.shardFile,
      plan: this.#plan,
      proxies: () => this.#proxies().map((name) => this.#cast.get(name)),
      say: (event) => this.#spectator.say(event),
    });
  }

  /** From nothing to the verdict; all processes have ended when it resolves. */
  async play(): Promise<Run> {
    await this.#startAll();
    const drawing = setInterval(() => this.#spectator.draw(), drawMs);
    const { settings } = this.#options;
    const frontEnd = this.#cast.get('front-end');
    const stored = frontEnd.next('stored');
    this.#startedAt = Date.now();
    this.#spectator.begin(this.#startedAt);
    frontEnd.send({ type: 'run' });
    await stored;
    this.#spectator.say(`${settings.tokens} tokens stored`);
    const said = frontEnd.next('claims');
    said.catch(() => {}); // awaited below; the script may end first
    await play(this, settings.shards);
    const finish = { type: 'finish', probes: Object.keys(this.#probes()) } as const;
    this.#cast.get('judge').send(finish);
    frontEnd.send(finish);
    const { claims } = await said;
    await Promise.all(updaterIds.map((id) => this.#cast.stop(id)));
    const run = await this.#judge(claims);
    clearInterval(drawing);
    this.#spectator.draw();
    await this.#cast.stopAll();
    return run;
  }

  /** For a run that is given up. */
  killAll(): void {
    this.#cast.killAll();
  }

  async until(share: number): Promise<void> {
    await pause(this.#startedAt + share * this.#options.settings.seconds * 1_000 - Date.now());
  }

  async killLeader(home: number): Promise<string> {
    const name = await this.#leader(home);
    await this.#kill('leader', name, home);
    this.#spectator.say(`node ${name}, the leader, killed (SIGKILL)`);
    return name;
  }

  async restartNode(name: string): Promise<void> {
    await this.#cast.start('node.ts', name);
    this.#spectator.say(`node ${name} started again`);
  }

  async replaceUpdater(): Promise<void> {
    await this.#whenBusy(updaterToKill);
    await this.#kill('updater', updaterToKill);
    this.#spectator.say(`${updaterToKill} killed (SIGKILL) with calls in flight`);
    await pause(updaterRestartMs);
    await this.#cast.start('updater.ts', updaterToKill);
    this.#spectator.say(`${updaterToKill} started again`);
  }

  async killProxy(): Promise<void> {
    await this.#kill('proxy', proxyToKill);
    this.#spectator.say(`${proxyToKill} killed (SIGKILL)`);
  }

  async restartProxy(): Promise<void> {
    await this.#cast.start('proxy.ts', proxyToKill);
    await this.#orTrouble(this.#reloads.checkVersions());
    this.#spectator.say(`${proxyToKill} started again`);
  }

  async reload(count: number): Promise<void> {
    for (let done = 0; done < count; done++) await this.#orTrouble(this.#reloads.reload());
  }

  /** It gives away a token of each shard. */
  async offerBadFile(): Promise<void> {
    const { settings, deployment } = this.#options;
    const ids = tokenIds(settings.tokens);
    const keys = deployment.clusters.flatMap((_, home) => {
      const id = ids.find((each) => homeOf(each, settings.shards) === home);
      return id === undefined ? [] : [id];
    });
    await this.#orTrouble(this.#reloads.offerBad(keys));
  }

  countLinks(): void {
    const nodes = this.#cast.pidsOf(nodeIdsOf(this.#options.deployment));
    const wanted = this.#cast.pidsOf(this.#proxies());
    const tolerated = this.#cast.pidsOf(['judge']);
    const sockets = socketsOf([...this.#cast.pidsOf(this.#cast.names())]);
    this.#links = sockets === undefined ? undefined : countLinks(sockets, { nodes, wanted, tolerated });
  }

  async #startAll(): Promise<void> {
    const { deployment } = this.#options;
    this.#cast.provider = await this.#cast.start('authorization-server.ts', 'authorization-server');
    await Promise.all(nodeIdsOf(deployment).map((id) => this.#cast.start('node.ts', id)));
    await Promise.all(deployment.clusters.map((_, home) => this.#leader(home)));
    await Promise.all(this.#proxies().map((name) => this.#cast.start('proxy.ts', name)));
    await Promise.all([
      ...updaterIds.map((id) => this.#cast.start('updater.ts', id)),
      this.#cast.start('front-end.ts', 'front-end'),
      this.#cast.start('judge.ts', 'judge'),
    ]);
  }

  async #judge(claims: Claims): Promise<Run> {
    const judge = this.#cast.get('judge');
    const said = judge.next('verdict');
    const updaterCalls = joinJournals(this.#updaterCalls);
    const testimony = { claims, updaterCalls, unstored: this.#unstored, probes: this.#probes() };
    judge.send({ type: 'claims', testimony });
    const { verdict } = await said;
    const { followed, refused } = this.#reloads;
    return {
      settings: this.#options.settings,
      verdict,
      claims,
      updaterCalls,
      reloads: { followed, refused },
      links: this.#links,
      troubles: this.#cast.troubles,
    };
  }

  async #kill(what: Kill['what'], name: string, home?: number): Promise<void> {
    const worker = `${name}:${this.#cast.get(name).pid}`;
    const at = Date.now();
    const gone = this.#cast.kill(name);
    this.#cast.get('judge').send({ type: 'killed', kill: { what, name, worker, at, home } });
    await gone;
    this.#spectator.down(name);
  }

  /** Resolves when the updater has calls open at the authorisation server. */
  async #whenBusy(name: string): Promise<void> {
    const server = this.#cast.get('authorization-server');
    const worker = `${name}:${this.#cast.get(name).pid}`;
    const said = server.next('outstanding');
    server.send({ type: 'watch', worker, calls: openCallsWanted });
    const fewer = setTimeout(() => server.send({ type: 'watch', worker, calls: 1 }), openCallsWaitMs);
    await said;
    clearTimeout(fewer);
  }

  async #leader(home: number): Promise<string> {
    const cluster = this.#options.deployment.clusters[home];
    if (cluster === undefined) throw new Error(`there is no cluster ${home}`);
    const giveUpAt = Date.now() + leaderWaitMs;
    for (;;) {
      const leader = this.#spectator.leaderOf(cluster);
      if (leader !== undefined) return leader;
      if (Date.now() > giveUpAt) throw new Error(`no leader of ${cluster.name} within ${leaderWaitMs} ms`);
      await pause(10);
    }
  }

  /** What a proxy did not do is a broken promise; the run goes on, for the judge to say what else is. */
  async #orTrouble(step: Promise<void>): Promise<void> {
    await step.catch((error: unknown) => {
      this.#cast.troubles.push(error instanceof Error ? error.message : String(error));
    });
  }

  #note(message: FromChild): void {
    this.#spectator.note(message);
    if (message.type !== 'calls') return;
    this.#updaterCalls.push(message.calls);
    this.#unstored.push(...message.unstored);
  }

  #proxies(): readonly string[] {
    return Object.keys(this.#options.deployment.proxies);
  }

  /** None without shards: nothing has moved. */
  #probes(): Readonly<Record<string, number>> {
    return this.#options.settings.shards === 1 ? {} : this.#plan.probes();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
