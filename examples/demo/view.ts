import type { FromChild, Progress } from './messages.ts';

export type NodeView = Extract<FromChild, { type: 'view' }>;
export type ProxyView = Extract<FromChild, { type: 'proxyView' }>;

/** One moment of the run. */
export interface Moment {
  readonly elapsedSeconds: number;
  readonly seconds: number;
  readonly tokens: number;
  readonly nodes: ReadonlyMap<string, NodeView | 'down'>;
  readonly proxies: ReadonlyMap<string, ProxyView | 'down'>;
  readonly updaters: ReadonlyMap<string, boolean>;
  readonly progress: Progress | undefined;
  readonly refreshesPerSecond: number;
  /** What happened last, newest at the end. */
  readonly events: readonly string[];
}

const width = 78;
const barWidth = 40;
const eventsShown = 5;

/** @returns the lines of the live view, none wider than 80 columns, always equally many. */
export function renderView(moment: Moment): readonly string[] {
  const { progress, tokens } = moment;
  const count = (value: number | undefined) => String(value ?? 0).padStart(7);
  const events = [...Array.from({ length: eventsShown }, () => ''), ...moment.events].slice(-eventsShown);
  return [
    `raftsman demo   ${clock(moment.elapsedSeconds)} of ${clock(moment.seconds)}   ${bar(moment.elapsedSeconds / moment.seconds, barWidth)}`,
    '',
    ...[...moment.nodes].map(([id, view]) => `  node ${id}      ${nodeLine(id, view)}`),
    ...[...moment.proxies].map(([name, view]) => `  ${name}     ${proxyLine(view)}`),
    `  updaters    ${[...moment.updaters].map(([id, up]) => (up ? id : `${id} (down)`)).join('   ')}`,
    '',
    `  urgent ${count(progress?.bands.urgent)}    expired ${count(progress?.bands.expired)}    ahead   ${count(progress?.bands.ahead)}`,
    `  taken  ${count(progress?.states.taken)}    suspect ${count(progress?.states.suspect)}    delayed ${count(progress?.states.delayed)}`,
    '',
    `  refreshes/s ${count(moment.refreshesPerSecond)}    refreshed ${count(progress?.refreshed)}    calls ${count(progress?.providerCalls)}`,
    `  tokens      ${count(tokens)}    lapsed    ${count(progress?.lapsed)}    revoked ${count(progress?.revokedFamilies)}`,
    '',
    ...events.map((event) => `  ${event}`),
  ].map((line) => line.slice(0, width));
}

/** One line for logs that nobody watches live. */
export function renderLine(moment: Moment): string {
  const leaders = [...moment.nodes.values()]
    .filter((view) => view !== 'down')
    .filter((view) => view.role === 'leader')
    .map((view) => `${view.nodeId} (term ${view.term})`);
  const { progress } = moment;
  const numbers = `${progress?.refreshed ?? 0} refreshed, ${moment.refreshesPerSecond}/s, ${progress?.lapsed ?? 0} lapsed`;
  return `${clock(moment.elapsedSeconds)}  leader ${leaders.join(' and ') || 'none'}  ${numbers}`;
}

function nodeLine(id: string, view: NodeView | 'down'): string {
  if (view === 'down') return 'down';
  const role = view.leaderId === id ? 'LEADER' : view.role;
  return `${role.padEnd(14)} term ${String(view.term).padEnd(6)} ${view.state}`;
}

function proxyLine(view: ProxyView | 'down'): string {
  if (view === 'down') return 'down';
  const { clients, mapVersion, underWay, held } = view;
  const map = `${clients} clients`.padEnd(14);
  return `${map} map  ${String(mapVersion).padEnd(6)} ${underWay} under way, ${held} held`;
}

function bar(share: number, length: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * length);
  return `[${'='.repeat(full)}${' '.repeat(length - full)}]`;
}

function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
