/**
 * The reward for maths word problems with one number as answer (GSM8K): 1 for exactly the gold number.
 *
 * Equality is of values, not of spelling: 1,234 = 1234.0, 3/4 = 0.75, $5 = 5, 2e3 = 2000. A percent sign
 * counts as a unit, because GSM8K asks for "what percent" and gives the bare number: 50% = 50, and so 50%
 * isn't 0.5.
 */
import { findFinalAnswer } from "./final-answer.ts";
import { equalRationals } from "./rational.ts";

/**
 * Scores a completion against the gold answer, which may be the bare number or a whole solution that ends
 * in `#### 18`. Never throws: a completion without an answer scores 0, and so does anything against a gold
 * that holds no number (`isNumericAnswer` tells beforehand).
 */
export function scoreNumericAnswer(gold: string, completion: string): 0 | 1 {
  const expected = findFinalAnswer(gold);
  const given = expected === null ? null : findFinalAnswer(completion);
  return expected !== null && given !== null && equalRationals(expected, given) ? 1 : 0;
}

/** Whether a gold answer holds a number to compare with. */
export function isNumericAnswer(gold: string): boolean {
  return findFinalAnswer(gold) !== null;
}
