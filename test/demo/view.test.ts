import { describe, expect, it } from 'vitest';
import { parseOptions, settingsFor } from '../../examples/demo/settings.ts';
import {
  type Moment,
  type NodeView,
  type ProxyView,
  renderLine,
  renderView,
} from '../../examples/demo/view.ts';

const moment: Moment = {
  elapsedSeconds: 21.4,
  seconds: 60,
  tokens: 1_000,
  nodes: new Map<string, NodeView | 'down'>([
    ['a', 'down'],
    ['b', { type: 'view', nodeId: 'b', state: 'running', role: 'leader', term: 3, leaderId: 'b' }],
    ['c', { type: 'view', nodeId: 'c', state: 'running', role: 'follower', term: 3, leaderId: 'b' }],
  ]),
  proxies: new Map(),
  updaters: new Map([
    ['updater-1', true],
    ['updater-2', false],
  ]),
  progress: undefined,
  refreshesPerSecond: 111,
  events: [
    'a very long event that goes on and on until it would be wider than any terminal has ever been, which is a lot',
  ],
};

describe('the live view', () => {
  it('says who leads, who is down, and fits into 80 columns', () => {
    const lines = renderView(moment);
    expect(lines.join('\n')).toMatch(/node a\s+down[\s\S]*node b\s+LEADER\s+term 3[\s\S]*updater-2 \(down\)/);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('has the same height at every moment', () => {
    expect(renderView({ ...moment, events: [] })).toHaveLength(renderView(moment).length);
  });

  it('has a one-line form for logs', () => {
    expect(renderLine(moment)).toBe('0:21  leader b (term 3)  0 refreshed, 111/s, 0 lapsed');
  });

  it('shows two clusters and what their proxies do in 24 lines of 80 columns', () => {
    const nodes = new Map<string, NodeView | 'down'>(
      ['a', 'b', 'c', 'd', 'e', 'f'].map((nodeId) => [
        nodeId,
        {
          type: 'view',
          nodeId,
          state: 'running',
          role: nodeId === 'b' || nodeId === 'f' ? 'leader' : 'follower',
          term: 2,
          leaderId: nodeId < 'd' ? 'b' : 'f',
        },
      ]),
    );
    const proxies = new Map<string, ProxyView | 'down'>([
      ['proxy-1', 'down'],
      [
        'proxy-2',
        {
          type: 'proxyView',
          name: 'proxy-2',
          mapVersion: 7,
          clients: 4,
          underWay: 10_123,
          held: 9_999,
        },
      ],
    ]);
    const lines = renderView({ ...moment, nodes, proxies });
    expect(lines.join('\n')).toMatch(
      /proxy-1\s+down\s+proxy-2\s+4 clients\s+map\s+7 .*10123 under way, 9999 held/,
    );
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    expect(lines.length).toBeLessThanOrEqual(24);
    expect(renderLine({ ...moment, nodes, proxies })).toContain('leader b (term 2) and f (term 2)');
  });
});

describe('the options of the demo', () => {
  it('have defaults, and refuse what they do not know in one sentence', () => {
    expect(parseOptions([])).toEqual({ tokens: 1_000, seconds: 60, json: false, shards: 1 });
    expect(() => parseOptions(['--token', '5'])).toThrow('unknown argument --token');
    expect(() => parseOptions(['--seconds', '5'])).toThrow('--seconds must be a whole number from 24');
    expect(() => parseOptions(['--tokens'])).toThrow('--tokens must be');
    expect(parseOptions(['--shards', '2'])).toMatchObject({ seconds: 60, shards: 2 });
    expect(() => parseOptions(['--shards', '3'])).toThrow('--shards must be a whole number from 1 to 2');
    expect(() => parseOptions(['--shards', '2', '--seconds', '24'])).toThrow('at least 30 with two shards');
  });

  it('scale with the run: a suspect token is retried before it lapses, and an updater has time to come back', () => {
    for (const seconds of ['30', '60', '600']) {
      const settings = settingsFor(parseOptions(['--seconds', seconds]));
      expect(settings.lifetimeSeconds * 1_000 * 3).toBeLessThanOrEqual(settings.seconds * 1_000);
      expect(settings.suspectMs).toBeLessThan(settings.leadMs);
      expect(settings.callMs).toBeLessThanOrEqual(settings.suspectMs);
      expect(settings.suspectMs).toBeGreaterThan(2_500);
    }
  });
});
