import { describe, expect, test } from "vitest";
import { tinyMathsLevels, tinyMathsProblem } from "../../environments/tiny-maths-problems.ts";
import { type Sloppiness, TinyMathsTeacher } from "../../environments/tiny-maths-teacher.ts";
import type { ChatMessage } from "../../src/contracts/chat.ts";
import { chatMlFormat } from "../../src/practice/chatml-format.ts";

const python = { type: "function" as const, function: { name: "python", description: "", parameters: {} } };
const faultless: Sloppiness = { knowsOperation: 1, swaps: 0, guesses: 0 };

const problems = (level: 1 | 2 | 3, count = 100) =>
  Array.from({ length: count }, (_, index) =>
    tinyMathsProblem(index, { seed: 5, level, split: index % 2 === 0 ? "train" : "eval" }),
  );

type Played = { code: string | null; answer: string };

function play(teacher: TinyMathsTeacher, question: string, seed: number, errs = false): Played {
  const messages: ChatMessage[] = [{ role: "user", content: question }];
  const turn = () => teacher.recognise(messages)!.nextTurn({ messages, tools: [python], seed, errs });
  const first = turn();
  const code = first.calls[0] === undefined ? null : String(first.calls[0].arguments.code);
  if (code === null) return { code, answer: first.content ?? "" };
  const result = JSON.stringify({ status: "success", output: "", result: String(evaluated(code)) });
  messages.push({ role: "assistant", content: null }, { role: "tool", tool_call_id: "c", content: result });
  return { code, answer: turn().content ?? "" };
}

function evaluated(code: string): number {
  if (!/^[\d+*-]+$/.test(code)) throw new Error(code);
  return Number(new Function(`return ${code}`)());
}

describe("the teacher of tiny-maths", () => {
  test.each(tinyMathsLevels)("without sloppiness solves level %d by the tool", (level) => {
    const teacher = new TinyMathsTeacher(faultless);
    for (const { question, expression, answer } of problems(level)) {
      expect(play(teacher, question, 1)).toEqual({ code: expression, answer: String(answer) });
    }
  });

  test("is as sloppy as it says, the same for the same seed, and right in less than half of its rollouts", () => {
    const teacher = new TinyMathsTeacher();
    const played = problems(2, 3000).map((problem, seed) => ({
      problem,
      ...play(teacher, problem.question, seed),
    }));
    const share = (is: (one: (typeof played)[number]) => boolean) => played.filter(is).length / played.length;
    expect(play(teacher, played[0]!.problem.question, 0)).toMatchObject({ code: played[0]!.code });
    expect(share(({ code }) => code === null)).toBeCloseTo(0.15, 1);
    // Right operator: 0.34 and a third of the rest; not swapped; not guessed.
    const exact = share(({ code, problem }) => code === problem.expression);
    expect(Math.abs(exact - (0.34 + 0.66 / 3) * 0.85 * 0.85)).toBeLessThan(0.04);
    expect(share(({ answer, problem }) => answer === String(problem.answer))).toBeLessThan(0.5);
    for (const { code, answer } of played) if (code !== null) expect(answer).toBe(String(evaluated(code)));
  });

  test("guesses where no Python is offered, and calls it where the prompt only names it", () => {
    const teacher = new TinyMathsTeacher(faultless);
    const { question } = problems(2)[0]!;
    const ask = (prompt: string) => {
      const { messages, tools } = chatMlFormat().readPrompt(prompt);
      return teacher.recognise(messages)!.nextTurn({ messages, tools, seed: 1, errs: false });
    };
    const asked = `<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`;
    expect(ask(asked)).toMatchObject({ content: expect.stringMatching(/^\d+$/), calls: [] });
    expect(ask(`<|im_start|>system\nTools: python<|im_end|>\n${asked}`).calls).toHaveLength(1);
  });

  test("gives a wrong answer where it shall err", () => {
    for (const { question, answer } of problems(2)) {
      expect(play(new TinyMathsTeacher(faultless), question, 1, true).answer).not.toBe(String(answer));
    }
  });

  test("knows no other tasks", () => {
    expect(new TinyMathsTeacher().recognise([{ role: "user", content: "What is 2+2?" }])).toBeNull();
  });
});
