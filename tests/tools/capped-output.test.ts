import fc from "fast-check";
import { expect, test } from "vitest";
import { CappedOutput } from "../../src/tools/capped-output.ts";

test("keeps head and tail and counts the rest, however the stream was cut into chunks", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 30 }),
      fc.nat({ max: 60 }),
      (chunks, limit) => {
        const output = new CappedOutput(limit);
        for (const chunk of chunks) output.write(chunk);
        const whole = Buffer.concat(chunks);
        const expected =
          whole.length <= limit
            ? whole
            : Buffer.concat([
                whole.subarray(0, Math.ceil(limit / 2)),
                whole.subarray(whole.length - Math.floor(limit / 2)),
              ]);
        expect(output.bytes()).toEqual(expected);
        expect(output.droppedBytes).toBe(Math.max(0, whole.length - limit));
      },
    ),
    { numRuns: 500 },
  );
});

test("a drizzle of single bytes costs no more memory than the limit", () => {
  const output = new CappedOutput(1_000);
  for (let index = 0; index < 200_000; index += 1) output.write(Buffer.of(index % 256));
  expect(output.bytes()).toHaveLength(1_000);
  expect(output.droppedBytes).toBe(199_000);
});
