import { expect, test } from "vitest";
import { QuestionIndex } from "../../src/practice/question-index.ts";
import { hasGsm8k, readGsm8k } from "../support/gsm8k-rows.ts";

const questions = [
  "How many clips did Natalia sell altogether in April and May?",
  "How many clips did Natalia sell altogether in June?",
  "What is 2+2?",
  "How many clips did Natalia sell altogether in April and May? And in June?",
];

test.each([
  ["as it is", "How many clips did Natalia sell altogether in June?", 1],
  ["with other white space", "  How many\nclips did   Natalia sell altogether\tin June?  ", 1],
  ["wrapped by a prompt", 'Solve this.\n\nProblem: "What is 2+2?"\n\nAnswer in \\boxed{}.', 2],
  ["a longer question beats the one it begins with", `Q: ${questions[3]} A:`, 3],
  ["the last of several", `Example: ${questions[0]} A: 72\nNow: ${questions[1]}`, 1],
  ["unknown", "How many clips did Natalia sell altogether in July?", null],
  ["cut off", "How many clips did Natalia sell altogether in", null],
  ["empty", "", null],
])("a question is found: %s", (_name, text, expected) => {
  expect(new QuestionIndex(questions).find(text)).toBe(expected);
});

test.skipIf(!hasGsm8k)("every real question is found as itself inside a prompt", () => {
  const rows = [...readGsm8k("train"), ...readGsm8k("test")].map(({ question }) => question);
  const index = new QuestionIndex(rows);
  const lost = rows.filter(
    (question, number) => index.find(`Solve it step by step.\n\n${question}\n\nBox it.`) !== number,
  );
  expect(lost).toEqual([]);
});
