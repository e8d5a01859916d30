import { describe, expect, it } from 'vitest';
import { parseOptions, settingsFor } from '../../examples/demo/settings.ts';
import { type Moment, type NodeView, renderLine, renderView } from '../../examples/demo/view.ts';

const moment: Moment = {
  elapsedSeconds: 21.4,
  seconds: 60,
  tokens: 1_000,
  nodes: new Map<string, NodeView | 'down'>([
    ['a', 'down'],
    ['b', { type: 'view', nodeId: 'b', state: 'running', role: 'leader', term: 3, leaderId: 'b' }],
    ['c', { type: 'view', nodeId: 'c', state: 'running', role: 'follower', term: 3, leaderId: 'b' }],
  ]),
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
});

describe('the options of the demo', () => {
  it('have defaults, and refuse what they do not know in one sentence', () => {
    expect(parseOptions([])).toEqual({ tokens: 1_000, seconds: 60, json: false });
    expect(() => parseOptions(['--token', '5'])).toThrow('unknown argument --token');
    expect(() => parseOptions(['--seconds', '5'])).toThrow('--seconds must be a whole number from 24');
    expect(() => parseOptions(['--tokens'])).toThrow('--tokens must be');
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
