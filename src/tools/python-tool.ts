/** The `python` tool: a REPL in the rollout's sandbox. */
import { z } from "zod";
import type { ResourceKey, RolloutContext } from "../contracts/rollout-context.ts";
import type { Tool } from "../contracts/tool.ts";
import { defineTool } from "./define-tool.ts";
import { type PythonHome, sandboxHome } from "./python-home.ts";
import { PythonSession } from "./python-session.ts";
import { timeoutMs, timeoutParameter } from "./tool-timeout.ts";

type SessionKey = ResourceKey<PythonSession>;

/** One for all tools that take it: a rollout has one session in its own sandbox, whoever asks. */
const ownSession = sessionKey(async (context) => sandboxHome(await context.sandbox()));

export type PythonToolOptions = {
  /** Where a rollout's Python runs. Default: in the rollout's own sandbox. */
  home?: (context: RolloutContext) => Promise<PythonHome>;
};

export function pythonTool({ home }: PythonToolOptions = {}): Tool {
  const pythonSession = home === undefined ? ownSession : sessionKey(home);
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

function sessionKey(home: (context: RolloutContext) => Promise<PythonHome>): SessionKey {
  return { name: "python", create: async (context) => new PythonSession(await home(context)) };
}
