import { describe, expect, test } from "vitest";
import { createReward, scoreAsGsm8kPaper, scoreNumericAnswer } from "../../rewards/index.ts";
import { hasGsm8k, readGsm8k } from "../support/gsm8k-rows.ts";

const gold = "Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 eggs.\nShe makes 9 * 2 = $<<9*2=18>>18.\n#### 18";

type Row = readonly [what: string, gold: string, solution: string, paper: 0 | 1, byValue: 0 | 1];

/** Where both gradings agree, and where they don't: the second is what `scoreNumericAnswer` says. */
const rows: readonly Row[] = [
  ["a right solution", gold, "She sells 16-7=<<16-7=9>>9.\n9*2=<<9*2=18>>18\n#### 18", 1, 1],
  ["a wrong solution", gold, "16-3=<<16-3=13>>13\n13*2=<<13*2=26>>26\n#### 26", 0, 0],
  ["the right number on the way to a wrong one", gold, "9*2=<<9*2=18>>18\n18+2=<<18+2=20>>20\n#### 20", 0, 0],
  ["a wrong annotation, the right end", gold, "9*2=<<9*2=19>>19\n#### 18", 1, 1],
  ["text behind the number", gold, "#### 18 dollars a day", 1, 1],
  ["an end-of-text mark behind the number", gold, "#### 18<|endoftext|>", 1, 1],
  ["a line behind the number", gold, "#### 18\nThe next question: how many eggs are 20?", 1, 1],
  ["a percent sign behind the number", "#### 50", "#### 50%", 1, 1],
  ["commas in the solution", "#### 1000", "#### 1,000", 1, 1],
  ["commas in the gold one", "#### 1,450,000", "#### 1450000", 1, 1],
  ["a negative number", "#### -5", "#### -5", 1, 1],
  ["the sign missing", "#### -5", "#### 5", 0, 0],
  ["a point in both", "#### 2.5", "#### 2.5", 1, 1],
  ["another number that begins alike", gold, "#### 180", 0, 0],
  ["nothing", gold, "", 0, 0],
  ["the gold number alone", "18", "#### 18", 1, 1],
  ["the gold number alone, with a comma", "1,080", "#### 1080", 1, 1],
  ["no number in the gold text", "many", "#### 18", 0, 0],
  // From here on they differ.
  ["cut off at the right number", gold, "She makes 9*2=<<9*2=18>>18", 0, 1],
  ["cut off behind the marker", gold, "She makes 9*2=<<9*2=18>>18\n#### ", 0, 1],
  ["a decimal that says the same", gold, "#### 18.0", 0, 1],
  ["cents that say the same", gold, "#### 18.00", 0, 1],
  ["a zero less than the gold one", "#### 2.50", "#### 2.5", 0, 1],
  ["a period behind the number", gold, "#### 18.", 0, 1],
  ["a currency sign", gold, "#### $18", 0, 1],
  ["no space behind the marker", gold, "####18", 0, 1],
  ["a line break behind the marker", gold, "####\n18", 0, 1],
  ["a word in front of the number", gold, "#### Answer: 18", 0, 1],
  ["a box", gold, "\\boxed{18}", 0, 1],
  ["only a sentence", gold, "The answer is 18.", 0, 1],
  ["a number in front of the point missing", "#### 0.5", "#### .5", 0, 1],
  ["several markers, the first one right", gold, "#### 18\nNo:\n#### 20", 1, 0],
  ["several markers, the last one right", gold, "#### 20\nNo:\n#### 18", 0, 1],
  ["a marker without a number comes first", gold, "#### so\n#### 18", 1, 1],
  ["half of a fraction", "#### 1", "#### 1/2", 1, 0],
  ["the whole part of a mixed number", "#### 2", "#### 2 1/2", 1, 0],
  ["a calculation behind the marker", gold, "#### 9*2=18", 0, 1],
];

test.each(rows)("%s: gold %j, solution %j", (_what, goldAnswer, solution, paper, byValue) => {
  expect(scoreAsGsm8kPaper(goldAnswer, solution)).toBe(paper);
  expect(scoreNumericAnswer(goldAnswer, solution)).toBe(byValue);
});

test("a configuration names it as a verifier of the reward accuracy", async () => {
  const reward = createReward({ type: "accuracy", params: { verifier: "gsm8k_paper" } });
  const score = async (content: string) => {
    const rollout = {
      messages: [{ role: "assistant" as const, content }],
      stop: "finished" as const,
      turnsUsed: 1,
    };
    const signal = AbortSignal.timeout(5_000);
    return (await reward({ rollout, item: { answer: gold }, toolContext: null, signal })).score;
  };
  expect(await score("9 * 2 = 18\n#### 18")).toBe(1);
  expect(await score("9 * 2 = 18\n#### 18.0")).toBe(0);
  expect(await score("<think>\n#### 18</think>\n#### 20")).toBe(0);
});

describe.skipIf(!hasGsm8k)("GSM8K's 8,792 gold answers", () => {
  test("score 1 against themselves and 0 against their neighbours", () => {
    const answers = [...readGsm8k("train"), ...readGsm8k("test")].map(({ answer }) => answer);
    expect(answers).toHaveLength(8_792);
    for (const answer of answers) {
      const number = answer.slice(answer.indexOf("#### ") + 5).replaceAll(",", "");
      expect([answer, scoreAsGsm8kPaper(answer, answer)]).toEqual([answer, 1]);
      expect([answer, scoreAsGsm8kPaper(answer, `So #### ${Number(number) + 1}`)]).toEqual([answer, 0]);
    }
  });
});
