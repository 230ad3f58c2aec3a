/** The `terminal` tool: bash in the rollout's sandbox, in the foreground or beside it. */
import { z } from "zod";
import type { RolloutContext } from "../contracts/rollout-context.ts";
import type { Tool } from "../contracts/tool.ts";
import { defineTool, type ToolOutput } from "./define-tool.ts";
import { pathParameter } from "./path-parameter.ts";
import { mostRunning, processTableKey } from "./process-table.ts";
import { shellKey } from "./shell-key.ts";
import { inSeconds, timeoutMs, timeoutParameter } from "./tool-timeout.ts";

/** A background command travels in the environment, where the kernel takes 128 KiB a variable. */
const longestBackgroundBytes = 100_000;

const parameters = z.strictObject({
  command: z.string().min(1).describe("The command, or several lines of bash."),
  timeout: timeoutParameter,
  workdir: pathParameter("Directory to run this one command in.").optional(),
  background: z
    .boolean()
    .default(false)
    .describe(
      "Start it and return at once, for servers and long jobs: the process tool shows its output, waits for it, " +
        "writes to it and ends it. It has no time limit.",
    ),
  pty: z
    .boolean()
    .default(false)
    .describe("Give a background command a terminal of its own, as interactive programs want."),
});

export function terminalTool(): Tool {
  return defineTool({
    name: "terminal",
    description:
      "Run a bash command in the sandbox. The working directory, exported variables and functions stay for " +
      "the next command. There is no terminal to type into: commands must not ask for input. Returns the " +
      "output (stdout and stderr together) and the exit code.",
    toolset: "terminal",
    parameters,
    run: (args, context) => (args.background ? runBeside(args, context) : runInFront(args, context)),
  });
}

type Arguments = z.output<typeof parameters>;

async function runInFront(
  { command, timeout, workdir, pty }: Arguments,
  context: RolloutContext,
): Promise<ToolOutput> {
  if (pty) {
    return failure("A command with a terminal of its own runs beside: call again with background=true.");
  }
  const limitMs = timeoutMs(timeout, context);
  const shell = await context.resource(shellKey);
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
}

async function runBeside({ command, workdir, pty }: Arguments, context: RolloutContext): Promise<ToolOutput> {
  if (Buffer.byteLength(command) > longestBackgroundBytes || command.includes("\0")) {
    return failure(
      "A background command may have 100,000 bytes and no NUL: write it to a script and run that.",
    );
  }
  const shell = await context.resource(shellKey);
  const table = await context.resource(processTableKey);
  const { signal } = context;
  const started = await table.start(command, () => shell.spawn(command, { signal, workdir, pty }));
  if (started === null) {
    return failure(
      `${mostRunning} background processes run already: end one with the process tool (kill), or wait for one.`,
    );
  }
  return {
    output: `Started in the background as ${started.sessionId}.`,
    session_id: started.sessionId,
    pid: started.pid,
    exit_code: 0,
    error: null,
  };
}

function failure(error: string): ToolOutput {
  return { output: "", exit_code: -1, error };
}
