import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../src/base/errors.ts';
import { type MapName, partitionerNames } from '../../src/sharding/types.ts';
import {
  encodeClaim,
  encodeOwnership,
  encodeRedirect,
  encodeShardTable,
  readClaim,
  readOwnership,
  readRedirect,
  readShardTable,
} from '../../src/wire/shard-frames.ts';

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const bucket = fc.integer({ min: 0, max: 65_535 });
const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/);
const range = fc
  .tuple(bucket, bucket)
  .map(([one, other]) => ({ from: Math.min(one, other), to: Math.max(one, other) }));
const ranges = fc.array(range, { maxLength: 5 });
const epochRanges = fc.array(
  fc.tuple(range, uint32).map(([each, epoch]) => ({ ...each, epoch })),
  { maxLength: 5 },
);
const map: fc.Arbitrary<MapName> = fc.record({
  namespace: name,
  version: uint32,
  digest: uint32,
  partitioner: fc.constantFrom(...partitionerNames),
  bucketCount: fc.integer({ min: 1, max: 65_536 }),
});
const readers = [readRedirect, readOwnership, readClaim, readShardTable];

function readAll(bytes: Uint8Array): void {
  for (const read of readers) {
    try {
      read(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolError);
    }
  }
}

describe('the bodies of frames that speak of shards', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(
        map,
        name,
        ranges,
        epochRanges,
        uint32,
        fc.option(name),
        (named, shard, some, owned, version, nil) => {
          const redirect = { owner: nil ?? undefined, version };
          expect(readRedirect(encodeRedirect(redirect))).toEqual(redirect);
          const ceded = owned.map((each, at) => ({ ...each, owner: at % 2 === 0 ? shard : 'other' }));
          const about = nil === null ? { map: undefined, shard: undefined } : { map: named, shard: nil };
          const ownership = { ...about, owned, ceded, occupied: some };
          expect(readOwnership(encodeOwnership(ownership))).toEqual(ownership);
          const own = { type: 'own', map: named, shard, ranges: owned } as const;
          expect(readClaim(encodeClaim(own))).toEqual(own);
          const disown = { type: 'disown', map: named, to: shard, ranges: some } as const;
          expect(readClaim(encodeClaim(disown))).toEqual(disown);
          const owners = some.map((each) => ({ ...each, number: 3 }));
          const table = { version, namespaces: [{ ...named, shards: [{ name: shard, number: 3 }], owners }] };
          expect(readShardTable(encodeShardTable(table))).toEqual(table);
        },
      ),
    );
  });

  it('of any bytes, and of bodies changed or cut anywhere, are read or refused with ProtocolError, nothing else', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), readAll));
    fc.assert(
      fc.property(map, epochRanges, fc.nat(), fc.nat(255), (named, owned, place, value) => {
        const body = encodeClaim({ type: 'own', map: named, shard: 'east', ranges: owned });
        readAll(body.subarray(0, place % body.length));
        body[place % body.length] = value;
        readAll(body);
      }),
    );
  });
});
