import { type AuthorizationServer, kindProvider } from './authorization-server.ts';
import type { Coverage } from './coverage.ts';
import type { Prng } from './prng.ts';
import type { SimulatedClient } from './simulated-client.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import type { World } from './world.ts';

/** Faults of clients, of their way to the nodes, and of the provider. */
export const clientFaultKinds = [
  'killClient',
  'pauseClient',
  'resetClient',
  'cutClient',
  'muteClient',
  'provider',
] as const;
type ClientFaultKind = (typeof clientFaultKinds)[number];

/** How long a client is out of reach at most. */
const cutMsMax = 4_000;

export interface ClientNemesisOptions {
  readonly world: World;
  readonly network: SimulatedNetwork;
  readonly random: Prng;
  readonly coverage: Coverage;
  readonly clients: readonly SimulatedClient[];
  readonly nodes: readonly string[];
  readonly provider: AuthorizationServer;
}

/** Kills, freezes and cuts off clients, and makes the provider a bad one; takes everything back in the end. */
export class ClientNemesis {
  readonly #options: ClientNemesisOptions;
  readonly #kinds: readonly ClientFaultKind[];
  readonly #meanIntervalMs: number;
  #isActive = true;

  constructor(options: ClientNemesisOptions) {
    this.#options = options;
    const { random } = options;
    this.#kinds = random.shuffled(clientFaultKinds).slice(0, 1 + random.below(clientFaultKinds.length));
    this.#meanIntervalMs = random.pick([400, 1_500, 5_000]);
  }

  start(): void {
    this.#next();
  }

  stop(): void {
    this.#isActive = false;
    const { clients, network, provider } = this.#options;
    network.healAll();
    provider.faults = kindProvider;
    for (const client of clients) {
      client.host.process?.resume();
      client.start();
    }
  }

  #next(): void {
    const { world, random } = this.#options;
    world.after(-Math.log(1 - random.next()) * this.#meanIntervalMs, () => {
      if (!this.#isActive) return;
      const kind = random.pick(this.#kinds);
      if (this.#strike(kind, random.pick(this.#options.clients)))
        this.#options.coverage.count(`fault ${kind}`);
      this.#next();
    });
  }

  #strike(kind: ClientFaultKind, client: SimulatedClient): boolean {
    const { random, nodes, network } = this.#options;
    switch (kind) {
      case 'killClient':
        return this.#kill(client);
      case 'pauseClient':
        return this.#pause(client);
      case 'resetClient':
        return nodes.filter((node) => network.reset(client.name, node) > 0).length > 0;
      case 'cutClient':
        return this.#cut(client.name, random.chance(0.5) ? nodes : [random.pick(nodes)], true);
      case 'muteClient':
        return this.#cut(client.name, nodes, false);
      case 'provider':
        return this.#spoilProvider();
    }
  }

  #kill(client: SimulatedClient): boolean {
    if (!client.isUp) return false;
    client.kill();
    this.#later(this.#options.random.between(1, 5_000), () => client.start());
    return true;
  }

  #pause(client: SimulatedClient): boolean {
    const process = client.host.process;
    if (process === undefined || process.isPaused) return false;
    this.#options.world.note(`${client.name} is paused`);
    process.pause();
    this.#later(this.#options.random.between(20, cutMsMax), () => process.resume());
    return true;
  }

  #cut(client: string, nodes: readonly string[], bothWays: boolean): boolean {
    const { world, network, random } = this.#options;
    world.note(`${client} is cut off from ${nodes.join(' ')}`);
    for (const node of nodes) {
      network.block(client, node);
      if (bothWays) network.block(node, client);
    }
    this.#later(random.between(100, cutMsMax), () => {
      for (const node of nodes) {
        network.unblock(client, node);
        network.unblock(node, client);
      }
    });
    return true;
  }

  #spoilProvider(): boolean {
    const { provider, random, world } = this.#options;
    const chance = (): number => random.pick([0, 0.05, 0.3]);
    provider.faults = {
      delayMs: random.pick([20, 200, 1_000]),
      lostRequestChance: chance(),
      lostAnswerChance: chance(),
      lateAnswerChance: chance(),
      lateMs: 3_000,
      duplicateChance: random.pick([0, 0.05, 0.1]),
      busyChance: chance(),
      errorChance: chance(),
    };
    world.note(`provider: ${JSON.stringify(provider.faults)}`);
    this.#later(random.between(2_000, 10_000), () => {
      provider.faults = kindProvider;
    });
    return true;
  }

  #later(inMs: number, repair: () => void): void {
    this.#options.world.after(inMs, () => {
      if (this.#isActive) repair();
    });
  }
}
