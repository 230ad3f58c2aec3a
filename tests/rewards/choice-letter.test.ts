import { expect, test } from "vitest";
import { choiceLetter } from "../../rewards/choice-letter.ts";

test.each([
  ["B", "B"],
  ["(B)", "B"],
  ["**B.**", "B"],
  ["$\\boxed{B}$", "B"],
  ["\\boxed{\\text{B}}", "B"],
  ["Answer: B", "B"],
  ["ANSWER: (B)", "B"],
  ["The correct answer is **B) Paris**, because A is far away.", "B"],
  ["The answer is B.", "B"],
  ["Answer: A\nNo, wait.\nAnswer: C", "C"],
  ["The answer is option D", "D"],
  ["Let me see: A is wrong, B is wrong.\n\nC", "C"],
  ["B. Paris", "B"],
  ["The answer: A good guess would be hard.\nAnswer: B", "B"],
])("choiceLetter(%j) is %s", (text, letter) => {
  expect(choiceLetter(text, 4)).toBe(letter);
});

test.each([
  ["", "nothing"],
  ["A B C D", "all letters"],
  ["A, B, C, D", "all letters"],
  ["Answer: A, B, C, D", "all letters as the answer"],
  ["Answer: A or B", "two letters"],
  ["Answer: (A) (B)", "two letters"],
  ["\\boxed{A or B}", "two letters in a box"],
  ["\\boxed{A}\\boxed{B} ", "two boxes: the last counts", "B"],
  ["A. one\nB. two\nC. three", "the choices, repeated"],
  ["Answer: b", "a small letter"],
  ["Answer: Z", "no choice"],
  ["I think a good answer needs thought.", "words"],
])("choiceLetter(%j): %s", (text, _what, ...letters: string[]) => {
  expect(choiceLetter(text, 4)).toBe(letters[0] ?? null);
});

test("long hostile texts take no longer than reading them", () => {
  for (const piece of ["answer ", "answer is (((((", "\\boxed{", "A, ", "**_$ "]) {
    choiceLetter(piece.repeat(200_000 / piece.length));
  }
});
