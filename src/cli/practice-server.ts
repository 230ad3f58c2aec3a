/** `environment practice-server`: the practice server with the GSM8K teacher, until Ctrl-C. */
import { once } from "node:events";
import { Command, InvalidArgumentError, Option } from "commander";
import type { z } from "zod";
import { Gsm8kTeacher, readGsm8kProblems } from "../../environments/gsm8k-agent-teacher.ts";
import { bundledProblems } from "../../environments/gsm8k-bundled.ts";
import { LachesisError } from "../contracts/errors.ts";
import { type PracticeConfig, practiceConfig } from "../practice/practice-config.ts";
import { startPracticeServer } from "../practice/practice-server.ts";
import { type CliIo, processIo } from "./cli-io.ts";
import { parsePort } from "./flag-units.ts";
import { Shutdown } from "./shutdown.ts";

type PlainFlags = { dataset?: string[]; host: string; port: number; log?: string };

/** The subcommand, to be mounted. It runs until SIGINT or SIGTERM and prints one line with its URL. */
export function practiceServerCommand(io: CliIo = processIo()): Command {
  const command = new Command("practice-server")
    .description("An inference server without a model: plays a teacher over OpenAI's chat API.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    })
    .option(
      "--dataset <path>",
      "JSONL or parquet file of GSM8K rows (question, answer); may be repeated (default: the problems that ship)",
      (path: string, earlier: string[] | undefined) => [...(earlier ?? []), path],
    )
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <number>", "port to listen on; 0 takes any free one", parsePort, 9001)
    .option("--log <file>", "JSONL file that gets each request and its answer; an existing one is replaced");
  for (const flag of configFlags()) command.addOption(flag);
  return command.action(async (flags: PlainFlags & Record<string, unknown>) => {
    const { dataset = Object.values(bundledProblems), host, port, log } = flags;
    await servePractice({ dataset, host, port, log, config: readConfig(flags), io });
  });
}

type ServeOptions = {
  dataset: readonly string[];
  host: string;
  port: number;
  log: string | undefined;
  config: PracticeConfig;
  io: CliIo;
};

async function servePractice({ dataset, host, port, log, config, io }: ServeOptions): Promise<void> {
  using shutdown = new Shutdown({ onStage: () => undefined });
  const { problems, skippedRows } = await readGsm8kProblems(dataset, { signal: shutdown.stopping });
  if (skippedRows > 0)
    io.stderr.write(`Left out ${skippedRows} rows without a question or a final answer.\n`);
  const teacher = new Gsm8kTeacher(problems);
  await using server = await startPracticeServer({
    teacher,
    config,
    host,
    port,
    ...(log && { logPath: log }),
  });
  io.stdout.write(`Practice server ready: ${server.url} (${problems.length} problems)\n`);
  // A server that stops at the first Ctrl-C has nothing to tell between the first and the second.
  if (!shutdown.stopping.aborted) await once(shutdown.stopping, "abort");
}

const flagOf = (key: string): string => `--${key.replaceAll("_", "-")}`;

/** commander's name for the value of `--error-rate` is errorRate. */
const attributeOf = (key: string): string => new Option(`${flagOf(key)} <value>`).attributeName();

function configFlags(): Option[] {
  const defaults: Record<string, unknown> = practiceConfig.parse({});
  return Object.entries(practiceConfig.shape).map(([key, schema]: [string, z.ZodType]) => {
    const isText = typeof defaults[key] === "string";
    const option = new Option(`${flagOf(key)} <${isText ? "text" : "number"}>`, schema.description);
    option.default(defaults[key]);
    return isText ? option : option.argParser(parseNumber);
  });
}

function readConfig(flags: Record<string, unknown>): PracticeConfig {
  const keys = Object.keys(practiceConfig.shape);
  const parsed = practiceConfig.safeParse(
    Object.fromEntries(keys.map((key) => [key, flags[attributeOf(key)]])),
  );
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${flagOf(path.join("."))}: ${message}`);
  throw new LachesisError("USAGE_INVALID", problems.join("; "));
}

function parseNumber(text: string): number {
  const number = Number(text);
  if (text.trim() === "" || Number.isNaN(number)) throw new InvalidArgumentError("Expected a number.");
  return number;
}
