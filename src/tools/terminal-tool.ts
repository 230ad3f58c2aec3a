/** The `terminal` tool: bash in the rollout's sandbox. */
import { z } from "zod";
import type { ResourceKey } from "../contracts/rollout-context.ts";
import type { Tool } from "../contracts/tool.ts";
import { defineTool } from "./define-tool.ts";
import { pathParameter } from "./path-parameter.ts";
import { ShellSession } from "./shell-session.ts";
import { inSeconds, timeoutMs, timeoutParameter } from "./tool-timeout.ts";

const shellSession: ResourceKey<ShellSession> = {
  name: "shell",
  create: async (context) => new ShellSession(await context.sandbox()),
};

export function terminalTool(): Tool {
  return defineTool({
    name: "terminal",
    description:
      "Run a bash command in the sandbox. The working directory, exported variables and functions stay for " +
      "the next command. There is no terminal to type into: commands must not ask for input. Returns the " +
      "output (stdout and stderr together) and the exit code.",
    toolset: "terminal",
    parameters: z.strictObject({
      command: z.string().min(1).describe("The command, or several lines of bash."),
      timeout: timeoutParameter,
      workdir: pathParameter("Directory to run this one command in.").optional(),
    }),
    async run({ command, timeout, workdir }, context) {
      const limitMs = timeoutMs(timeout, context);
      const shell = await context.resource(shellSession);
      const result = await shell.run(command, { timeoutMs: limitMs, signal: context.signal, workdir });
      return {
        output: result.output,
        exit_code: result.exitCode,
        error: result.timedOut
          ? `The command was stopped after ${inSeconds(limitMs)}. Its changes of directory and variables are lost.`
          : null,
        ...(!result.stateKept && {
          note: "Variables and functions were not kept: they exceed 120,000 bytes.",
        }),
      };
    },
  });
}
