import { join } from 'node:path';
import { type Child, startChild } from './child.ts';
import type { FromChild, Progress, Role } from './messages.ts';
import type { Run } from './report.ts';
import { type Cluster, nodeIds, type Settings, updaterIds, updaterRestartMs } from './settings.ts';
import { type Moment, type NodeView, renderLine, renderView } from './view.ts';

export interface SceneOptions {
  readonly settings: Settings;
  readonly cluster: Cluster;
  readonly directory: string;
  /** Draw in place; otherwise a line every few seconds. */
  readonly live: boolean;
}

const drawMs = 250;
const lineMs = 5_000;
const eventsKept = 20;
const leaderWaitMs = 15_000;
/** The updater is killed at the first moment with so many calls open; after a while fewer will do. */
const openCallsWanted = 4;
const openCallsWaitMs = 3_000;

/** The script, in shares of the run. */
const leaderKilledAt = 1 / 3;
const leaderRestartedAt = 0.45;
const updaterKilledAt = 0.55;
const victim = 'updater-2';

/** The processes of one run, the script that hurts them, and what a person sees of it. */
export class Scene {
  readonly #options: SceneOptions;
  readonly #children = new Map<string, Child>();
  /** Processes that are meant to end. */
  readonly #doomed = new Set<Child>();
  readonly #nodes = new Map<string, NodeView | 'down'>(nodeIds.map((id) => [id, 'down']));
  readonly #events: string[] = [];
  readonly #troubles: string[] = [];
  #tokenEndpoint = '';
  #journalUrl = '';
  #progress: Progress | undefined;
  #startedAt = 0;
  #linesDrawn = 0;
  #lineAt = 0;
  #rates: { readonly at: number; readonly refreshed: number }[] = [];

  constructor(options: SceneOptions) {
    this.#options = options;
  }

  /** From nothing to the verdict; all processes have ended when it resolves. */
  async play(): Promise<Run> {
    await this.#startAll();
    const drawing = setInterval(() => this.#draw(), drawMs);
    const { settings } = this.#options;
    const frontEnd = this.#child('front-end');
    const judge = this.#child('judge');
    const stored = frontEnd.next('stored');
    this.#startedAt = Date.now();
    frontEnd.send({ type: 'run' });
    await stored;
    this.#say(`${settings.tokens} tokens stored`);
    const claims = frontEnd.next('claims');
    claims.catch(() => {}); // awaited below; the script may end first
    await this.#script();
    judge.send({ type: 'finish' });
    frontEnd.send({ type: 'finish' });
    const { claims: said } = await claims;
    await Promise.all(updaterIds.map((id) => this.#stop(id)));
    const verdict = judge.next('verdict');
    judge.send({ type: 'claims', claims: said });
    const run: Run = { settings, verdict: (await verdict).verdict, claims: said, troubles: this.#troubles };
    clearInterval(drawing);
    this.#draw();
    await Promise.all([...this.#children.keys()].map((name) => this.#stop(name)));
    return run;
  }

  /** For a run that is given up. */
  killAll(): void {
    for (const child of this.#children.values()) {
      this.#doomed.add(child);
      void child.kill();
    }
  }

  async #startAll(): Promise<void> {
    const server = await this.#start('authorization-server.ts', 'authorization-server');
    this.#tokenEndpoint = server.address;
    this.#journalUrl = server.journalUrl;
    await Promise.all(nodeIds.map((id) => this.#start('node.ts', id)));
    await this.#leader();
    await Promise.all([
      ...updaterIds.map((id) => this.#start('updater.ts', id)),
      this.#start('front-end.ts', 'front-end'),
      this.#start('judge.ts', 'judge'),
    ]);
  }

  async #script(): Promise<void> {
    await this.#until(leaderKilledAt);
    const leader = await this.#leader();
    await this.#killAndTell('leader', leader);
    this.#nodes.set(leader, 'down');
    await this.#until(leaderRestartedAt);
    await this.#start('node.ts', leader);
    this.#say(`node ${leader} started again`);
    await this.#until(updaterKilledAt);
    await this.#whenBusy(victim);
    await this.#killAndTell('updater', victim);
    await pause(updaterRestartMs);
    await this.#start('updater.ts', victim);
    this.#say(`${victim} started again`);
    await this.#until(1);
  }

  async #until(share: number): Promise<void> {
    await pause(this.#startedAt + share * this.#options.settings.seconds * 1_000 - Date.now());
  }

  async #killAndTell(what: 'leader' | 'updater', name: string): Promise<void> {
    const child = this.#child(name);
    this.#doomed.add(child);
    const at = Date.now();
    const gone = child.kill();
    this.#child('judge').send({ type: 'killed', what, name, worker: `${name}:${child.pid}`, at });
    await gone;
    this.#say(
      what === 'leader'
        ? `node ${name}, the leader, killed (SIGKILL)`
        : `${name} killed (SIGKILL) with calls in flight`,
    );
  }

  /** Resolves when the updater has calls open at the authorisation server. */
  async #whenBusy(name: string): Promise<void> {
    const server = this.#child('authorization-server');
    const worker = `${name}:${this.#child(name).pid}`;
    const said = server.next('outstanding');
    server.send({ type: 'watch', worker, calls: openCallsWanted });
    const fewer = setTimeout(() => server.send({ type: 'watch', worker, calls: 1 }), openCallsWaitMs);
    await said;
    clearTimeout(fewer);
  }

  async #leader(): Promise<string> {
    const giveUpAt = Date.now() + leaderWaitMs;
    for (;;) {
      const leaders = [...this.#nodes.values()]
        .filter((view) => view !== 'down')
        .filter((view) => view.role === 'leader');
      const newest = leaders.sort((one, other) => other.term - one.term)[0];
      if (newest !== undefined && this.#children.get(newest.nodeId)?.alive === true) return newest.nodeId;
      if (Date.now() > giveUpAt) throw new Error(`no leader within ${leaderWaitMs} ms`);
      await pause(10);
    }
  }

  async #start(file: string, name: string): Promise<Extract<FromChild, { type: 'ready' }>> {
    const { settings, cluster, directory } = this.#options;
    const child = startChild(file, name, join(directory, `${name}.log`), (message) =>
      this.#onMessage(message),
    );
    this.#children.set(name, child);
    child.exited.then((how) => {
      if (!this.#doomed.has(child)) this.#troubles.push(`${name} ended by itself (${how})`);
    });
    const ready = child.next('ready');
    const role: Role = { name, directory, tokenEndpoint: this.#tokenEndpoint, journalUrl: this.#journalUrl };
    child.send({ type: 'start', settings, cluster, role });
    return ready;
  }

  async #stop(name: string): Promise<void> {
    const child = this.#child(name);
    this.#doomed.add(child);
    if (child.alive) await child.stop();
  }

  #child(name: string): Child {
    const child = this.#children.get(name);
    if (child === undefined) throw new Error(`${name} was not started`);
    return child;
  }

  #onMessage(message: FromChild): void {
    if (message.type === 'view') {
      const before = this.#nodes.get(message.nodeId);
      this.#nodes.set(message.nodeId, message);
      const isNews = message.role === 'leader' && (before === 'down' || before?.role !== 'leader');
      if (isNews) this.#say(`node ${message.nodeId} leads term ${message.term}`);
    }
    if (message.type === 'progress') {
      this.#progress = message.progress;
      this.#rates.push({ at: Date.now(), refreshed: message.progress.refreshed });
      this.#rates = this.#rates.filter(({ at }) => at > Date.now() - 1_000);
    }
  }

  #say(event: string): void {
    const seconds = this.#startedAt === 0 ? 0 : (Date.now() - this.#startedAt) / 1_000;
    this.#events.push(`${seconds.toFixed(1).padStart(6)} s  ${event}`);
    if (this.#events.length > eventsKept) this.#events.shift();
    if (!this.#options.live) console.log(this.#events.at(-1));
  }

  #draw(): void {
    if (this.#options.live) {
      const lines = renderView(this.#moment());
      const up = this.#linesDrawn === 0 ? '' : `\u001b[${this.#linesDrawn}A`;
      process.stdout.write(`${up}${lines.map((line) => `\u001b[2K${line}\n`).join('')}`);
      this.#linesDrawn = lines.length;
    } else if (Date.now() >= this.#lineAt) {
      this.#lineAt = Date.now() + lineMs;
      console.log(renderLine(this.#moment()));
    }
  }

  #moment(): Moment {
    const first = this.#rates[0];
    const last = this.#rates.at(-1);
    const spanMs = first === undefined || last === undefined ? 0 : last.at - first.at;
    const gained = first === undefined || last === undefined ? 0 : last.refreshed - first.refreshed;
    return {
      elapsedSeconds: (Date.now() - this.#startedAt) / 1_000,
      seconds: this.#options.settings.seconds,
      tokens: this.#options.settings.tokens,
      nodes: this.#nodes,
      updaters: new Map(updaterIds.map((id) => [id, this.#children.get(id)?.alive ?? false])),
      progress: this.#progress,
      refreshesPerSecond: spanMs === 0 ? 0 : Math.round((gained * 1_000) / spanMs),
      events: this.#events,
    };
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
