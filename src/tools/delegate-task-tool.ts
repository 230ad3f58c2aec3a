/** The `delegate_task` tool: gives tasks to child rollouts, which work on the same sandbox, and reports on them. */
import { z } from "zod";
import type { ChatMessage } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { ChildResult, ChildRollouts } from "../contracts/rollout-context.ts";
import type { Tool } from "../contracts/tool.ts";
import { headOf } from "./cap-text.ts";
import { defineTool, type ToolOutput } from "./define-tool.ts";
import { ToolRegistry } from "./tool-registry.ts";
import { resolveTools } from "./toolsets.ts";

const mostTasks = 3;
const mostTraced = 100;
const summaryChars = 20_000;

const goal = z
  .string()
  .min(1)
  .max(20_000)
  .describe("What is to be done, so that it can be understood alone.");
const taskContext = z
  .string()
  .max(100_000)
  .optional()
  .describe("What the child must know: it sees nothing of this conversation.");
const toolsets = z
  .array(z.string())
  .max(20)
  .optional()
  .describe('Toolsets that it may use, of yours, e.g. ["terminal", "file"]. Default: all of them.');

const parameters = z.strictObject({
  goal: goal.optional(),
  context: taskContext,
  toolsets,
  tasks: z
    .array(z.strictObject({ goal, context: taskContext, toolsets }))
    .min(1)
    .max(mostTasks)
    .optional()
    .describe(`Up to ${mostTasks} tasks to be done at the same time, instead of goal.`),
  max_iterations: z
    .int()
    .min(1)
    .max(50)
    .default(50)
    .describe("Model calls a child may make, at most your own limit."),
});

type Task = { goal: string; context?: string | undefined; toolsets?: string[] | undefined };

export function delegateTaskTool(): Tool {
  return defineTool({
    name: "delegate_task",
    description:
      "Give tasks to helpers, which work on this sandbox with a shell of their own and see nothing of this " +
      "conversation. Waits for them and answers with what each says at its end.",
    toolset: "delegation",
    parameters,
    async run(
      { goal, context: told, toolsets, tasks, max_iterations: maxTurns },
      context,
    ): Promise<ToolOutput> {
      const { children } = context;
      if (children === null) return { error: "A helper's helper can't give tasks away: do it yourself." };
      if ((goal === undefined) === (tasks === undefined)) {
        return { error: "Say either goal, for one task, or tasks, for up to three." };
      }
      const all: readonly Task[] = tasks ?? (goal === undefined ? [] : [{ goal, context: told, toolsets }]);
      if (all.length > children.left) {
        return { error: `This task may have ${children.left} more helpers in all: do the rest yourself.` };
      }
      const choices: Tool[][] = [];
      for (const task of all) {
        const chosen = chooseTools(task.toolsets, context.tools);
        if ("error" in chosen) return { error: chosen.error };
        choices.push(chosen.tools);
      }
      const startedMs = performance.now();
      const results = await playAll(
        all.map(
          (task, index) => () => playOne(task, { index, maxTurns, tools: choices[index] ?? [], children }),
        ),
      );
      return { results, total_duration_seconds: secondsSince(startedMs) };
    },
  });
}

/** Rejects with the first failure, once all have ended. */
async function playAll<Result>(plays: readonly (() => Promise<Result>)[]): Promise<Result[]> {
  const settled = await Promise.allSettled(plays.map((play) => play()));
  return settled.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
}

function chooseTools(
  names: readonly string[] | undefined,
  tools: readonly Tool[],
): { tools: Tool[] } | { error: string } {
  if (names === undefined) return { tools: [...tools] };
  const own = [...new Set(tools.map(({ toolset }) => toolset))].sort().join(", ");
  try {
    const chosen = resolveTools({ registry: new ToolRegistry(tools), enabledToolsets: names, seed: 0 });
    if (chosen.length > 0 || names.length === 0) return { tools: chosen };
    return { error: `You have no tools of ${names.join(", ")}. Yours are: ${own}.` };
  } catch (error) {
    if (!(error instanceof LachesisError)) throw error;
    return { error: `${error.message} Your toolsets are: ${own}.` };
  }
}

async function playOne(
  task: Task,
  place: { index: number; maxTurns: number; tools: readonly Tool[]; children: ChildRollouts },
) {
  const startedMs = performance.now();
  const { maxTurns, tools, children } = place;
  const result = await children.play({ messages: messagesOf(task), tools, maxTurns });
  const summary = summaryOf(result);
  return {
    task_index: place.index,
    status: result.stop === "finished" && summary !== "" ? "completed" : "failed",
    summary: headOf(summary, summaryChars),
    api_calls: result.turnsUsed,
    duration_seconds: secondsSince(startedMs),
    exit_reason: exitReasons[result.stop],
    tokens: { input: result.usage.prompt_tokens, output: result.usage.completion_tokens },
    tool_trace: traceOf(result),
  };
}

const exitReasons = {
  finished: "completed",
  "max-turns": "max_iterations",
  "max-tokens": "max_tokens",
  "context-full": "context_full",
} as const satisfies Record<ChildResult["stop"], string>;

function messagesOf({ goal, context }: Task): ChatMessage[] {
  const system =
    "You help with one part of a larger task. Do what is asked with your tools, in the sandbox you are given, and " +
    "nothing beyond it. When it is done, answer without calling a tool: say what you did, what you found, which " +
    "files you made or changed, and what is left open. Whoever asked sees this last answer only.";
  const user = context === undefined ? goal : `${goal}\n\nWhat you should know:\n${context}`;
  return [
    { role: "system", content: system },
    { role: "user", content: user },
  ];
}

/** The last thing the child said. */
function summaryOf({ messages }: ChildResult): string {
  const said = messages.findLast(
    ({ role, content }) => role === "assistant" && typeof content === "string" && content.trim() !== "",
  );
  return typeof said?.content === "string" ? said.content.trim() : "";
}

function traceOf({ messages }: ChildResult) {
  const answers = new Map(
    messages.flatMap((message) =>
      message.role === "tool" ? [[message.tool_call_id, message.content] as const] : [],
    ),
  );
  const calls = messages.flatMap((message) =>
    message.role === "assistant" ? (message.tool_calls ?? []) : [],
  );
  return calls.slice(0, mostTraced).map(({ id, function: { name, arguments: written } }) => ({
    tool: name,
    args_bytes: Buffer.byteLength(written),
    result_bytes: Buffer.byteLength(String(answers.get(id) ?? "")),
  }));
}

function secondsSince(startedMs: number): number {
  return Math.round((performance.now() - startedMs) / 10) / 100;
}
