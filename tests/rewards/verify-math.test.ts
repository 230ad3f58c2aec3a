import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { verifyMath } from "../../rewards/index.ts";
import { equalPairs, type Row, unequalPairs } from "./maths-pairs.ts";

function pairsOf(rows: readonly Row[]): [string, string][] {
  return rows.flatMap(([gold, ...answers]) => answers.map((answer): [string, string] => [gold, answer]));
}

describe.each(Object.entries(equalPairs))("equal: %s", (_category, rows) => {
  test.each(pairsOf(rows))("%s is answered by %s", (gold, answer) => {
    expect(verifyMath(gold, answer)).toMatchObject({ equal: true });
  });
});

describe.each(Object.entries(unequalPairs))("unequal: %s", (_category, rows) => {
  test.each(pairsOf(rows))("%s isn't answered by %s", (gold, answer) => {
    expect(verifyMath(gold, answer)).toMatchObject({ equal: false });
  });
});

test("the table holds at least 300 pairs", () => {
  const rows = [...Object.values(equalPairs), ...Object.values(unequalPairs)].flat();
  expect(pairsOf(rows).length).toBeGreaterThanOrEqual(300);
});
