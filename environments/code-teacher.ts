/**
 * The practice server's teacher for code: leaves the row's own solution where the prompt asks for it, and tries it out
 * where it has a terminal. A rollout that errs leaves a program that forgets its results.
 */
import { z } from "zod";
import { readCodeTests } from "../rewards/code/code-tests.ts";
import type { RewardItem } from "../rewards/reward.ts";
import type { ChatMessage } from "../src/contracts/chat.ts";
import { LachesisError } from "../src/contracts/errors.ts";
import { openDataset } from "../src/data/dataset.ts";
import { QuestionIndex } from "../src/practice/question-index.ts";
import type { Lesson, Teacher, TeacherTurn, TurnRequest } from "../src/practice/teacher.ts";
import { codeSolution } from "./code-task.ts";

export type CodeProblem = { problem: string; solution: string; row: RewardItem };

const problemColumns = ["prompt", "question", "question_content", "text"];

/** Rejects with DATASET_* codes, or where a file has no row with a problem, tests and a solution. */
export async function readCodeProblems(
  paths: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<{ problems: CodeProblem[]; skippedRows: number }> {
  const problems: CodeProblem[] = [];
  let skippedRows = 0;
  for (const path of paths) {
    const options = { signal, cacheDirectory: "", hubToken: undefined };
    const dataset = await openDataset({ kind: "file", path }, options);
    const before = problems.length;
    for (let index = 0; index < dataset.length; index += 1) {
      const raw = dataset.read(index);
      const problem = raw.ok ? problemOf(raw.value) : null;
      if (problem === null) skippedRows += 1;
      else problems.push(problem);
    }
    if (problems.length === before) {
      throw new LachesisError(
        "DATASET_INVALID",
        `Dataset ${path}: no row has a problem, tests and a solution.`,
      );
    }
  }
  return { problems, skippedRows };
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

export class CodeTeacher implements Teacher {
  readonly #problems: readonly CodeProblem[];
  readonly #index: QuestionIndex;

  constructor(problems: readonly CodeProblem[]) {
    this.#problems = problems;
    this.#index = new QuestionIndex(problems.map(({ problem }) => problem));
  }

  recognise(messages: readonly ChatMessage[]): Lesson | null {
    for (const message of messages.toReversed()) {
      if (message.role !== "user") continue;
      const index = this.#index.find(message.content);
      const problem = index === null ? undefined : this.#problems[index];
      if (index !== null && problem) {
        return { index, nextTurn: (request) => nextTurn(problem, message.content, request) };
      }
    }
    return null;
  }
}

function nextTurn({ solution }: CodeProblem, prompt: string, request: TurnRequest): TeacherTurn {
  const { messages, tools, errs } = request;
  const program = errs ? forgetful(solution) : solution;
  const [, file] = /into the file (\S+)/.exec(prompt) ?? [];
  if (file === undefined) return { content: `\`\`\`python\n${program}\`\`\``, calls: [] };

  const sinceTask = messages.slice(messages.findLastIndex(({ role }) => role === "user") + 1);
  const turn = sinceTask.filter(({ role }) => role === "assistant").length;
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
