import { type Cluster, clusterOf, type Deployment, nodeIdsOf } from './deployment.ts';
import type { FromChild, Progress } from './messages.ts';
import { type Settings, updaterIds } from './settings.ts';
import { type Moment, type NodeView, type ProxyView, renderLine, renderView } from './view.ts';

export interface SpectatorOptions {
  readonly settings: Settings;
  readonly deployment: Deployment;
  /** Draw in place; otherwise a line every few seconds. */
  readonly live: boolean;
  readonly isAlive: (name: string) => boolean;
}

const lineMs = 5_000;
const eventsKept = 20;

/** What a person sees of a run. */
export class Spectator {
  readonly #options: SpectatorOptions;
  readonly #nodes: Map<string, NodeView | 'down'>;
  readonly #proxies: Map<string, ProxyView | 'down'>;
  readonly #events: string[] = [];
  #progress: Progress | undefined;
  #startedAt = 0;
  #linesDrawn = 0;
  #lineAt = 0;
  #rates: { readonly at: number; readonly refreshed: number }[] = [];

  constructor(options: SpectatorOptions) {
    this.#options = options;
    const { deployment } = options;
    this.#nodes = new Map(nodeIdsOf(deployment).map((id) => [id, 'down']));
    this.#proxies = new Map(Object.keys(deployment.proxies).map((name) => [name, 'down']));
  }

  begin(at: number): void {
    this.#startedAt = at;
  }

  note(message: FromChild): void {
    if (message.type === 'view') this.#noteNode(message);
    if (message.type === 'proxyView') this.#proxies.set(message.name, message);
    if (message.type !== 'progress') return;
    this.#progress = message.progress;
    this.#rates.push({ at: Date.now(), refreshed: message.progress.refreshed });
    this.#rates = this.#rates.filter(({ at }) => at > Date.now() - 1_000);
  }

  down(name: string): void {
    if (this.#nodes.has(name)) this.#nodes.set(name, 'down');
    if (this.#proxies.has(name)) this.#proxies.set(name, 'down');
  }

  /** @returns the node of a cluster that says it leads, by the highest term. */
  leaderOf(cluster: Cluster): string | undefined {
    const leaders = Object.keys(cluster.peers)
      .map((id) => this.#nodes.get(id))
      .filter((view) => view !== undefined && view !== 'down')
      .filter((view) => view.role === 'leader' && this.#options.isAlive(view.nodeId));
    return leaders.sort((one, other) => other.term - one.term)[0]?.nodeId;
  }

  say(event: string): void {
    const seconds = this.#startedAt === 0 ? 0 : (Date.now() - this.#startedAt) / 1_000;
    this.#events.push(`${seconds.toFixed(1).padStart(6)} s  ${event}`);
    if (this.#events.length > eventsKept) this.#events.shift();
    if (!this.#options.live) console.log(this.#events.at(-1));
  }

  draw(): void {
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

  #noteNode(view: NodeView): void {
    const before = this.#nodes.get(view.nodeId);
    this.#nodes.set(view.nodeId, view);
    const isNews = view.role === 'leader' && (before === 'down' || before?.role !== 'leader');
    if (!isNews) return;
    const { deployment } = this.#options;
    const [{ name }] = clusterOf(deployment, view.nodeId);
    const shard = deployment.clusters.length > 1 ? ` of shard ${name}` : '';
    this.say(`node ${view.nodeId} leads term ${view.term}${shard}`);
  }

  #moment(): Moment {
    const { settings, isAlive } = this.#options;
    const first = this.#rates[0];
    const last = this.#rates.at(-1);
    const spanMs = first === undefined || last === undefined ? 0 : last.at - first.at;
    const gained = first === undefined || last === undefined ? 0 : last.refreshed - first.refreshed;
    return {
      elapsedSeconds: (Date.now() - this.#startedAt) / 1_000,
      seconds: settings.seconds,
      tokens: settings.tokens,
      nodes: this.#nodes,
      proxies: this.#proxies,
      updaters: new Map(updaterIds.map((id) => [id, isAlive(id)])),
      progress: this.#progress,
      refreshesPerSecond: spanMs === 0 ? 0 : Math.round((gained * 1_000) / spanMs),
      events: this.#events,
    };
  }
}
