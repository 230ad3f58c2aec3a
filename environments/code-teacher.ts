/**
 * The practice server's teacher for code: leaves the row's own solution where the prompt asks for it, and tries it out
 * where it has a terminal. A rollout that errs leaves a program that forgets its results.
 */
import { z } from "zod";
import { readCodeTests } from "../rewards/code/code-tests.ts";
import type { RewardItem } from "../rewards/reward.ts";
import type { TeacherTurn, TurnRequest } from "../src/practice/teacher.ts";
import { codeSolution } from "./code-task.ts";
import { RowTeacher, readTeacherRows, sinceQuestion, type TeacherRows } from "./row-teacher.ts";

export type CodeProblem = { problem: string; solution: string; row: RewardItem };

const problemColumns = ["prompt", "question", "question_content", "text"];

/** Rows without a problem, tests or a solution are left out and counted; rejects as `readTeacherRows` does. */
export function readCodeProblems(
  paths: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<TeacherRows<CodeProblem>> {
  return readTeacherRows(paths, problemOf, { expected: "a problem, tests and a solution", signal });
}

function problemOf(raw: unknown): CodeProblem | null {
  const parsed = z.looseObject({}).safeParse(raw);
  if (!parsed.success) return null;
  const row: RewardItem = parsed.data;
  const problem = problemColumns.map((column) => row[column]).find((text) => typeof text === "string");
  const solution = codeSolution(row);
  if (typeof problem !== "string" || solution === null) return null;
  try {
    readCodeTests(row);
    return { problem, solution, row };
  } catch {
    return null;
  }
}

export class CodeTeacher extends RowTeacher<CodeProblem> {
  constructor(problems: readonly CodeProblem[]) {
    super(problems, ({ problem }) => problem);
  }

  protected override nextTurn(problem: CodeProblem, request: TurnRequest, prompt: string): TeacherTurn {
    return nextTurn(problem, prompt, request);
  }
}

function nextTurn({ solution }: CodeProblem, prompt: string, request: TurnRequest): TeacherTurn {
  const { tools, errs } = request;
  const program = errs ? forgetful(solution) : solution;
  const [, file] = /into the file (\S+)/.exec(prompt) ?? [];
  if (file === undefined) return { content: `\`\`\`python\n${program}\`\`\``, calls: [] };

  const turn = sinceQuestion(request).filter(({ role }) => role === "assistant").length;
  const offered = new Set(tools.map((tool) => tool.function.name));
  if (turn === 0 && offered.has("write_file")) {
    return { content: null, calls: [{ name: "write_file", arguments: { path: file, content: program } }] };
  }
  if (turn === 0 && offered.has("terminal")) {
    const command = `cat > ${file} <<'END'\n${program}END`;
    return { content: null, calls: [{ name: "terminal", arguments: { command } }] };
  }
  if (turn === 0) return { content: "I have no tool to write files with.", calls: [] };
  if (turn === 1 && offered.has("terminal")) {
    const command = `python3 -m py_compile ${file} && echo fine`;
    return { content: "Does it compile?", calls: [{ name: "terminal", arguments: { command } }] };
  }
  return { content: `Done: ${file} is written.`, calls: [] };
}

/** Computes everything, and gives none of it. */
const forgetful = (solution: string): string =>
  solution.replaceAll(/\breturn\b(?=[ \t]\S)/g, "return None and").replaceAll("print(", 'print("Result:", ');
