/** The `execute_code` tool: a Python script in the sandbox that may call the rollout's other tools. */
import { z } from "zod";
import type { Tool } from "../contracts/tool.ts";
import { capMiddle } from "./cap-text.ts";
import { runCode } from "./code-run.ts";
import { defineTool } from "./define-tool.ts";

const longestSeconds = 300;
const mostCalls = 50;
const outputChars = 50_000;
const errorChars = 10_000;

/** What code may not call: itself, and what costs a rollout of its own. */
export const notForCode: ReadonlySet<string> = new Set(["execute_code", "delegate_task"]);

export function executeCodeTool(): Tool {
  return defineTool({
    name: "execute_code",
    description:
      "Run a Python script in the sandbox, in a process of its own, for work that takes many tool calls or much " +
      "filtering. It can call your other tools (not execute_code and delegate_task) as functions, e.g. " +
      "`from hermes_tools import terminal, read_file; print(terminal(command='ls')['output'])`: arguments as in a " +
      `call, answers as dicts. At most ${mostCalls} calls and ${longestSeconds} seconds; you see what it prints. Nothing of it stays but files.`,
    toolset: "code_execution",
    parameters: z.strictObject({
      code: z.string().min(1).max(1_000_000).describe("The script. Print what you want to see."),
      timeout: z
        .int()
        .min(1)
        .max(longestSeconds)
        .default(longestSeconds)
        .describe("Seconds before it is stopped."),
    }),
    async run({ code, timeout }, context) {
      const startedMs = performance.now();
      const { status, output, droppedBytes, toolCallsMade, error } = await runCode(await context.sandbox(), {
        code,
        tools: context.tools.filter(({ name }) => !notForCode.has(name)),
        timeoutMs: timeout * 1000,
        mostCalls,
        context,
      });
      return {
        status,
        output: capMiddle(output, outputChars, droppedBytes),
        tool_calls_made: toolCallsMade,
        duration_seconds: Math.round((performance.now() - startedMs) / 10) / 100,
        ...(error !== null && { error: capMiddle(error, errorChars) }),
      };
    },
  });
}
