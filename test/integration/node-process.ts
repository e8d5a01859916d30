import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('fixtures/node-process.ts', import.meta.url));

export type Line = { readonly type: string } & Readonly<Record<string, unknown>>;

/** One node process; remembers what it printed. */
export class NodeProcess {
  readonly lines: Line[] = [];
  errors = '';
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;
  #waiting: (() => void)[] = [];

  constructor(options: object) {
    const args = ['--import', 'tsx', script, JSON.stringify(options)];
    this.#child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let rest = '';
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      const parts = (rest + chunk.toString()).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) this.lines.push(JSON.parse(part));
      this.#wake();
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.errors += chunk.toString();
    });
    this.#child.stdin?.on('error', () => {});
    this.exited = new Promise((resolve) => {
      this.#child.on('exit', (code) => {
        resolve(code);
        this.#wake();
      });
    });
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** By the id of this one process. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  ask(command: string): void {
    this.#child.stdin?.write(`${command}\n`);
  }

  /** The first line from `from` on that fits; rejects after `timeoutMs` or when the process ends. */
  async line(
    type: string,
    { from = 0, where = () => true, timeoutMs = 10_000 }: LineOptions = {},
  ): Promise<Line> {
    const untilMs = Date.now() + timeoutMs;
    for (;;) {
      const found = this.lines.slice(from).find((line) => line.type === type && where(line));
      if (found !== undefined) return found;
      if (!this.running) throw new Error(`ended before it said ${type}: ${this.errors}`);
      if (Date.now() >= untilMs)
        throw new Error(
          `no ${type} within ${timeoutMs} ms: ${JSON.stringify(this.lines.slice(from))} ${this.errors}`,
        );
      await this.#nextLine(untilMs - Date.now());
    }
  }

  /** Asks and waits for the answer to this question, not to an earlier one. */
  async answer(command: string, type: string, options: LineOptions = {}): Promise<Line> {
    const from = this.lines.length;
    this.ask(command);
    return this.line(type, { ...options, from });
  }

  async kill(): Promise<void> {
    if (this.running) this.signal('SIGKILL');
    await this.exited;
  }

  #nextLine(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }
}

interface LineOptions {
  readonly from?: number;
  readonly where?: (line: Line) => boolean;
  readonly timeoutMs?: number;
}

/** Three processes with files in a directory of their own and ports that were free a moment ago. */
export class ProcessCluster {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'raftsman-processes-'));
  readonly nodes: Map<string, NodeProcess> = new Map();
  readonly #peers: Record<string, string> = {};
  readonly #options: object;

  /** @param options - of every node, beside those of this harness. */
  constructor(options: object = {}) {
    this.#options = options;
  }

  get addresses(): readonly string[] {
    return Object.values(this.#peers);
  }

  async start(ids: readonly string[] = ['a', 'b', 'c']): Promise<void> {
    const ports = await freePorts(ids.length);
    for (const [i, id] of ids.entries()) this.#peers[id] = `ws://127.0.0.1:${ports[i]}`;
    for (const id of ids) this.startNode(id);
    await Promise.all([...this.nodes.values()].map((node) => node.line('started')));
  }

  startNode(id: string): NodeProcess {
    const node = new NodeProcess({
      id,
      cluster: 'processes',
      dataDir: this.dataDir(id),
      listen: { host: '127.0.0.1', port: Number(new URL(this.#peers[id] ?? '').port) },
      peers: this.#peers,
      secret: 'a secret of at least thirty-two bytes',
      ...this.#options,
    });
    this.nodes.set(id, node);
    return node;
  }

  dataDir(id: string): string {
    return join(this.directory, id);
  }

  /** The one that leads according to a quorum, asked anew until they agree. */
  async leader(
    timeoutMs = 10_000,
  ): Promise<{ readonly id: string; readonly node: NodeProcess; readonly term: number }> {
    const untilMs = Date.now() + timeoutMs;
    for (;;) {
      const running = [...this.nodes.values()].filter((node) => node.running);
      const answers = await Promise.all(
        running.map((node) => node.answer('status', 'status').catch(() => undefined)),
      );
      const named = answers.map((answer) => leaderOf(answer)).filter((answer) => answer !== undefined);
      const [first] = named;
      const agree =
        named.length > this.nodes.size / 2 && named.every((one) => one.leaderId === first?.leaderId);
      const node = this.nodes.get(first?.leaderId ?? '');
      if (agree && first !== undefined && node?.running)
        return { id: first.leaderId, node, term: first.term };
      if (Date.now() > untilMs)
        throw new Error(`no leader within ${timeoutMs} ms: ${JSON.stringify(answers)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.nodes.values()].map((node) => node.kill()));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function leaderOf(
  answer: Line | undefined,
): { readonly leaderId: string; readonly term: number } | undefined {
  const status = answer?.status;
  if (typeof status !== 'object' || status === null || !('leaderId' in status) || !('term' in status))
    return undefined;
  const { leaderId, term } = status;
  return typeof leaderId === 'string' && typeof term === 'number' ? { leaderId, term } : undefined;
}

/** Ports that nothing listens on now. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
