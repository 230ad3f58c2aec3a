import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  Gsm8kTeacher,
  readGsm8kProblems,
  readSolution,
  slip,
} from "../../environments/gsm8k-agent-teacher.ts";
import { scoreNumericAnswer } from "../../rewards/index.ts";
import type { ChatMessage } from "../../src/contracts/chat.ts";
import type { Lesson, TeacherTurn } from "../../src/practice/teacher.ts";
import { gsm8kPath, hasGsm8k, readGsm8k } from "../support/gsm8k-rows.ts";

const python = { type: "function" as const, function: { name: "python", description: "", parameters: {} } };
const never = new AbortController().signal;

const problem = {
  question: "Mia has $12. She spends 50% of it and earns $1,000. How much has she?",
  answer: [
    "She spends 12*50% = $<<12*50%=6>>6.",
    "She keeps 12-6 = $<<12-6=6>>6.",
    "In all 6+1,000 = $<<6+1,000=1006>>1006.",
    "#### 1,006",
  ].join("\n"),
};

type Program = { code: string; output: string };

/** Plays a lesson turn by turn; `run` is the tool. */
function play(lesson: Lesson, question: string, seed: number, run: (code: string) => string, errs = false) {
  const messages: ChatMessage[] = [{ role: "user", content: question }];
  const programs: Program[] = [];
  for (;;) {
    const turn: TeacherTurn = lesson.nextTurn({ messages, tools: [python], seed, errs });
    if (turn.calls.length === 0) return { programs, turns: messages, answer: turn.content ?? "" };
    messages.push({ role: "assistant", content: turn.content });
    for (const call of turn.calls) {
      const code = String(call.arguments.code);
      const output = run(code);
      programs.push({ code, output });
      messages.push({ role: "tool", tool_call_id: "", content: output });
    }
  }
}

function lessonOf(teacher: Gsm8kTeacher, question: string): Lesson {
  const lesson = teacher.recognise([{ role: "user", content: `Solve:\n${question}\nBox it.` }]);
  if (!lesson) throw new Error(`not recognised: ${question}`);
  return lesson;
}

describe("a written problem", () => {
  const teacher = new Gsm8kTeacher([problem]);
  const lesson = lessonOf(teacher, problem.question);

  test("is played step by step, in pairs, in one program or as calls of one turn", () => {
    const plans = new Set<string>();
    for (let seed = 0; seed < 40; seed += 1) {
      const { programs, turns } = play(lesson, problem.question, seed, () => "");
      plans.add(
        JSON.stringify([turns.map(({ role }) => role[0]).join(""), ...programs.map(({ code }) => code)]),
      );
    }
    const steps = ["12 * (50 / 100)", "12 - 6", "6 + 1000"];
    const assigned = steps.map((step, index) => `step_${index + 1} = ${step}`);
    expect([...plans].map((plan) => JSON.parse(plan)).toSorted()).toEqual([
      ["uat", `${assigned.join("\n")}\nprint(step_1, step_2, step_3)`],
      ["uatat", `${assigned.slice(0, 2).join("\n")}\nprint(step_1, step_2)`, steps[2]],
      ["uatatat", ...steps],
      ["uattt", ...steps],
    ]);
  });

  test("ends with the steps that the tool confirmed and the boxed answer", () => {
    const { answer } = play(lesson, problem.question, 1, () => "6.0\n6\n1006\n");
    expect(answer).toBe("12 * (50 / 100) = 6\n12 - 6 = 6\n6 + 1000 = 1006\nThe answer is \\boxed{1,006}.");
  });

  test("says so when the tool gave no result, and goes on by hand", () => {
    const { answer } = play(lesson, problem.question, 1, () => "Error: the sandbox is gone");
    expect(answer.match(/by hand/g)).toHaveLength(3);
    expect(scoreNumericAnswer(problem.answer, answer)).toBe(1);
  });

  test("is told in words where no python tool is offered", () => {
    const other = {
      type: "function" as const,
      function: { name: "terminal", description: "", parameters: {} },
    };
    const messages: ChatMessage[] = [{ role: "user", content: problem.question }];
    const turn = lesson.nextTurn({ messages, tools: [other], seed: 0, errs: false });
    expect(turn).toEqual({
      calls: [],
      content: expect.stringMatching(/^She spends[^<]*\\boxed\{1,006\}\.$/s),
    });
  });

  test("is asked anew in a later user message", () => {
    const messages: ChatMessage[] = [
      { role: "user", content: problem.question },
      { role: "assistant", content: "It is \\boxed{1}." },
      { role: "user", content: "Are you sure?" },
    ];
    expect(teacher.recognise(messages)?.index).toBe(0);
    expect(lesson.nextTurn({ messages, tools: [python], seed: 3, errs: false }).calls.length).toBeGreaterThan(
      0,
    );
  });
});

test("annotations that are no arithmetic are passed over", () => {
  const solution = readSolution("a <<x+1=2>> b <<=3>> c <<2*3=6>>6 d <<open\n#### 6");
  expect(solution?.steps).toEqual([{ python: "2 * 3", value: 6 }]);
  expect(readSolution("no final answer")).toBeNull();
});

test.each(["0", "1", "-5", "18", "3.5", "-0.25", "1,080", "109,200,000", "50%", "$12.50", "3/4", "ten"])(
  "a slip from %s is never the same number",
  (gold) => {
    const slips = Array.from({ length: 50 }, (_, seed) => slip(gold, seed));
    for (const wrong of slips) expect(scoreNumericAnswer(gold, `\\boxed{${wrong}}`)).toBe(0);
    expect(new Set(slips).size).toBeGreaterThan(1);
  },
);

describe("reading problems", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "teacher-"));
  });
  afterAll(() => rm(directory, { recursive: true }));

  test("leaves out and counts rows that can't be played", async () => {
    const path = join(directory, "rows.jsonl");
    const rows = [problem, { question: "No answer?" }, { question: "No gold?", answer: "It is 5." }];
    await writeFile(path, `${rows.map((row) => JSON.stringify(row)).join("\n")}\nno json\n`);
    const { rows: problems, skippedRows } = await readGsm8kProblems([path, path], { signal: never });
    expect(problems).toEqual([problem, problem]);
    expect(skippedRows).toBe(6);
  });

  test("refuses a file without any, by name", async () => {
    const path = join(directory, "empty.jsonl");
    await writeFile(path, '{"question":"No answer?"}\n');
    await expect(readGsm8kProblems([path], { signal: never })).rejects.toMatchObject({
      code: "DATASET_INVALID",
      message: expect.stringContaining(path),
    });
  });
});

/** Runs every program as the REPL would (last expression shown), each in a namespace of its own. */
const runner = `
import ast, contextlib, io, json, sys
def run(code):
    tree = ast.parse(code)
    tail = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
    scope, out = {}, io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(tree, "<program>", "exec"), scope)
        value = None if tail is None else eval(compile(tail, "<program>", "eval"), scope)
    return out.getvalue() + ("" if value is None else repr(value))
json.dump([run(code) for code in json.load(sys.stdin)], sys.stdout)
`;

test.skipIf(!hasGsm8k)(
  "all real problems: the programs run in real Python, and right is right, wrong is wrong",
  async () => {
    const { rows: problems, skippedRows } = await readGsm8kProblems([gsm8kPath("train"), gsm8kPath("test")], {
      signal: never,
    });
    expect([problems.length, skippedRows]).toEqual([8792, 0]);
    const teacher = new Gsm8kTeacher(problems);
    const lessons = problems.map(({ question }) => lessonOf(teacher, question));
    const codes = problems.flatMap(({ question }, index) =>
      play(lessons[index]!, question, index, () => "").programs.map(({ code }) => code),
    );
    const outputs: string[] = JSON.parse(
      execFileSync("python3", ["-c", runner], {
        input: JSON.stringify(codes),
        maxBuffer: 1 << 26,
      }).toString(),
    );
    let next = 0;
    for (const [index, { question, answer: gold }] of problems.entries()) {
      const right = play(lessons[index]!, question, index, () => outputs[next++] ?? "").answer;
      expect(right).not.toContain("by hand");
      expect(scoreNumericAnswer(gold, right)).toBe(1);
      const wrong = play(lessons[index]!, question, index, () => "", true).answer;
      expect(scoreNumericAnswer(gold, wrong)).toBe(0);
    }
    expect(next).toBe(outputs.length);
    expect(codes.length).toBeGreaterThan(10_000);
  },
);

test.skipIf(!hasGsm8k)("every annotation of the real data becomes a step", () => {
  const rows = [...readGsm8k("train"), ...readGsm8k("test")];
  const annotations = rows.flatMap(({ answer }) => answer.match(/<<[^<>]*>>/g) ?? []).length;
  const steps = rows.flatMap(({ answer }) => readSolution(answer)?.steps ?? []).length;
  expect(steps).toBe(annotations);
});
