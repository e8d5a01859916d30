import { describe, it } from 'vitest';
import type { Link, Listener } from '../../src/ports/transport.ts';
import { type TransportHarness, transportContract } from '../../src/testing/transport-contract.ts';
import { MemoryNetwork } from '../../src/transport/memory/memory-network.ts';
import { WebSocketTransport } from '../../src/transport/websocket/websocket-transport.ts';
import { silentLogger } from '../mesh/mesh-world.ts';
import { VirtualClock } from '../mesh/virtual-clock.ts';
import { pause, until } from '../transport/real-time.ts';

async function memory(): Promise<TransportHarness> {
  const clock = new VirtualClock();
  const network = new MemoryNetwork(clock);
  return {
    listening: network.transport('one'),
    dialling: network.transport('two'),
    deadAddress: 'memory:nobody',
    until: (condition) => clock.until(condition),
    settle: () => clock.advance(1_000),
    close: async () => undefined,
  };
}

async function webSocket(): Promise<TransportHarness> {
  const listening = new WebSocketTransport({ listen: { host: '127.0.0.1', port: 0 }, logger: silentLogger });
  const dialling = new WebSocketTransport({ listen: false, logger: silentLogger });
  const listeners: Listener[] = [];
  const listen = async (onLink: (link: Link) => void): Promise<Listener> => {
    const listener = await listening.listen(onLink);
    listeners.push(listener);
    return listener;
  };
  return {
    listening: { listen, dial: (...how) => listening.dial(...how) },
    dialling,
    deadAddress: 'ws://127.0.0.1:1',
    until,
    settle: () => pause(100),
    close: async () => {
      for (const listener of listeners) await listener.close();
    },
  };
}

describe('the memory transport', () => {
  for (const { name, run } of transportContract(memory)) it(name, run);
});

describe('the WebSocket transport', () => {
  for (const { name, run } of transportContract(webSocket)) it(name, run);
});
