/**
 * `environment parse`: what a parser makes of a model's raw output, with the calls coloured where they stand, and
 * `environment parsers`: which parsers there are.
 */
import { readFile } from "node:fs/promises";
import { text as readAll } from "node:stream/consumers";
import { Command, Option } from "commander";
import { z } from "zod";
import { createCompletionParser } from "../../parsers/completion-parser.ts";
import { detectParsers } from "../../parsers/detect-parsers.ts";
import { getParser, parsers } from "../../parsers/index.ts";
import { getReasoningParser, reasoningParserNames } from "../../parsers/reasoning.ts";
import type { ToolSchema } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { ParsedCompletion, ParseMode } from "../contracts/tool-call-parser.ts";
import type { CliIo } from "./cli-io.ts";
import { makeColors } from "./colors.ts";
import { showCompletion, visible } from "./show-completion.ts";
import { padText } from "./text-width.ts";

type ParseFlags = {
  parser: string;
  reasoningParser?: string;
  mode: ParseMode;
  tools?: string;
  model?: string;
  chatTemplate?: string;
  thinking: boolean;
  json?: boolean;
};

export type ParseCommandOptions = {
  io: CliIo;
  /** What is read where no file is named. */
  stdin?: AsyncIterable<Uint8Array> & { readonly isTTY?: boolean };
};

/** `environment parse [file]`, to be mounted. */
export function parseCommand({ io, stdin = process.stdin }: ParseCommandOptions): Command {
  return subcommand("parse", io)
    .description("Show what a parser makes of a model's raw output (special tokens kept).")
    .argument("[file]", "text of one completion; without it or with - standard input is read")
    .option("--parser <name>", "tool-call parser, or auto (with --model or --chat-template)", "hermes")
    .option("--reasoning-parser <name>", "reasoning parser that runs first, or auto")
    .addOption(
      new Option("--mode <mode>", "as vLLM reads it, losses included, or strict, where nothing is lost")
        .choices(["vllm", "strict"])
        .default("vllm"),
    )
    .option("--tools <file>", "JSON list of the tools in OpenAI's form; some formats take types from them")
    .option("--model <name>", "model's name, for auto")
    .option("--chat-template <file>", "model's chat template, for auto")
    .option("--no-thinking", "the template switched thinking off")
    .option("--json", "print the result as JSON")
    .action(async (file: string | undefined, flags: ParseFlags) => {
      const { toolCallParser, reasoningParser, why } = await chooseParsers(flags);
      if (why !== undefined) io.stderr.write(`${why}\n`);
      const tools = flags.tools === undefined ? [] : await readTools(flags.tools);
      const text = await readText(file, io, stdin);
      const parser = createCompletionParser({
        toolCallParser: getParser(toolCallParser),
        reasoningParser: reasoningParser === undefined ? null : getReasoningParser(reasoningParser),
        ...(flags.thinking ? {} : { thinking: false }),
      });
      const parsed = parser.parse(text, { mode: flags.mode, tools });
      io.stdout.write(flags.json ? `${JSON.stringify(parsed, undefined, 2)}\n` : show(text, parsed, io));
    });
}

/** `environment parsers`, to be mounted. */
export function parsersCommand(io: CliIo): Command {
  return subcommand("parsers", io)
    .description("List the tool-call and reasoning parsers, their models and what they read.")
    .action(() => {
      const colors = makeColors(io.environment.allowsColor && io.stdout.isTTY === true);
      const width = Math.max(...parsers.map(({ name }) => name.length)) + 2;
      const margin = " ".repeat(width);
      for (const parser of parsers) {
        const also = parser.aliases.length > 0 ? `${colors.dim("also")} ${parser.aliases.join(", ")}` : "";
        io.stdout.write(`${colors.bold(padText(parser.name, width))}${parser.models}\n`);
        if (also !== "") io.stdout.write(`${margin}${also}\n`);
        const example = parser.format({
          toolCalls: [{ name: "get_weather", arguments: '{"city": "Paris"}' }],
        });
        for (const line of example.split("\n")) io.stdout.write(`${margin}${colors.cyan(visible(line))}\n`);
        for (const limit of parser.limits)
          io.stdout.write(`${margin}${colors.dim(`cannot be written: ${limit}`)}\n`);
      }
      io.stdout.write(`\n${colors.bold("reasoning")}: ${reasoningParserNames.join(", ")}\n`);
    });
}

function subcommand(name: string, io: CliIo): Command {
  return new Command(name).exitOverride().configureOutput({
    writeOut: (text) => void io.stdout.write(text),
    writeErr: (text) => void io.stderr.write(text),
    getOutHelpWidth: () => io.stdout.columns ?? 80,
    getErrHelpWidth: () => io.stderr.columns ?? 80,
  });
}

function show(text: string, parsed: ParsedCompletion, io: CliIo): string {
  return showCompletion(text, parsed, makeColors(io.environment.allowsColor && io.stdout.isTTY === true));
}

type Choice = { toolCallParser: string; reasoningParser: string | undefined; why?: string };

async function chooseParsers(flags: ParseFlags): Promise<Choice> {
  const { parser, reasoningParser, model, chatTemplate } = flags;
  if (parser !== "auto" && reasoningParser !== "auto") return { toolCallParser: parser, reasoningParser };
  if (model === undefined && chatTemplate === undefined) {
    throw new LachesisError("USAGE_INVALID", "parse: auto needs --model or --chat-template to go by.", {
      hint: "Name the parser, or say what model the text is of.",
    });
  }
  const template = chatTemplate === undefined ? null : await readFileText(chatTemplate);
  const found = detectParsers({ chatTemplate: template, modelName: model ?? null });
  if (parser === "auto" && found.toolCallParser === null) {
    throw new LachesisError("PARSER_UNKNOWN", `parse: no parser was recognized. ${found.why}`, {
      hint: "Name one of those that `environment parsers` lists.",
    });
  }
  return {
    toolCallParser: parser === "auto" ? (found.toolCallParser ?? parser) : parser,
    reasoningParser:
      reasoningParser === "auto" || (parser === "auto" && reasoningParser === undefined)
        ? (found.reasoningParser ?? undefined)
        : reasoningParser,
    why: found.why,
  };
}

async function readText(
  file: string | undefined,
  io: CliIo,
  stdin: NonNullable<ParseCommandOptions["stdin"]>,
): Promise<string> {
  if (file !== undefined && file !== "-") return readFileText(file);
  if (stdin.isTTY) io.stderr.write("Reading a completion from standard input; end it with Ctrl-D.\n");
  return readAll(stdin);
}

async function readFileText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new LachesisError("USAGE_INVALID", `parse: ${path} cannot be read: ${cause}`, { cause: error });
  }
}

const toolFunction = z.object({
  name: z.string(),
  description: z.string().default(""),
  parameters: z.record(z.string(), z.json()).default({}),
});
const toolList = z.array(
  z.object({ type: z.literal("function").default("function"), function: toolFunction }),
);

async function readTools(path: string): Promise<ToolSchema[]> {
  const text = await readFileText(path);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new LachesisError("USAGE_INVALID", `parse: --tools ${path} is no JSON.`, { cause: error });
  }
  const tools = toolList.safeParse(json);
  if (tools.success) return tools.data;
  throw new LachesisError("USAGE_INVALID", `parse: --tools ${path}: ${z.prettifyError(tools.error)}`, {
    hint: 'Write the list that a request has: [{"type": "function", "function": {"name": …, "parameters": {…}}}].',
  });
}
