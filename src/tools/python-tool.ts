/** The `python` tool: a REPL in the rollout's sandbox. */
import { z } from "zod";
import type { ResourceKey } from "../contracts/rollout-context.ts";
import type { Tool } from "../contracts/tool.ts";
import { defineTool } from "./define-tool.ts";
import { PythonSession } from "./python-session.ts";
import { timeoutMs, timeoutParameter } from "./tool-timeout.ts";

const pythonSession: ResourceKey<PythonSession> = {
  name: "python",
  create: async (context) => new PythonSession(await context.sandbox()),
};

export function pythonTool(): Tool {
  return defineTool({
    name: "python",
    description:
      "Run Python code in a session whose variables, imports and functions stay for the next call. Returns " +
      "what the code prints and the value of its last expression, or the traceback.",
    toolset: "python",
    parameters: z.strictObject({
      code: z.string().describe("Python source, one line or many."),
      timeout: timeoutParameter,
    }),
    async run({ code, timeout }, context) {
      const session = await context.resource(pythonSession);
      const { status, output, value, error, note } = await session.run(code, {
        timeoutMs: timeoutMs(timeout, context),
        signal: context.signal,
      });
      return {
        status,
        output,
        ...(value !== null && { result: value }),
        ...(error !== null && { error }),
        ...(note !== null && { note }),
      };
    },
  });
}
