import { expect, test } from "vitest";
import { retryDelayMs } from "../../src/rollout-api/retry-delay.ts";

const nowMs = Date.parse("2026-01-01T00:00:00Z");

test.each([
  [1, 0, 125],
  [1, 0.999999, 250],
  [3, 0, 500],
  [50, 0.999999, 10_000],
])("after %i failures, luck %d: %d ms", (failures, luck, delayMs) => {
  expect(retryDelayMs({ failures, nowMs, random: () => luck })).toBeCloseTo(delayMs, 0);
});

test.each([
  ["0", 0],
  ["1.5", 1500],
  ["9999", 120_000],
  ["Thu, 01 Jan 2026 00:00:07 GMT", 7000],
  ["Thu, 01 Jan 2020 00:00:00 GMT", 0],
  ["soon", 125],
])("Retry-After: %s -> %d ms", (retryAfter, delayMs) => {
  expect(retryDelayMs({ failures: 1, retryAfter, nowMs, random: () => 0 })).toBe(delayMs);
});
