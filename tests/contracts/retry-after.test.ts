import { expect, test } from "vitest";
import { parseRetryAfterMs } from "../../src/contracts/retry-after.ts";

const nowMs = Date.parse("2026-01-01T00:00:00Z");

test.each([
  ["seconds", "7", 7000],
  ["a fraction of a second", " 1.5 ", 1500],
  ["no wait", "0", 0],
  ["a date to come", "Thu, 01 Jan 2026 00:00:07 GMT", 7000],
  ["a date gone by", "Thu, 01 Jan 2020 00:00:00 GMT", 0],
  ["an old spelling of a date", "Thursday, 01-Jan-26 00:00:07 GMT", 7000],
  ["words", "soon", undefined],
  ["a negative number", "-5", undefined],
  ["nothing", "", undefined],
])("Retry-After with %s", (_name, value, expected) => {
  expect(parseRetryAfterMs(value, nowMs)).toBe(expected);
});
