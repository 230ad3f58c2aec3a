/**
 * The practice server's teacher for swe: looks around, writes the row's own solution, and says that it is done. A
 * rollout that errs only looks.
 */
import { z } from "zod";
import type { RewardItem } from "../rewards/reward.ts";
import type { ChatMessage } from "../src/contracts/chat.ts";
import { LachesisError } from "../src/contracts/errors.ts";
import { openDataset } from "../src/data/dataset.ts";
import { QuestionIndex } from "../src/practice/question-index.ts";
import type { Lesson, Teacher, TeacherTurn, TurnRequest } from "../src/practice/teacher.ts";
import { solutionFiles } from "./swe.ts";
import { requireSweRow, sweProblem } from "./swe-repository.ts";

export type SweProblem = { problem: string; files: Readonly<Record<string, string>> };

/** Rejects with DATASET_* codes, or where a file has no row with a problem, tests and a solution. */
export async function readSweProblems(
  paths: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<{ problems: SweProblem[]; skippedRows: number }> {
  const problems: SweProblem[] = [];
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

function problemOf(raw: unknown): SweProblem | null {
  const parsed = z.looseObject({}).safeParse(raw);
  if (!parsed.success) return null;
  const row: RewardItem = parsed.data;
  const problem = sweProblem(row) ?? row.problem_statement;
  const files = solutionFiles(row);
  if (typeof problem !== "string" || Object.keys(files).length === 0) return null;
  try {
    requireSweRow(row);
    return { problem, files };
  } catch {
    return null;
  }
}

export class SweTeacher implements Teacher {
  readonly #problems: readonly SweProblem[];
  readonly #index: QuestionIndex;

  constructor(problems: readonly SweProblem[]) {
    this.#problems = problems;
    this.#index = new QuestionIndex(problems.map(({ problem }) => problem));
  }

  recognise(messages: readonly ChatMessage[]): Lesson | null {
    for (const message of messages.toReversed()) {
      if (message.role !== "user") continue;
      const index = this.#index.find(message.content);
      const problem = index === null ? undefined : this.#problems[index];
      if (index !== null && problem) return { index, nextTurn: (request) => nextTurn(problem, request) };
    }
    return null;
  }
}

function nextTurn({ files }: SweProblem, { messages, tools, errs }: TurnRequest): TeacherTurn {
  const sinceTask = messages.slice(messages.findLastIndex(({ role }) => role === "user") + 1);
  const turn = sinceTask.filter(({ role }) => role === "assistant").length;
  const offered = new Set(tools.map((tool) => tool.function.name));
  const [first] = Object.keys(files);
  if (turn === 0 && offered.has("read_file") && first !== undefined) {
    return { content: "I look at it.", calls: [{ name: "read_file", arguments: { path: first } }] };
  }
  if (turn <= 1 && !errs && offered.has("write_file")) {
    const calls = Object.entries(files).map(([path, content]) => ({
      name: "write_file",
      arguments: { path, content },
    }));
    if (!sinceTask.some((message) => JSON.stringify(message).includes("write_file")))
      return { content: null, calls };
  }
  return { content: errs ? "It looks fine to me." : "Done.", calls: [] };
}
