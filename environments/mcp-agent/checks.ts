/**
 * What must be so when a rollout is over, looked at from outside: the last line of the answer, files that the servers
 * left in the sandbox, commands, tools. What isn't there, or can't be read, is a check that fails: within the model's
 * reach everything may be broken.
 */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { stripThinking } from "../../rewards/final-answer.ts";
import type { AgentResult } from "../../src/agent/agent-result.ts";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { ToolContext } from "../../src/tools/tool-context.ts";

const largestFileBytes = 1_048_576;
const commandTimeoutMs = 60_000;

const pointer = z
  .string()
  .regex(/^(\/.*)?$/s, 'expected a JSON pointer, as "/items/0/name"')
  .default("");

/** One of: the answer, a JSON file, a text file, a command, the result of a tool. */
export const mcpCheck = z.union([
  z.strictObject({ answer: z.string() }),
  z.strictObject({ file: z.string(), at: pointer, equals: z.json() }),
  z.strictObject({ file: z.string(), text: z.string() }),
  z.strictObject({ command: z.string(), exit_code: z.int().default(0), output: z.string().optional() }),
  z.strictObject({
    tool: z.string(),
    arguments: z.record(z.string(), z.json()).default({}),
    at: pointer,
    equals: z.json(),
  }),
]);

export type McpCheck = z.output<typeof mcpCheck>;

/** Rejects where the sandbox or a server over HTTP fails, and with TOOL_UNKNOWN. */
export async function passes(
  check: McpCheck,
  { messages }: Pick<AgentResult, "messages">,
  toolContext: ToolContext,
): Promise<boolean> {
  if ("answer" in check) return lastLine(messages) === check.answer.trim();
  if ("command" in check) {
    const { output, exitCode } = await toolContext.terminal(check.command, { timeoutMs: commandTimeoutMs });
    return (
      exitCode === check.exit_code && (check.output === undefined || output.trim() === check.output.trim())
    );
  }
  if ("tool" in check) {
    const { ok, content } = await toolContext.callTool(check.tool, check.arguments);
    return ok && holds(content, check);
  }
  const text = await readFile(check.file, toolContext);
  if (text === null) return false;
  return "text" in check ? text.trim() === check.text.trim() : holds(text, check);
}

/** What stands at a JSON pointer of the text is equal to what is expected; keys have no order. */
function holds(text: string, { at, equals }: { at: string; equals: unknown }): boolean {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return false;
  }
  for (const step of at.split("/").slice(1)) {
    const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return false;
    value = Object.entries(value).find(([name]) => name === key)?.[1];
  }
  return isDeepStrictEqual(value, equals);
}

/** Without the marks that models like to put around an answer. */
function lastLine(messages: AgentResult["messages"]): string {
  const said = messages.at(-1);
  const text = said?.role === "assistant" ? stripThinking(said.content ?? "") : "";
  const lines = text.trim().split("\n");
  return (lines.at(-1) ?? "").trim().replace(/^[*`"'\s]+|[*`"'\s.]+$/g, "");
}

async function readFile(path: string, toolContext: ToolContext): Promise<string | null> {
  try {
    return await toolContext.readText(path, { maxBytes: largestFileBytes });
  } catch (error) {
    if (error instanceof LachesisError && error.code.startsWith("SANDBOX_FILE_")) return null;
    throw error;
  }
}
