import { expect, test } from "vitest";
import { passedMultiple } from "../../src/env/passed-multiple.ts";

test.each([
  ["reaching a multiple counts", 99, 100, 100, 100],
  ["steps short of one don't", 50, 99, 100, null],
  ["a jump over one counts, whatever the remainders", 50, 150, 100, 100],
  ["a jump over several gives the last", 50, 350, 100, 300],
  ["standing on a multiple counts once", 100, 101, 100, null],
  ["a step back gives none", 250, 90, 100, null],
  ["an interval of 0 is never passed", 0, 1000, 0, null],
  ["nor is a negative one", 0, 1000, -1, null],
])("%s", (_title, previous, next, interval, expected) => {
  expect(passedMultiple(previous, next, interval)).toBe(expected);
});
