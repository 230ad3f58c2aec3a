import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeState, encodeState } from "../../../src/rollout-api/sqlite/state-text.ts";

test("what JSON can't say comes back too", () => {
  const value = fc.oneof(
    fc.bigInt(),
    fc.double(),
    fc.string({ unit: "binary" }),
    fc.boolean(),
    fc.constant(null),
  );
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[a-z]+$/), value), (state) => {
      const decoded = decodeState(encodeState(state));
      // JSON has one zero.
      expect(decoded).toEqual(
        Object.fromEntries(Object.entries(state).map(([k, v]) => [k, v === 0 ? 0 : v])),
      );
    }),
  );
});
