/** The `process` tool: what the model can do with the commands that `terminal` started in the background. */
import { z } from "zod";
import type { RolloutContext } from "../contracts/rollout-context.ts";
import type { Tool } from "../contracts/tool.ts";
import type { BackgroundProcess } from "./background-process.ts";
import { capMiddle, headOf, tailOf } from "./cap-text.ts";
import { defineTool, type ToolOutput } from "./define-tool.ts";
import { type ProcessTable, processTableKey } from "./process-table.ts";
import { inSeconds } from "./tool-timeout.ts";

const previewChars = 1_000;
const waitTailChars = 2_000;
const logChars = 50_000;
const listPreviewChars = 200;

const parameters = z.strictObject({
  action: z
    .enum(["list", "poll", "log", "wait", "kill", "write", "submit", "close"])
    .describe(
      "list: all of them. poll: state and last output. log: output by lines. wait: until it ends. kill: end it. " +
        "write: send data to its input. submit: the same and Enter. close: end its input.",
    ),
  session_id: z.string().optional().describe("What terminal gave; every action but list needs it."),
  data: z.string().max(1_000_000).optional().describe("Text for write and submit."),
  timeout: z
    .int()
    .min(1)
    .optional()
    .describe("wait: seconds to wait at most; never longer than the time limit of commands."),
  offset: z
    .int()
    .min(0)
    .optional()
    .describe("log: lines to skip from the start. Leave out for the last lines."),
  limit: z.int().min(1).max(2000).default(200).describe("log: lines to show at most."),
});

type Arguments = z.output<typeof parameters>;

export function processTool(): Tool {
  return defineTool({
    name: "process",
    description:
      "Look at, wait for, talk to and end the commands that terminal started with background=true. They end with " +
      "the task at the latest. The last 200 KB of each one's output (stdout and stderr together) are kept.",
    toolset: "terminal",
    parameters,
    async run(args, context) {
      const table = await context.resource(processTableKey);
      if (args.action === "list") return { processes: table.list().map(listed) };
      const process = table.get(args.session_id ?? "");
      return process === undefined ? notFound(args.session_id, table) : act(process, args, context);
    },
  });
}

function act(
  process: BackgroundProcess,
  { action, data, timeout, offset, limit }: Arguments,
  context: RolloutContext,
): ToolOutput | Promise<ToolOutput> {
  switch (action) {
    case "list":
    case "poll":
      return { ...state(process), output: tailOf(process.output(), previewChars) };
    case "log":
      return log(process, offset, limit);
    case "wait":
      return wait(process, timeout, context);
    case "kill":
      return kill(process);
    case "write":
    case "submit":
      return write(process, action, data);
    case "close":
      if (process.exitCode !== null) return ended(process, "it has no input any more");
      process.closeInput();
      return { status: "ok", session_id: process.sessionId };
    default:
      return action satisfies never;
  }
}

function state(process: BackgroundProcess) {
  const { sessionId, command, pid, uptimeSeconds, exitCode } = process;
  return {
    session_id: sessionId,
    command: headOf(command, previewChars),
    pid,
    status: exitCode === null ? "running" : "exited",
    uptime_seconds: uptimeSeconds,
    ...(exitCode !== null && { exit_code: exitCode }),
  };
}

function listed(process: BackgroundProcess) {
  return {
    ...state(process),
    cwd: process.cwd,
    started_at: new Date(process.startedAtMs).toISOString(),
    output_preview: tailOf(process.output(), listPreviewChars),
  };
}

function log(process: BackgroundProcess, offset: number | undefined, limit: number): ToolOutput {
  const text = process.output();
  const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
  const from = offset ?? Math.max(0, lines.length - limit);
  const shown = lines.slice(from, from + limit);
  const first = Math.min(from + 1, lines.length);
  return {
    session_id: process.sessionId,
    status: process.exitCode === null ? "running" : "exited",
    output: capMiddle(shown.join("\n"), logChars),
    total_lines: lines.length,
    showing: shown.length === 0 ? "no lines" : `lines ${first}-${from + shown.length} of ${lines.length}`,
    ...(process.droppedBytes > 0 && {
      note: `Only the end is kept: ${process.droppedBytes} bytes before it are gone.`,
    }),
  };
}

async function wait(
  process: BackgroundProcess,
  timeout: number | undefined,
  { limits, signal }: RolloutContext,
): Promise<ToolOutput> {
  const askedMs = timeout === undefined ? limits.toolTimeoutMs : timeout * 1000;
  const waitMs = Math.min(askedMs, limits.toolTimeoutMs);
  const hasEnded = await process.wait(waitMs, signal);
  const output = tailOf(process.output(), waitTailChars);
  if (hasEnded) return { status: "exited", exit_code: process.exitCode, output };
  const clamped = waitMs < askedMs ? ` (the longest wait here; ${inSeconds(askedMs)} were asked for)` : "";
  return {
    status: "timeout",
    output,
    timeout_note: `It still runs after ${inSeconds(waitMs)}${clamped}. Wait again, poll it or kill it.`,
  };
}

async function kill(process: BackgroundProcess): Promise<ToolOutput> {
  if (process.exitCode !== null) {
    return { status: "already_exited", session_id: process.sessionId, exit_code: process.exitCode };
  }
  await process.kill();
  return { status: "killed", session_id: process.sessionId, exit_code: process.exitCode };
}

function write(process: BackgroundProcess, action: "write" | "submit", data: string | undefined): ToolOutput {
  if (process.exitCode !== null) return ended(process, "nothing can be written to it");
  if (data === undefined && action === "write") {
    return { status: "error", error: 'write needs data: the text to send. For Enter alone, use "submit".' };
  }
  const text = action === "submit" ? `${data ?? ""}\n` : (data ?? "");
  if (process.write(text)) {
    return { status: "ok", session_id: process.sessionId, bytes_written: Buffer.byteLength(text) };
  }
  return {
    status: "error",
    error: `${process.sessionId} does not read its input: more than 1 MiB waits. Poll it to see what it does.`,
  };
}

function ended({ sessionId, exitCode }: BackgroundProcess, consequence: string): ToolOutput {
  return {
    status: "already_exited",
    exit_code: exitCode,
    error: `${sessionId} has ended with exit code ${exitCode}: ${consequence}.`,
  };
}

function notFound(sessionId: string | undefined, table: ProcessTable): ToolOutput {
  const known = table.list().map((process) => process.sessionId);
  const fix =
    known.length === 0
      ? "None has been started: call terminal with background=true first."
      : `Use one of: ${known.join(", ")}.`;
  return {
    status: "not_found",
    error:
      sessionId === undefined
        ? `This action needs a session_id. ${fix}`
        : `There is no process ${headOf(sessionId, 100)}. ${fix}`,
  };
}
