/**
 * The practice server's teacher for mcp-agent: makes the calls of the row's solution, one a turn, and says the answer. A
 * rollout that errs leaves out the last call and says something else.
 */
import type { TeacherTurn, TurnRequest } from "../src/practice/teacher.ts";
import { type McpTask, mcpTask } from "./mcp-agent/rows.ts";
import { RowTeacher, readTeacherRows, type TeacherRows } from "./row-teacher.ts";

type SolvedTask = McpTask & Required<Pick<McpTask, "solution">>;

const hasSolution = (task: McpTask): task is SolvedTask => task.solution !== undefined;

/** Rows without a solution are left out and counted; rejects as `readTeacherRows` does. */
export function readMcpTasks(
  paths: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<TeacherRows<SolvedTask>> {
  const read = (raw: unknown): SolvedTask | null => {
    const parsed = mcpTask.safeParse(raw);
    return parsed.success && hasSolution(parsed.data) ? parsed.data : null;
  };
  return readTeacherRows(paths, read, { expected: 'a "prompt", "checks" and a "solution"', signal });
}

export class McpAgentTeacher extends RowTeacher<SolvedTask> {
  constructor(tasks: readonly SolvedTask[]) {
    super(tasks, ({ prompt }) => prompt);
  }

  protected override nextTurn(task: SolvedTask, request: TurnRequest): TeacherTurn {
    return nextTurn(task, request);
  }
}

function nextTurn({ solution, say }: SolvedTask, { messages, tools, errs }: TurnRequest): TeacherTurn {
  const calls = errs ? solution.slice(0, -1) : solution;
  const call = calls[messages.filter(({ role }) => role === "assistant").length];
  if (call === undefined) return { content: errs ? "I am not sure." : say, calls: [] };
  if (!tools.some((tool) => tool.function.name === call.name)) {
    return { content: `I have no tool ${call.name}.`, calls: [] };
  }
  return { content: null, calls: [call] };
}
