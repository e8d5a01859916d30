import type { Judge } from './judge.ts';
import { observedBucket } from './observed-bucket.ts';
import type { ObservedClaim, ObservedRequest, ObservedResult } from './observed-command.ts';

/** A group of the world, as its log names it. */
export interface ObservedGroup {
  /** The shard that the group is. */
  readonly shard: string;
  readonly namespace: string;
}

interface Holding {
  readonly epoch: number;
  /** Requests of older maps are copies from a time before this group gained the bucket; 0 for the first owner. */
  readonly sinceVersion: number;
}

interface Domain {
  bucketCount: number;
  /** Bucket -> the group that serves it now. */
  readonly server: Map<number, string>;
  /** bucket/epoch -> the group that ever owned it so. */
  readonly ownerAt: Map<string, string>;
  readonly highestEpoch: Map<number, number>;
  /** Bucket -> the newest map by which any group gained it. */
  readonly newestSince: Map<number, number>;
}

/**
 * P3, from the claims and requests that groups applied: a bucket has one serving owner at a time and one per epoch, epochs rise, a group
 * serves what it owns and nothing else, and copies routed by a map from before it owned the bucket are sent on.
 */
export class OwnershipChecker {
  readonly #judge: Judge;
  readonly #domains = new Map<string, Domain>();
  /** Shard -> bucket -> holding; no entry for a group that was never told of a map. */
  readonly #held = new Map<string, Map<number, Holding>>();
  readonly #versions = new Map<string, { version: number; digest: number }>();

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** The shard that serves the bucket now, as the logs have it. */
  serverOf(namespace: string, bucket: number): string | undefined {
    return this.#domains.get(namespace)?.server.get(bucket);
  }

  /** 0 while no group has heard of a map. */
  bucketCountOf(namespace: string): number {
    return this.#domains.get(namespace)?.bucketCount ?? 0;
  }

  /** A claim was applied and not refused. */
  claimed(group: ObservedGroup, claim: ObservedClaim): void {
    this.#judgeName(group, claim);
    const domain = this.#domain(claim);
    if (claim.claim === 'own' && claim.shard !== group.shard)
      this.#judge.violated('P3', `${group.shard} accepted what ${claim.shard} is to own`);
    for (const { from, to, epoch } of claim.ranges) {
      for (let bucket = from; bucket <= to; bucket += 1) {
        if (claim.claim === 'own') this.#own(domain, group, claim, bucket, epoch);
        else this.#disown(domain, group, bucket);
      }
    }
  }

  /** A request with a key was applied; `result` is what its group answered. */
  requested(group: ObservedGroup, request: ObservedRequest, result: ObservedResult): void {
    const held = this.#held.get(group.shard);
    const what = `${request.operation.kind} of ${request.operation.key} by map ${request.mapVersion}`;
    if (held === undefined) {
      if (result.kind !== 'redirected' && request.mapVersion > 0)
        this.#judge.violated('P3', `${group.shard} knows no map and served a ${what}`);
      return;
    }
    const bucket = observedBucket(request.operation.key, this.bucketCountOf(group.namespace));
    const holding = held.get(bucket);
    this.#judgeProof(group, request, bucket, what);
    const isDue = holding !== undefined && request.mapVersion >= holding.sinceVersion;
    if (result.kind === 'redirected') {
      this.#judge.reached(result.isFrozen ? 'P3 frozen' : 'P3 wrongShard');
      if (holding !== undefined && !isDue) this.#judge.reached('P3 late copy');
      if (isDue && request.mapVersion > 0)
        this.#judge.violated('P3', `${group.shard} owns bucket ${bucket} and sent a ${what} away`);
      return;
    }
    this.#judge.reached('P3 served');
    if (holding === undefined)
      this.#judge.violated('P3', `${group.shard} served a ${what}, whose bucket ${bucket} it does not own`);
    else if (!isDue)
      this.#judge.violated(
        'P3',
        `${group.shard} served a ${what}, and owns bucket ${bucket} since map ${holding.sinceVersion}`,
      );
  }

  #own(domain: Domain, group: ObservedGroup, claim: ObservedClaim, bucket: number, epoch: number): void {
    const held = this.#of(group.shard);
    const before = held.get(bucket);
    if (before?.epoch === epoch) return;
    this.#judge.reached(epoch === 1 ? 'P3 founded' : 'P3 gained');
    const server = domain.server.get(bucket);
    if (server !== undefined && server !== group.shard)
      this.#judge.violated('P3', `${server} and ${group.shard} own bucket ${bucket} at once`);
    const key = `${bucket}/${epoch}`;
    const twin = domain.ownerAt.get(key);
    if (twin !== undefined && twin !== group.shard)
      this.#judge.violated('P3', `${twin} and ${group.shard} own bucket ${bucket} at epoch ${epoch}`);
    const highest = domain.highestEpoch.get(bucket) ?? 0;
    if (epoch <= highest)
      this.#judge.violated('P3', `${group.shard} owns bucket ${bucket} at epoch ${epoch} after ${highest}`);
    domain.ownerAt.set(key, group.shard);
    domain.highestEpoch.set(bucket, Math.max(highest, epoch));
    domain.server.set(bucket, group.shard);
    const sinceVersion = epoch === 1 ? 0 : claim.version;
    domain.newestSince.set(bucket, Math.max(domain.newestSince.get(bucket) ?? 0, sinceVersion));
    held.set(bucket, { epoch, sinceVersion });
  }

  #disown(domain: Domain, group: ObservedGroup, bucket: number): void {
    if (this.#of(group.shard).delete(bucket)) this.#judge.reached('P3 given up');
    if (domain.server.get(bucket) === group.shard) domain.server.delete(bucket);
  }

  /** A version above 1 says that an owner has told it: a higher one would pass for newer than it is at the next owner. */
  #judgeProof(
    { namespace }: ObservedGroup,
    { mapVersion }: ObservedRequest,
    bucket: number,
    what: string,
  ): void {
    if (mapVersion <= 1) return;
    const newest = this.#domains.get(namespace)?.newestSince.get(bucket) ?? 0;
    this.#judge.reached('P3 proof');
    if (mapVersion > newest)
      this.#judge.violated('P3', `a ${what} came in; nobody owned bucket ${bucket} by a map above ${newest}`);
  }

  /** A group hears of one map per version, and never goes back. */
  #judgeName({ shard }: ObservedGroup, { version, digest }: ObservedClaim): void {
    const known = this.#versions.get(shard);
    if (known !== undefined && version < known.version)
      this.#judge.violated('P3', `${shard} accepted map ${version} after ${known.version}`);
    if (known?.version === version && known.digest !== digest)
      this.#judge.violated('P3', `${shard} accepted two different maps of version ${version}`);
    this.#versions.set(shard, { version, digest });
  }

  #of(shard: string): Map<number, Holding> {
    let held = this.#held.get(shard);
    if (held === undefined) {
      held = new Map();
      this.#held.set(shard, held);
    }
    return held;
  }

  #domain({ namespace, bucketCount }: ObservedClaim): Domain {
    let domain = this.#domains.get(namespace);
    if (domain === undefined) {
      domain = {
        bucketCount,
        server: new Map(),
        ownerAt: new Map(),
        highestEpoch: new Map(),
        newestSince: new Map(),
      };
      this.#domains.set(namespace, domain);
    }
    return domain;
  }
}
