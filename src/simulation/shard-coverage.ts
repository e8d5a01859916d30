/** What a large batch of worlds of shards must have met. */
export const shardCoverage: readonly string[] = [];
