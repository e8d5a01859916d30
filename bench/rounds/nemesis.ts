import type { Cut, Fault } from './faults.ts';
import { type Member, nodeIds, type Service, shardNumbers } from './service.ts';
import type { Wire } from './wire.ts';

/** A fault that was done, and how it is taken back. */
export interface Hurt {
  readonly detail: string;
  /** How long it lasts. */
  readonly lastsMs: number;
  heal(): Promise<void>;
}

type AnyMember = Pick<Member<unknown>, 'name' | 'kill' | 'start' | 'signal'>;

/** Does it, to whoever leads now. */
export async function hurt(service: Service, fault: Fault): Promise<Hurt> {
  switch (fault.kind) {
    case 'kill leader':
      return killed([leader(service, fault.shard)], fault.downMs);
    case 'kill follower':
      return killed([follower(service, fault.shard)], fault.downMs);
    case 'kill proxy':
      return killed([proxy(service, fault.proxy)], fault.downMs);
    case 'kill leader and proxy':
      return killed([leader(service, fault.shard), proxy(service, fault.proxy)], fault.downMs);
    case 'kill both leaders':
      return killed([leader(service, 0), leader(service, 1)], fault.downMs);
    case 'freeze leader':
      return frozen(leader(service, fault.shard), fault.lastsMs);
    case 'freeze proxy':
      return frozen(proxy(service, fault.proxy), fault.lastsMs);
    default:
      return cut(service, fault);
  }
}

async function killed(members: readonly AnyMember[], downMs: number): Promise<Hurt> {
  await Promise.all(members.map((member) => member.kill()));
  return {
    detail: `${members.map(({ name }) => name).join(', ')} down for ${downMs} ms`,
    lastsMs: downMs,
    heal: async () => void (await Promise.all(members.map((member) => member.start()))),
  };
}

function frozen(member: AnyMember, lastsMs: number): Hurt {
  if (!member.signal('SIGSTOP')) throw new Error(`${member.name} cannot be stopped`);
  return {
    detail: `${member.name} for ${lastsMs} ms`,
    lastsMs,
    heal: () => {
      member.signal('SIGCONT');
      return Promise.resolve();
    },
  };
}

function cut(service: Service, fault: Cut): Hurt {
  const { name, wires } = wiresOf(service, fault);
  for (const wire of wires) wire.hurt(fault.how);
  const after = fault.then === 'pass' ? 'then late' : 'then reset';
  return {
    detail: `${name} ${fault.how} for ${fault.lastsMs} ms, ${after}`,
    lastsMs: fault.lastsMs,
    heal: () => {
      for (const wire of wires) wire.heal(fault.then);
      return Promise.resolve();
    },
  };
}

/** Links of one leader, of one dialler, or one link: which ones `where` says. */
function wiresOf(service: Service, fault: Cut): { readonly name: string; readonly wires: readonly Wire[] } {
  const shard = shardNumbers[fault.shard] ?? 1;
  const led = leaderId(service, fault.shard);
  const others = nodeIds.filter((id) => id !== led);
  const one = others[fault.proxy] ?? led;
  const between = (id: string, peers: readonly string[]): readonly Wire[] =>
    peers.flatMap((peer) => [service.peerWire(shard, id, peer), service.peerWire(shard, peer, id)]);
  if (fault.kind === 'cut client links') {
    const proxies = fault.where === 0 ? [1, 2] : [fault.proxy + 1];
    return {
      name: `clients to proxies ${proxies.join(', ')}`,
      wires: proxies.map((each) => service.clientWire(each)),
    };
  }
  if (fault.kind === 'cut node links') {
    if (fault.where === 0) return { name: `${shard}${led} to ${shard}${one}`, wires: between(led, [one]) };
    const alone = fault.where === 1 ? led : one;
    const peers = nodeIds.filter((id) => id !== alone);
    return { name: `${shard}${alone} to its peers`, wires: between(alone, peers) };
  }
  const router = `proxy-${fault.proxy + 1}`;
  if (fault.where === 0)
    return { name: `routers to ${shard}${led}`, wires: service.routerWires({ shard, id: led }) };
  if (fault.where === 1)
    return { name: `${router} to ${shard}${led}`, wires: service.routerWires({ router, shard, id: led }) };
  return { name: `${router} to all nodes`, wires: service.routerWires({ router }) };
}

function leaderId(service: Service, shard: number): string {
  const id = service.leaderOf(shardNumbers[shard] ?? 1);
  if (id === undefined) throw new Error(`shard ${shard + 1} has no leader`);
  return id;
}

function leader(service: Service, shard: number): AnyMember {
  return service.member(shardNumbers[shard] ?? 1, leaderId(service, shard));
}

function follower(service: Service, shard: number): AnyMember {
  const led = leaderId(service, shard);
  const id = nodeIds.find((each) => each !== led) ?? led;
  return service.member(shardNumbers[shard] ?? 1, id);
}

function proxy(service: Service, at: number): AnyMember {
  const found = service.proxies[at];
  if (found === undefined) throw new Error(`there is no proxy ${at + 1}`);
  return found;
}
