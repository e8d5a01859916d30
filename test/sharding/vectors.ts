import { readFileSync } from 'node:fs';

/** Values that the real implementations gave; test/vectors/README.md says which. */
export function vectorsOf<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8'));
}

export interface Crc32Vectors {
  readonly vectors: readonly {
    readonly key: string;
    readonly crc32: number;
    readonly mod: Record<string, number>;
  }[];
  readonly rawVectors: readonly {
    readonly hex: string;
    readonly crc32: number;
    readonly mod: Record<string, number>;
  }[];
}

export interface JumpVectors {
  readonly vectors: readonly { readonly key: string; readonly buckets: number; readonly bucket: number }[];
}

export interface GuavaVectors {
  readonly vectors: readonly { readonly input: string; readonly buckets: number; readonly bucket: number }[];
  readonly keyVectors: readonly {
    readonly key: string;
    readonly crc32: number;
    readonly buckets: readonly number[];
    readonly results: readonly number[];
  }[];
}

export interface SumburVectors {
  readonly vectors: readonly { readonly hash: number; readonly capacity: number; readonly shard: number }[];
  readonly divergent: readonly {
    readonly hash: number;
    readonly capacity: number;
    readonly pureRuby: number;
  }[];
  readonly keyVectors: readonly {
    readonly key: string;
    readonly hash: number;
    readonly capacities: readonly number[];
    readonly results: readonly number[];
  }[];
}

export interface TarantoolVectors {
  readonly stringVectors: readonly {
    readonly key: string;
    readonly crc32cRaw: number;
    readonly bucketId: Record<string, number>;
    readonly oldShardModule: Record<string, number>;
  }[];
  readonly numberVectors: readonly {
    readonly number: number;
    readonly strcrc32: number;
    readonly bucketId3000: { readonly strcrc32: number };
  }[];
  readonly multipartVectors: readonly {
    readonly key: readonly [string, number];
    readonly strcrc32: number;
  }[];
}
