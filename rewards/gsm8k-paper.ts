/**
 * Grading as the GSM8K paper did it, to compare with its labels: the first `#### ` of a solution with a number right
 * behind it, commas taken out, has to be written like the gold one. `18.0`, `18.`, `$18` and a solution that was cut
 * off before its `####` are wrong here; `scoreNumericAnswer` compares values and looks for the answer everywhere.
 */

/** 1 when the solution's `#### …` is written like the gold one's; `gold` may also be the number alone. Never throws. */
export function scoreAsGsm8kPaper(gold: string, solution: string): 0 | 1 {
  const expected = markedNumber(gold) ?? bareNumber(gold);
  return expected !== null && expected === markedNumber(solution) ? 1 : 0;
}

function markedNumber(text: string): string | null {
  return withoutCommas(/#### (-?[0-9.,]+)/.exec(text)?.[1]);
}

function bareNumber(text: string): string | null {
  return withoutCommas(/^\s*(-?[0-9.,]+)\s*$/.exec(text)?.[1]);
}

function withoutCommas(number: string | undefined): string | null {
  return number?.replaceAll(",", "") ?? null;
}
