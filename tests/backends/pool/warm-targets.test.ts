import fc from "fast-check";
import { expect, test } from "vitest";
import { warmTargets } from "../../../backends/pool/warm-targets.ts";

test.each<[string, string, number, Record<string, number>, Record<string, number>]>([
  ["all to the only kind", "aaaa", 4, {}, { a: 4 }],
  ["shares as the requests were", "aaab", 4, {}, { a: 3, b: 1 }],
  ["the larger remainder gets the last slot", "aab", 1, {}, { a: 1, b: 0 }],
  ["a tie goes to what is there already", "ab", 1, { a: 1 }, { a: 1, b: 0 }],
  ["a tie of newcomers goes to the one asked for later", "ab", 1, {}, { a: 0, b: 1 }],
  ["nothing where nobody asked", "", 4, { a: 2 }, {}],
])("%s", (_name, recent, size, present, targets) => {
  expect(Object.fromEntries(warmTargets([...recent], size, new Map(Object.entries(present))))).toEqual(
    targets,
  );
});

test("the shares always add up to the size, and a kind that is served keeps its slots at rest", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("a", "b", "c", "d"), { minLength: 1 }),
      fc.nat(20),
      (recent, size) => {
        const targets = warmTargets(recent, size, new Map());
        expect([...targets.values()].reduce((sum, count) => sum + count, 0)).toBe(size);
        expect(warmTargets(recent, size, targets)).toEqual(targets);
      },
    ),
  );
});
