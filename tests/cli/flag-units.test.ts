import { expect, test } from "vitest";
import { parseCount, parseDurationMs, parsePort, parseSize } from "../../src/cli/flag-units.ts";

test.each([
  ["4096", 4096],
  ["512MB", 512e6],
  ["512 mb", 512e6],
  ["1.5GiB", 1.5 * 2 ** 30],
  ["2K", 2000],
  ["1Ki", 1024],
  ["3TB", 3e12],
])("%s is %d bytes", (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each([
  ["300", 300_000],
  ["0", 0],
  ["1.5s", 1500],
  ["250ms", 250],
  ["5m", 300_000],
  ["2h", 7_200_000],
])("%s is %d milliseconds", (text, ms) => {
  expect(parseDurationMs(text)).toBe(ms);
});

test.each([
  [parseSize, ["", "0", "-1", "MB", "3 apples", "1e3", "9999999999TB"]],
  [parseDurationMs, ["", "-1", "5 days", "m"]],
  [parseCount, ["", "0", "-1", "1.5", "x"]],
  [parsePort, ["", "-1", "65536", "x"]],
])("%o refuses what it can't read", (parse, texts) => {
  for (const text of texts) expect(() => parse(text)).toThrow(/^Expected/);
});
