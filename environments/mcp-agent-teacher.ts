/**
 * The practice server's teacher for mcp-agent: makes the calls of the row's solution, one a turn, and says the answer. A
 * rollout that errs leaves out the last call and says something else.
 */
import type { ChatMessage } from "../src/contracts/chat.ts";
import { LachesisError } from "../src/contracts/errors.ts";
import { openDataset } from "../src/data/dataset.ts";
import { QuestionIndex } from "../src/practice/question-index.ts";
import type { Lesson, Teacher, TeacherTurn, TurnRequest } from "../src/practice/teacher.ts";
import { type McpTask, mcpTask } from "./mcp-agent/rows.ts";

type SolvedTask = McpTask & Required<Pick<McpTask, "solution">>;

const hasSolution = (task: McpTask): task is SolvedTask => task.solution !== undefined;

/** Rejects with DATASET_* codes, or where a file has no row with a solution. */
export async function readMcpTasks(
  paths: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<{ tasks: SolvedTask[]; skippedRows: number }> {
  const tasks: SolvedTask[] = [];
  let skippedRows = 0;
  for (const path of paths) {
    const options = { signal, cacheDirectory: "", hubToken: undefined };
    const dataset = await openDataset({ kind: "file", path }, options);
    const before = tasks.length;
    for (let index = 0; index < dataset.length; index += 1) {
      const raw = dataset.read(index);
      const parsed = mcpTask.safeParse(raw.ok ? raw.value : undefined);
      if (parsed.success && hasSolution(parsed.data)) tasks.push(parsed.data);
      else skippedRows += 1;
    }
    if (tasks.length === before) {
      const message = `Dataset ${path}: no row has a "prompt", "checks" and a "solution".`;
      throw new LachesisError("DATASET_INVALID", message);
    }
  }
  return { tasks, skippedRows };
}

export class McpAgentTeacher implements Teacher {
  readonly #tasks: readonly SolvedTask[];
  readonly #index: QuestionIndex;

  constructor(tasks: readonly SolvedTask[]) {
    this.#tasks = tasks;
    this.#index = new QuestionIndex(tasks.map(({ prompt }) => prompt));
  }

  recognise(messages: readonly ChatMessage[]): Lesson | null {
    const asked = messages.findLast(({ role }) => role === "user")?.content ?? "";
    const index = this.#index.find(asked);
    const task = index === null ? undefined : this.#tasks[index];
    if (index === null || task === undefined) return null;
    return { index, nextTurn: (request) => nextTurn(task, request) };
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
