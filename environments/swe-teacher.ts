/**
 * The practice server's teacher for swe: looks around, writes the row's own solution, and says that it is done. A
 * rollout that errs only looks.
 */
import { z } from "zod";
import type { RewardItem } from "../rewards/reward.ts";
import type { TeacherTurn, TurnRequest } from "../src/practice/teacher.ts";
import { RowTeacher, readTeacherRows, sinceQuestion, type TeacherRows } from "./row-teacher.ts";
import { solutionFiles } from "./swe.ts";
import { requireSweRow, sweProblem } from "./swe-repository.ts";

export type SweProblem = { problem: string; files: Readonly<Record<string, string>> };

/** Rows without a problem, tests or a solution are left out and counted; rejects as `readTeacherRows` does. */
export function readSweProblems(
  paths: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<TeacherRows<SweProblem>> {
  return readTeacherRows(paths, problemOf, { expected: "a problem, tests and a solution", signal });
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

export class SweTeacher extends RowTeacher<SweProblem> {
  constructor(problems: readonly SweProblem[]) {
    super(problems, ({ problem }) => problem);
  }

  protected override nextTurn(problem: SweProblem, request: TurnRequest): TeacherTurn {
    return nextTurn(problem, request);
  }
}

function nextTurn({ files }: SweProblem, request: TurnRequest): TeacherTurn {
  const { tools, errs } = request;
  const sinceTask = sinceQuestion(request);
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
