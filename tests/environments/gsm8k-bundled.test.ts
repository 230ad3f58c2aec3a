import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { bundledProblems } from "../../environments/gsm8k-bundled.ts";
import { scoreNumericAnswer } from "../../rewards/index.ts";

type Problem = { question: string; answer: string };

const read = (path: string): Problem[] =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

/** + - * / over decimals with the usual precedence; the bundled annotations need no brackets. */
function evaluateArithmetic(expression: string): number {
  const parts = expression.split(/([+\-*/])/);
  const terms: number[] = [];
  for (let index = -1; index < parts.length; index += 2) {
    const value = Number(parts[index + 1]);
    const operator = parts[index];
    if (operator === "*") terms.push((terms.pop() ?? 1) * value);
    else if (operator === "/") terms.push((terms.pop() ?? 1) / value);
    else terms.push(operator === "-" ? -value : value);
  }
  return terms.reduce((sum, term) => sum + term, 0);
}

describe.each([
  ["train", bundledProblems.train, 60],
  ["test", bundledProblems.test, 20],
] as const)("bundled %s problems", (_name, path, count) => {
  const problems = read(path);

  test("are all different", () => {
    expect(problems).toHaveLength(count);
    expect(new Set(problems.map(({ question }) => question)).size).toBe(count);
  });

  test.each(problems)("$question", ({ question, answer }) => {
    const annotations = [...answer.matchAll(/<<([^=]+)=([^>]+)>>(\S+)/g)];
    expect(annotations.length).toBeGreaterThanOrEqual(2);
    for (const [, expression = "", value = "", shown = ""] of annotations) {
      expect(evaluateArithmetic(expression)).toBeCloseTo(Number(value), 9);
      expect(shown).toMatch(new RegExp(`^${value.replace(".", "\\.")}[.,;]?$`));
    }
    const gold = /\n#### (\d[\d,]*)$/.exec(answer)?.[1] ?? "";
    expect(scoreNumericAnswer(gold, annotations.at(-1)?.[2] ?? "")).toBe(1);
    expect(question.trim()).toBe(question);
    expect(question.endsWith("?")).toBe(true);
  });
});

test("no problem is in both files", () => {
  const train = new Set(read(bundledProblems.train).map(({ question }) => question));
  expect(read(bundledProblems.test).filter(({ question }) => train.has(question))).toEqual([]);
});
