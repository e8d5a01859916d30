import type { Link, Listener, Transport } from '../ports/transport.ts';
import type { Prng } from './prng.ts';
import { type Parcel, SimulatedLink } from './simulated-link.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { World } from './world.ts';

/** How a wire behaves; drawn per pair and direction. */
export interface WireProfile {
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
  /** Chance that a parcel is late by up to `spikeMs`; what follows it waits behind it. */
  readonly spikeChance: number;
  readonly spikeMs: number;
  readonly bytesPerMs: number;
}

/** What is done to single frames between nodes once a link is up; a TCP connection does none of it. */
export interface MessageFaults {
  readonly dropChance: number;
  readonly duplicateChance: number;
  readonly reorderChance: number;
  readonly reorderMs: number;
  /** Frames for which it is false pass untouched. */
  readonly concerns: (frame: Uint8Array) => boolean;
}

export const quickWire: WireProfile = {
  delayMinMs: 0.1,
  delayMaxMs: 0.6,
  spikeChance: 0,
  spikeMs: 0,
  bytesPerMs: 100_000,
};

/** A dropped SYN is sent again after so long. */
const dialRetryMs = 1_000;
/** Frames of a handshake, per direction: message faults leave them alone. */
const handshakeFrames = 2;

export type FrameObserver = (from: SimulatedLink, to: SimulatedLink, frame: Uint8Array) => void;

/** All wires of a world. Connections keep their order and lose nothing but by being cut, unless message faults are on. */
export class SimulatedNetwork {
  readonly #world: World;
  readonly #random: Prng;
  readonly #listeners = new Map<
    string,
    { readonly process: SimulatedProcess; readonly onLink: (link: Link) => void }
  >();
  readonly #blocked = new Set<string>();
  readonly #deaf = new Set<string>();
  readonly #refusing = new Set<string>();
  readonly #profiles = new Map<string, WireProfile>();
  readonly #links = new Set<SimulatedLink>();
  readonly #observers: FrameObserver[] = [];
  readonly #faultCounts = { dropped: 0, duplicated: 0, reordered: 0, refusedDials: 0 };
  #defaultProfile = quickWire;
  #messageFaults: { readonly faults: MessageFaults; readonly between: ReadonlySet<string> } | undefined;
  #connectionCount = 0;

  constructor(world: World, random: Prng) {
    this.#world = world;
    this.#random = random;
  }

  /** Counts of faults that really happened, for the coverage table. */
  faultCounts(): Readonly<{ dropped: number; duplicated: number; reordered: number; refusedDials: number }> {
    return this.#faultCounts;
  }

  observe(observer: FrameObserver): void {
    this.#observers.push(observer);
  }

  setProfile(profile: WireProfile): void {
    this.#defaultProfile = profile;
    this.#profiles.clear();
  }

  setWire(from: string, to: string, profile: WireProfile): void {
    this.#profiles.set(wire(from, to), profile);
  }

  setMessageFaults(faults: MessageFaults | undefined, between: readonly string[] = []): void {
    this.#messageFaults = faults === undefined ? undefined : { faults, between: new Set(between) };
  }

  isBlocked(from: string, to: string): boolean {
    return this.#blocked.has(wire(from, to));
  }

  /** Cuts one direction: parcels wait, as TCP sends them again once the wire is back. */
  block(from: string, to: string): void {
    this.#blocked.add(wire(from, to));
  }

  unblock(from: string, to: string): void {
    if (!this.#blocked.delete(wire(from, to))) return;
    for (const link of this.#links) {
      if (link.hostName === from && link.other.hostName === to) this.#sendHeld(link);
    }
  }

  healAll(): void {
    for (const pair of [...this.#blocked]) {
      const [from, to] = pair.split('>');
      this.unblock(from!, to!);
    }
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
    let count = 0;
    for (const link of [...this.#links]) {
      if (!link.dialled || !isBetween(link, a, b)) continue;
      count += 1;
      this.#sever(link);
    }
    return count;
  }

  /** True while a connection between the two hosts is open at both ends. */
  areLinked(a: string, b: string): boolean {
    return [...this.#links].some((link) => link.isOpen && link.other.isOpen && isBetween(link, a, b));
  }

  transport(process: SimulatedProcess, address: string): Transport {
    process.onDeath(() => this.#buryProcess(process, address));
    return {
      listen: (onLink) => this.#listen(process, address, onLink),
      dial: (to, { signal }) => this.#dial(process, to, signal),
    };
  }

  /** Takes a parcel of an end and brings it to the other one. */
  carry(from: SimulatedLink, parcel: Parcel): void {
    const to = from.other;
    if (parcel.type === 'frame') {
      for (const observer of this.#observers) observer(from, to, parcel.bytes);
      if (this.#meddle(from, parcel)) return;
    }
    if (from.heldParcels.length > 0 || this.isBlocked(from.hostName, to.hostName)) {
      from.heldParcels.push(parcel);
      return;
    }
    this.#ship(from, parcel);
  }

  forget(link: SimulatedLink): void {
    if (!link.other.isOpen) {
      this.#links.delete(link);
      this.#links.delete(link.other);
    }
  }

  #ship(from: SimulatedLink, parcel: Parcel): void {
    const bytes = parcel.type === 'frame' ? parcel.bytes.length : 0;
    const arrivalMs = this.#world.nowMs() + this.#draw(from.hostName, from.other.hostName, bytes);
    from.arrivalMs = Math.max(from.arrivalMs, arrivalMs);
    this.#world.at(from.arrivalMs, () => this.#land(from, parcel));
  }

  #land(from: SimulatedLink, parcel: Parcel): void {
    if (from.isSevered) return;
    if (this.isBlocked(from.hostName, from.other.hostName)) {
      from.heldParcels.push(parcel);
      return;
    }
    const to = from.other;
    if (to.process.isAlive) {
      to.process.deliver(() => to.arrive(parcel));
      return;
    }
    // Nobody is there any more: a living machine answers with a reset, a dead one not at all.
    if (to.process.host.isUp && parcel.type === 'frame') this.#loseSoon(from);
  }

  #sendHeld(link: SimulatedLink): void {
    const parcels = link.heldParcels.splice(0);
    if (parcels.length === 0) return;
    // What was sent into a cut wire comes in a burst, when the sender tries again.
    link.arrivalMs = Math.max(link.arrivalMs, this.#world.nowMs() + this.#random.between(0, 400));
    for (const parcel of parcels) this.#ship(link, parcel);
  }

  #draw(from: string, to: string, bytes: number): number {
    const profile = this.#profiles.get(wire(from, to)) ?? this.#defaultProfile;
    const spike = this.#random.chance(profile.spikeChance) ? this.#random.between(0, profile.spikeMs) : 0;
    return this.#random.between(profile.delayMinMs, profile.delayMaxMs) + bytes / profile.bytesPerMs + spike;
  }

  /** @returns true if the frame was dealt with here. */
  #meddle(from: SimulatedLink, parcel: Parcel): boolean {
    const meddling = this.#messageFaults;
    if (meddling === undefined || from.sentCount <= handshakeFrames) return false;
    if (!meddling.between.has(from.hostName) || !meddling.between.has(from.other.hostName)) return false;
    const { faults } = meddling;
    if (parcel.type !== 'frame' || !faults.concerns(parcel.bytes)) return false;
    if (this.#random.chance(faults.dropChance)) {
      this.#faultCounts.dropped += 1;
      from.release(parcel.bytes.length);
      return true;
    }
    if (this.#random.chance(faults.duplicateChance)) {
      this.#faultCounts.duplicated += 1;
      this.#shipLate(from, { ...parcel, bytes: parcel.bytes.slice() }, faults.reorderMs);
      return false;
    }
    if (!this.#random.chance(faults.reorderChance)) return false;
    this.#faultCounts.reordered += 1;
    this.#shipLate(from, parcel, faults.reorderMs);
    return true;
  }

  #shipLate(from: SimulatedLink, parcel: Parcel, lateMs: number): void {
    this.#world.after(this.#random.between(0, lateMs), () => this.#land(from, parcel));
  }

  #listen(process: SimulatedProcess, address: string, onLink: (link: Link) => void): Promise<Listener> {
    if (this.#listeners.has(address)) return Promise.reject(new Error(`EADDRINUSE ${address}`));
    const entry = { process, onLink };
    return new Promise((resolve) => {
      process.soon(() => {
        this.#listeners.set(address, entry);
        resolve({
          address,
          close: () => {
            if (this.#listeners.get(address) === entry) this.#listeners.delete(address);
            return Promise.resolve();
          },
        });
      });
    });
  }

  #dial(process: SimulatedProcess, address: string, signal: AbortSignal): Promise<Link> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const call = new DialCall(process, address, resolve, reject, signal);
      this.#knock(call);
    });
  }

  #knock(call: DialCall): void {
    if (call.isOver) return;
    const from = call.process.host.name;
    const to = hostOf(call.address);
    this.#world.after(this.#draw(from, to, 0), () => {
      if (call.isOver) return;
      if (this.isBlocked(from, to) || this.isBlocked(to, from)) {
        this.#world.after(dialRetryMs, () => this.#knock(call));
        return;
      }
      this.#answer(call);
    });
  }

  #answer(call: DialCall): void {
    const listener = this.#listeners.get(call.address);
    if (listener === undefined || this.#refusing.has(hostOf(call.address))) {
      if (!this.isHostSilent(call.address)) this.#refuse(call);
      return;
    }
    listener.process.deliver(() => {
      if (this.#listeners.get(call.address) !== listener) return this.#refuse(call);
      this.#connect(call, listener.process, listener.onLink);
    });
  }

  /** Set by the world: a machine without power answers nothing. */
  isHostSilent: (address: string) => boolean = () => false;

  #refuse(call: DialCall): void {
    this.#faultCounts.refusedDials += 1;
    this.#world.after(this.#draw(hostOf(call.address), call.process.host.name, 0), () =>
      call.process.deliver(() => call.fail(new Error(`ECONNREFUSED ${call.address}`))),
    );
  }

  #connect(call: DialCall, acceptor: SimulatedProcess, onLink: (link: Link) => void): void {
    if (call.isOver) return;
    this.#connectionCount += 1;
    const connection = this.#connectionCount;
    const near = new SimulatedLink({
      network: this,
      process: call.process,
      connection,
      dialled: true,
      remoteAddress: call.address,
    });
    const far = new SimulatedLink({
      network: this,
      process: acceptor,
      connection,
      dialled: false,
      remoteAddress: call.process.host.name,
    });
    near.other = far;
    far.other = near;
    this.#links.add(near).add(far);
    far.arrivalMs = this.#world.nowMs() + this.#draw(far.hostName, near.hostName, 0);
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
    this.#world.after(this.#draw(link.other.hostName, link.hostName, 0), () =>
      link.process.deliver(() => link.lose(1006, '')),
    );
  }

  /** A killed process: its kernel ends the connections after what was sent, or cuts them short; a dead machine says nothing. */
  #buryProcess(process: SimulatedProcess, address: string): void {
    if (this.#listeners.get(address)?.process === process) this.#listeners.delete(address);
    for (const link of [...this.#links]) {
      if (link.process !== process || !link.isOpen) continue;
      link.abandon();
      if (!process.host.isUp) {
        link.isSevered = this.#random.chance(0.5);
        continue;
      }
      if (this.#random.chance(0.3)) link.isSevered = true;
      if (link.isSevered) this.#loseSoon(link.other);
      else this.carry(link, { type: 'end', code: 1006, text: '' });
    }
  }
}

/** One attempt to connect, until it is answered, refused or given up. */
class DialCall {
  isOver = false;
  readonly process: SimulatedProcess;
  readonly address: string;
  readonly #resolve: (link: Link) => void;
  readonly #reject: (error: unknown) => void;
  readonly #signal: AbortSignal;
  readonly #onAbort: () => void;

  constructor(
    process: SimulatedProcess,
    address: string,
    resolve: (link: Link) => void,
    reject: (error: unknown) => void,
    signal: AbortSignal,
  ) {
    this.process = process;
    this.address = address;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
    this.#onAbort = () => this.fail(signal.reason);
    signal.addEventListener('abort', this.#onAbort, { once: true });
    process.onDeath(() => {
      this.isOver = true;
    });
  }

  succeed(link: SimulatedLink): void {
    if (this.isOver || !link.isOpen) {
      link.close();
      if (!this.isOver) this.fail(new Error('ECONNRESET'));
      return;
    }
    this.#end();
    this.#resolve(link);
  }

  fail(error: unknown): void {
    if (this.isOver) return;
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.isOver = true;
    this.#signal.removeEventListener('abort', this.#onAbort);
  }
}

/** Addresses are `sim://host` or `sim://host/name`. */
export function hostOf(address: string): string {
  return address.slice('sim://'.length).split('/')[0]!;
}

function wire(from: string, to: string): string {
  return `${from}>${to}`;
}

function isBetween(link: SimulatedLink, a: string, b: string): boolean {
  const hosts = [link.hostName, link.other.hostName];
  return hosts.includes(a) && hosts.includes(b) && a !== b;
}
