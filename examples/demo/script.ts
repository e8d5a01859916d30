import { reloadsWanted } from './shard-plan.ts';

/** What a script can do to the processes of a run. */
export interface Stage {
  /** Resolves at that share of the run. */
  until(share: number): Promise<void>;
  /** Kills whoever leads a cluster; resolves with its name. */
  killLeader(home: number): Promise<string>;
  restartNode(name: string): Promise<void>;
  /** Kills an updater that has calls in flight, and starts it again a while later. */
  replaceUpdater(): Promise<void>;
  killProxy(): Promise<void>;
  restartProxy(): Promise<void>;
  /** Changes the shard file `count` times; each time all proxies must follow. */
  reload(count: number): Promise<void>;
  /** Offers a file that must be refused. */
  offerBadFile(): Promise<void>;
  /** Counts the links while all processes are up. */
  countLinks(): void;
}

/** Plays the script for so many shards, to the end of the run. Moments are shares of it. */
export async function play(stage: Stage, shards: number): Promise<void> {
  if (shards === 1) await playOneCluster(stage);
  else await playTwoShards(stage);
  await stage.until(1);
}

async function playOneCluster(stage: Stage): Promise<void> {
  await stage.until(1 / 3);
  const leader = await stage.killLeader(0);
  await stage.until(0.45);
  await stage.restartNode(leader);
  await stage.until(0.55);
  await stage.replaceUpdater();
}

/** Nothing else happens shortly before and after the kill of a leader: the calls to the other shard are compared. */
async function playTwoShards(stage: Stage): Promise<void> {
  await stage.until(0.15);
  stage.countLinks();
  await stage.reload(3);
  await stage.until(0.33);
  const first = await stage.killLeader(0);
  await stage.until(0.41);
  await Promise.all([stage.restartNode(first), stage.reload(2)]);
  await stage.offerBadFile();
  await stage.until(0.57);
  const second = await stage.killLeader(1);
  await stage.until(0.65);
  await stage.restartNode(second);
  await Promise.all([stage.replaceUpdater(), stage.reload(2)]);
  await stage.until(0.79);
  await stage.killProxy();
  await stage.until(0.84);
  await stage.restartProxy();
  await stage.reload(reloadsWanted - 7);
}
