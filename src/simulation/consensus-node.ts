import { bootId, clusterId, incarnation, mainGroup } from '../base/ids.ts';
import { createMesh } from '../mesh/mesh.ts';
import { Node } from '../node/node.ts';
import type { Command, StateMachine } from '../ports/state-machine.ts';
import { Raft, resolveRaftOptions } from '../raft/index.ts';
import type { LogEntry } from '../raft/types.ts';
import type { NodePorts } from './simulated-cluster.ts';

const electionTimeoutMs = 1_000;
const heartbeatMs = 100;

/** The smallest application: a hash over all commands, each of which begins with its number. */
export class HashMachine implements StateMachine {
  readonly #onApplied: (id: number, index: number) => void;
  #hash = 0;

  constructor(onApplied: (id: number, index: number) => void) {
    this.#onApplied = onApplied;
  }

  apply(entry: LogEntry, commands: readonly Command[]): readonly Uint8Array[] {
    this.#mix(entry.index);
    for (const command of commands) {
      for (const byte of command) this.#mix(byte);
      this.#onApplied(new DataView(command.buffer, command.byteOffset).getUint32(0), entry.index);
    }
    return commands.map(() => Uint8Array.of(entry.index & 0xff));
  }

  digest(): string {
    return this.#hash.toString(16);
  }

  #mix(value: number): void {
    this.#hash = (this.#hash * 31 + value) % 2_147_483_647;
  }
}

/** A node without a queue: real driver, core and mesh, for worlds that are about elections and logs alone. */
export async function assembleConsensusNode(
  { id, peers, process, transport, storage, logger }: NodePorts,
  machine: StateMachine,
  onBuilt: (node: Node) => void,
): Promise<void> {
  const random = process.random;
  const cluster = 'world';
  const loaded = await storage.load({
    nodeId: id,
    cluster,
    newIncarnation: incarnation(hex(random.bytes(8))),
  });
  const state = loaded.groups.find((group) => group.group === mainGroup);
  const entries = await new Promise<readonly LogEntry[]>((resolve, reject) => {
    if (state === undefined || state.lastIndex === 0) return resolve([]);
    storage.read(mainGroup, 1, Number.MAX_SAFE_INTEGER, (error, read) =>
      error ? reject(error) : resolve(read),
    );
  });
  const options = resolveRaftOptions({
    id,
    incarnation: loaded.identity.incarnation,
    peers: [...peers.keys()],
    random: () => random.next(),
    mintClusterId: () => clusterId(hex(random.bytes(16))),
    electionTimeoutMinMs: electionTimeoutMs,
    heartbeatMs,
  });
  const now = { monotonicMs: process.monotonicMs(), wallMs: process.wallMs() };
  const core = new Raft(options, { hardState: state?.hardState, entries }, now);
  const mesh = createMesh({
    id,
    cluster,
    incarnation: loaded.identity.incarnation,
    bootId: bootId(hex(random.bytes(8))),
    peers,
    secrets: ['a secret of at least thirty-two bytes'],
    clients: [],
    heartbeatMs,
    transport,
    clock: process,
    random,
    logger,
  });
  const node = new Node({
    id,
    cluster,
    leaseMs: options.leaseMs,
    electionTimeoutMs: options.electionTimeoutMinMs,
    peers: [...peers.keys()],
    heartbeatMs,
    recorded: new Set(loaded.groups.map((group) => group.group)),
    groups: [{ id: mainGroup, core, machine }],
    mesh,
    storage,
    clock: process,
    logger,
    edges: { service: () => {}, clientUp: (link) => link.close(), peerUp: () => {}, peerClosed: () => {} },
    beforeClose: () => Promise.resolve(),
  });
  onBuilt(node);
  await node.start();
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
