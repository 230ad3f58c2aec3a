/** The kernel's inflating against zlib: what it takes is what zlib makes of it, and it takes what clients send. */
import { constants, gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { GroupKernel } from "../../../src/rollout-api/kernel/group-kernel.ts";

const kernel = new GroupKernel();

/** Bytes like those of groups, of all sorts of redundancy. */
const content = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 3000 }).map((bytes) => Buffer.from(bytes)),
  fc.array(fc.nat(150_000), { minLength: 1, maxLength: 3000 }).map((items) => Buffer.from(items.join(","))),
  fc
    .tuple(fc.string({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 3000 }))
    .map(([text, times]) => Buffer.from(text.repeat(times))),
);

const options = fc.record({
  level: fc.integer({ min: 0, max: 9 }),
  strategy: fc.constantFrom(
    constants.Z_DEFAULT_STRATEGY,
    constants.Z_HUFFMAN_ONLY,
    constants.Z_RLE,
    constants.Z_FIXED,
    constants.Z_FILTERED,
  ),
  memLevel: fc.constantFrom(1, 8),
});

test("what zlib deflated comes out again, at every level and strategy", () => {
  fc.assert(
    fc.property(content, options, (bytes, how) => {
      expect(kernel.inflate(gzipSync(bytes, how), bytes.length)?.equals(bytes)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("what was damaged is left to zlib, or is not damaged", () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
    minLength: 1,
    maxLength: 3,
  });
  fc.assert(
    fc.property(content, options, damage, (bytes, how, changes) => {
      const zipped = gzipSync(bytes, how);
      for (const [at, bits] of changes) zipped[at % zipped.length] = (zipped[at % zipped.length] ?? 0) ^ bits;
      const inflated = kernel.inflate(zipped, bytes.length);
      if (inflated !== undefined) expect(inflated.equals(gunzipSync(zipped))).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

test("noise is refused, and nothing is written where it doesn't belong", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 2000 }),
      fc.integer({ min: 1, max: 5000 }),
      (noise, length) => {
        const zipped = Buffer.concat([gzipSync("").subarray(0, 10), noise, Buffer.alloc(8)]);
        const inflated = kernel.inflate(zipped, length);
        if (inflated !== undefined) expect(inflated.equals(gunzipSync(zipped))).toBe(true);
        const bytes = Buffer.from("still works");
        expect(kernel.inflate(gzipSync(bytes), bytes.length)?.equals(bytes)).toBe(true);
      },
    ),
    { numRuns: 1000 },
  );
});

test.each([
  ["two members", Buffer.concat([gzipSync("one"), gzipSync("two")]), 3],
  ["a wrong size", gzipSync("one"), 4],
  ["a stream that was cut", gzipSync("one").subarray(0, -9), 3],
  ["no gzip", Buffer.from("no gzip at all, but long enough to be"), 3],
])("%s is left to zlib", (_what, zipped, length) => {
  expect(kernel.inflate(zipped, length)).toBeUndefined();
});
