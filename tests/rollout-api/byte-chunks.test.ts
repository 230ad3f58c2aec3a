import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteChunks, joined } from "../../src/rollout-api/byte-chunks.ts";

test("pieces of any size come out in their order", () => {
  const sizes = fc.array(fc.oneof(fc.nat({ max: 10 }), fc.nat({ max: 70_000 })), { maxLength: 30 });
  fc.assert(
    fc.property(sizes, (lengths) => {
      const pieces = lengths.map((length, index) => Buffer.alloc(length, index + 1));
      const chunks = new ByteChunks();
      for (const piece of pieces) chunks.add(piece);
      const all = Buffer.concat(pieces);
      expect(chunks.length).toBe(all.length);
      expect(joined(chunks.list()).equals(all)).toBe(true);
    }),
  );
});

test("a body that comes byte by byte takes no object a byte", () => {
  const chunks = new ByteChunks();
  for (let index = 0; index < 200_000; index++) chunks.add(Buffer.of(index % 256));
  expect(chunks.list().length).toBeLessThan(10);
  expect(joined(chunks.list())[65_537]).toBe(65_537 % 256);
});
