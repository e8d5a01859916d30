import { renameSync, writeFileSync } from 'node:fs';
import type { Child } from './child.ts';
import type { ShardFile, ShardPlan } from './shard-plan.ts';

export interface ReloadsOptions {
  readonly path: string;
  readonly plan: ShardPlan;
  /** The proxies that run now. */
  readonly proxies: () => readonly Child[];
  readonly say: (event: string) => void;
}

const withinMs = 10_000;
/** Proxies tell their version a few times a second. */
const viewWithinMs = 2_000;

/** Changes the shard file as a careful person does, and waits until every proxy has followed. */
export class Reloads {
  /** Files that all proxies followed. */
  followed = 0;
  /** Files that all proxies refused, keeping the one before. */
  refused = 0;
  readonly #options: ReloadsOptions;
  #inForce: ShardFile;

  constructor(options: ReloadsOptions) {
    this.#options = options;
    this.#inForce = options.plan.first();
    this.#write(this.#inForce);
  }

  /** @throws Error when a proxy refuses the file, or does not follow in time. */
  async reload(): Promise<void> {
    const { plan, proxies, say } = this.#options;
    const file = plan.next();
    const followed = proxies().map((proxy) => follows(proxy, file.version));
    this.#write(file);
    await Promise.all(followed);
    this.#inForce = file;
    this.followed++;
    say(`all proxies follow version ${file.version} of the file (${file.moved} buckets moved)`);
  }

  /** The file before it is put back afterwards. */
  async offerBad(keys: readonly string[]): Promise<void> {
    const { plan, proxies, say } = this.#options;
    const file = plan.bad(keys);
    const refused = proxies().map((proxy) => refuses(proxy));
    this.#write(file);
    const codes = await Promise.all(refused);
    this.#write(this.#inForce);
    await this.checkVersions();
    this.refused++;
    say(`version ${file.version} gives away keys: refused (${[...new Set(codes)].join(', ')})`);
  }

  /** @throws Error when a proxy says that it has another version than that of the last good file. */
  async checkVersions(): Promise<void> {
    const { version } = this.#inForce;
    for (const proxy of this.#options.proxies()) {
      const said = await bounded(
        proxy.next('proxyView'),
        viewWithinMs,
        `${proxy.name} did not tell its version`,
      );
      if (said.mapVersion !== version)
        throw new Error(`${proxy.name} has version ${said.mapVersion} of the file, not ${version}`);
    }
  }

  /** Whole or not at all, for whoever reads meanwhile. */
  #write(file: ShardFile): void {
    const { path } = this.#options;
    writeFileSync(`${path}.next`, file.text);
    renameSync(`${path}.next`, path);
  }
}

async function follows(proxy: Child, version: number): Promise<void> {
  const reloaded = async (): Promise<void> => {
    while ((await proxy.next('reloaded')).version !== version);
  };
  const refused = async (): Promise<never> => {
    const { code, message } = await proxy.next('reloadRefused');
    throw new Error(`${proxy.name} refused version ${version} of the file: ${code}: ${message}`);
  };
  const both = Promise.race([reloaded(), refused()]);
  await bounded(both, withinMs, `${proxy.name} did not follow version ${version} of the file`);
}

async function refuses(proxy: Child): Promise<string> {
  const followed = async (): Promise<never> => {
    const { version } = await proxy.next('reloaded');
    throw new Error(`${proxy.name} followed version ${version} of the file, which gives away keys`);
  };
  const refused = proxy.next('reloadRefused').then(({ code }) => code);
  return bounded(Promise.race([refused, followed()]), withinMs, `${proxy.name} did not refuse a bad file`);
}

async function bounded<T>(promise: Promise<T>, ms: number, why: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${why} within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
