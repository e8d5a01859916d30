import type { Link, Listener, Transport } from '../ports/transport.ts';
import { DialCall } from './dial-call.ts';
import { Meddler, type MessageFaults } from './message-faults.ts';
import type { Prng } from './prng.ts';
import { type Parcel, SimulatedLink } from './simulated-link.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { type WireProfile, Wires } from './wires.ts';
import type { World } from './world.ts';

/** A dropped SYN is sent again after so long. */
const dialRetryMs = 1_000;

/** Sees every frame as it is sent, whatever becomes of it. */
export type FrameObserver = (from: SimulatedLink, to: SimulatedLink, frame: Uint8Array) => void;

interface OpenPort {
  readonly process: SimulatedProcess;
  readonly onLink: (link: Link) => void;
}

/** All wires of a world. Connections keep their order and lose nothing but by being cut, unless message faults are on. */
export class SimulatedNetwork {
  readonly #world: World;
  readonly #random: Prng;
  readonly #wires: Wires;
  readonly #meddler: Meddler;
  readonly #ports = new Map<string, OpenPort>();
  readonly #deaf = new Set<string>();
  readonly #refusing = new Set<string>();
  readonly #links = new Set<SimulatedLink>();
  readonly #observers: FrameObserver[] = [];
  readonly #silences: ((host: string) => boolean)[] = [];
  #refusedDials = 0;
  #connectionCount = 0;

  constructor(world: World, random: Prng) {
    this.#world = world;
    this.#random = random;
    this.#wires = new Wires(random.fork('wires'));
    this.#meddler = new Meddler(random.fork('meddler'));
  }

  /** Counts of faults that really happened, for the coverage table. */
  faultCounts(): Readonly<{ dropped: number; duplicated: number; reordered: number; refusedDials: number }> {
    return { ...this.#meddler.counts, refusedDials: this.#refusedDials };
  }

  observe(observer: FrameObserver): void {
    this.#observers.push(observer);
  }

  /** A machine for which one of these is true answers nothing: it has no power. */
  addSilence(isSilent: (host: string) => boolean): void {
    this.#silences.push(isSilent);
  }

  setProfile(profile: WireProfile): void {
    this.#wires.setAll(profile);
  }

  setWire(from: string, to: string, profile: WireProfile): void {
    this.#wires.set(from, to, profile);
  }

  setMessageFaults(faults: MessageFaults | undefined, between: readonly string[] = []): void {
    this.#meddler.set(faults, between);
  }

  /** Cuts one direction: parcels wait, as TCP sends them again once the wire is back. */
  block(from: string, to: string): void {
    this.#wires.block(from, to);
  }

  unblock(from: string, to: string): void {
    if (!this.#wires.unblock(from, to)) return;
    for (const link of this.#links) {
      if (link.hostName === from && link.other.hostName === to) this.#sendAgain(link);
    }
  }

  healAll(): void {
    for (const [from, to] of this.#wires.blocked()) this.unblock(from, to);
    this.#refusing.clear();
    for (const host of [...this.#deaf]) this.setDeaf(host, false);
  }

  /** The host accepts connections and bytes and reads none of them. */
  setDeaf(host: string, deaf: boolean): void {
    if (deaf) {
      this.#deaf.add(host);
      return;
    }
    if (!this.#deaf.delete(host)) return;
    for (const link of this.#links) if (link.hostName === host) link.process.soon(() => link.readOn());
  }

  isDeaf(host: string): boolean {
    return this.#deaf.has(host);
  }

  /** Dials to this host are refused while it is on. */
  setRefusing(host: string, refusing: boolean): void {
    if (refusing) this.#refusing.add(host);
    else this.#refusing.delete(host);
  }

  /** Open connections between two hosts are reset: both ends get a prefix and then the end. */
  reset(a: string, b: string): number {
    const links = [...this.#links].filter((link) => link.dialled && isBetween(link, a, b));
    for (const link of links) this.#sever(link);
    return links.length;
  }

  /** True while a connection between the two hosts is open at both ends. */
  areLinked(a: string, b: string): boolean {
    return [...this.#links].some((link) => link.isOpen && link.other.isOpen && isBetween(link, a, b));
  }

  transport(process: SimulatedProcess, address: string): Transport {
    process.onDeath(() => this.#bury(process, address));
    return {
      listen: (onLink) => this.#listen(process, address, onLink),
      dial: (to, { signal }) => {
        const call = new DialCall(process, to, signal);
        this.#knock(call);
        return call.promise;
      },
    };
  }

  /** Takes a parcel of an end and brings it to the other one. */
  carry(from: SimulatedLink, parcel: Parcel): void {
    if (parcel.type === 'frame') {
      for (const observer of this.#observers) observer(from, from.other, parcel.bytes);
      const { isTaken, lateMs } = this.#meddler.fateOf(from, parcel.bytes);
      if (lateMs !== undefined)
        this.#carryLate(from, parcel, isTaken ? parcel.bytes : parcel.bytes.slice(), lateMs);
      else if (isTaken) from.release(parcel.bytes.length);
      if (isTaken) return;
    }
    from.inFlight.push(parcel);
    if (this.#isBlocked(from)) from.lostArrivals += 1;
    else this.#ship(from, parcel.type === 'frame' ? parcel.bytes.length : 0);
  }

  /** Both ends of a connection are closed: nothing more can come of it. */
  forget(link: SimulatedLink): void {
    if (link.other.isOpen) return;
    this.#links.delete(link);
    this.#links.delete(link.other);
  }

  /** Plans one arrival. What arrives is the oldest parcel on its way: a connection keeps its order. */
  #ship(from: SimulatedLink, bytes: number): void {
    const arrivalMs = this.#world.nowMs() + this.#drawMs(from.hostName, from.other.hostName, bytes);
    from.arrivalMs = Math.max(from.arrivalMs, arrivalMs);
    this.#world.at(from.arrivalMs, () => this.#arrive(from));
  }

  #arrive(from: SimulatedLink): void {
    if (this.#isBlocked(from)) {
      from.lostArrivals += 1;
      return;
    }
    const parcel = from.inFlight.shift();
    if (parcel !== undefined) this.#land(from, parcel);
  }

  #land(from: SimulatedLink, parcel: Parcel): void {
    if (from.isSevered) return;
    const to = from.other;
    if (to.process.isAlive) to.process.deliver(() => to.arrive(parcel));
    // Nobody is there any more: a living machine answers with a reset, a dead one not at all.
    else if (to.process.host.isUp && parcel.type === 'frame') this.#loseSoon(from);
  }

  #carryLate(
    from: SimulatedLink,
    parcel: Parcel & { type: 'frame' },
    bytes: Uint8Array,
    lateMs: number,
  ): void {
    this.#world.after(lateMs, () => {
      if (!this.#isBlocked(from)) this.#land(from, { ...parcel, bytes });
    });
  }

  /** What was sent into a cut wire comes in a burst, when the sender tries again. */
  #sendAgain(link: SimulatedLink): void {
    const count = link.lostArrivals;
    link.lostArrivals = 0;
    if (count > 0)
      link.arrivalMs = Math.max(link.arrivalMs, this.#world.nowMs() + this.#random.between(0, 400));
    for (let i = 0; i < count; i += 1) this.#ship(link, 0);
  }

  #isBlocked(from: SimulatedLink): boolean {
    return this.#wires.isBlocked(from.hostName, from.other.hostName);
  }

  #drawMs(from: string, to: string, bytes: number): number {
    return this.#wires.drawMs(from, to, bytes);
  }

  #listen(process: SimulatedProcess, address: string, onLink: (link: Link) => void): Promise<Listener> {
    if (this.#ports.has(address)) return Promise.reject(new Error(`EADDRINUSE ${address}`));
    const port = { process, onLink };
    return new Promise((resolve) => {
      process.soon(() => {
        this.#ports.set(address, port);
        resolve({ address, close: () => Promise.resolve(this.#closePort(address, port)) });
      });
    });
  }

  #closePort(address: string, port: OpenPort): void {
    if (this.#ports.get(address) === port) this.#ports.delete(address);
  }

  #knock(call: DialCall): void {
    if (call.isOver) return;
    const from = call.process.host.name;
    const to = hostOf(call.address);
    this.#world.after(this.#drawMs(from, to, 0), () => {
      if (call.isOver) return;
      const isLost = this.#wires.isBlocked(from, to) || this.#wires.isBlocked(to, from);
      if (isLost) this.#world.after(dialRetryMs, () => this.#knock(call));
      else this.#answer(call);
    });
  }

  #answer(call: DialCall): void {
    const port = this.#ports.get(call.address);
    const host = hostOf(call.address);
    if (port === undefined || this.#refusing.has(host)) {
      if (!this.#silences.some((isSilent) => isSilent(host))) this.#refuse(call);
      return;
    }
    port.process.deliver(() => {
      if (this.#ports.get(call.address) !== port) this.#refuse(call);
      else this.#connect(call, port);
    });
  }

  #refuse(call: DialCall): void {
    this.#refusedDials += 1;
    this.#world.after(this.#drawMs(hostOf(call.address), call.process.host.name, 0), () =>
      call.process.deliver(() => call.fail(new Error(`ECONNREFUSED ${call.address}`))),
    );
  }

  #connect(call: DialCall, { process, onLink }: OpenPort): void {
    if (call.isOver) return;
    this.#connectionCount += 1;
    const common = { network: this, connection: this.#connectionCount };
    const near = new SimulatedLink({
      ...common,
      process: call.process,
      dialled: true,
      remoteAddress: call.address,
    });
    const far = new SimulatedLink({
      ...common,
      process,
      dialled: false,
      remoteAddress: call.process.host.name,
    });
    near.other = far;
    far.other = near;
    this.#links.add(near).add(far);
    far.arrivalMs = this.#world.nowMs() + this.#drawMs(far.hostName, near.hostName, 0);
    this.#world.at(far.arrivalMs, () => call.process.deliver(() => call.succeed(near)));
    onLink(far);
  }

  #sever(link: SimulatedLink): void {
    for (const end of [link, link.other]) {
      this.#world.after(this.#random.between(0, 2), () => {
        end.other.isSevered = true;
        end.process.deliver(() => end.lose(1006, ''));
      });
    }
  }

  #loseSoon(link: SimulatedLink): void {
    this.#world.after(this.#drawMs(link.other.hostName, link.hostName, 0), () =>
      link.process.deliver(() => link.lose(1006, '')),
    );
  }

  /** A killed process: its kernel ends the connections after what was sent, or cuts them short; a dead machine says nothing. */
  #bury(process: SimulatedProcess, address: string): void {
    if (this.#ports.get(address)?.process === process) this.#ports.delete(address);
    for (const link of [...this.#links]) {
      if (link.process !== process || !link.isOpen) continue;
      link.abandon();
      link.isSevered = this.#random.chance(process.host.isUp ? 0.3 : 0.5);
      if (!process.host.isUp) continue;
      if (link.isSevered) this.#loseSoon(link.other);
      else this.carry(link, { type: 'end', code: 1006, text: '' });
    }
  }
}

/** Addresses are `ws://host` for who listens, or `sim://host/name`. */
export function hostOf(address: string): string {
  return address.split('/')[2] ?? '';
}

function isBetween(link: SimulatedLink, a: string, b: string): boolean {
  const hosts = [link.hostName, link.other.hostName];
  return hosts.includes(a) && hosts.includes(b) && a !== b;
}
