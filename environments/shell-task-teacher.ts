/**
 * The practice server's teacher for terminal tasks whose solution is a shell script (endless-terminals, harbor): looks
 * around, runs it, and says that it is done. A rollout that errs only looks.
 */
import type { TeacherTurn, TurnRequest } from "../src/practice/teacher.ts";
import { RowTeacher, sinceQuestion } from "./row-teacher.ts";

export type ShellTask = {
  prompt: string;
  /** Shell commands that solve it; null = unknown. */
  solution: string | null;
};

export type SolvedShellTask = ShellTask & { solution: string };

/** Those that can be taught, and how many can't. */
export function solvedTasks(tasks: readonly ShellTask[]): { rows: SolvedShellTask[]; skippedRows: number } {
  const rows = tasks.flatMap(({ prompt, solution }) => (solution === null ? [] : [{ prompt, solution }]));
  return { rows, skippedRows: tasks.length - rows.length };
}

export class ShellTaskTeacher extends RowTeacher<SolvedShellTask> {
  constructor(tasks: readonly SolvedShellTask[]) {
    super(tasks, ({ prompt }) => prompt);
  }

  protected override nextTurn({ solution }: SolvedShellTask, request: TurnRequest): TeacherTurn {
    const { tools, errs } = request;
    const turn = sinceQuestion(request).filter(({ role }) => role === "assistant").length;
    if (!tools.some((tool) => tool.function.name === "terminal")) {
      return { content: "I have no shell to work with.", calls: [] };
    }
    if (turn === 0) return { content: "I look around.", calls: [shell("ls -la")] };
    if (turn === 1 && !errs) return { content: null, calls: [shell(solution)] };
    return { content: errs ? "It looks done to me." : "Done.", calls: [] };
  }
}

const shell = (command: string) => ({ name: "terminal", arguments: { command } });
