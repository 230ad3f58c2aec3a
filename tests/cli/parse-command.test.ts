import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { getParser, parserNames, parsers } from "../../parsers/index.ts";
import { makeColors } from "../../src/cli/colors.ts";
import { exitCodeOf } from "../../src/cli/exit-codes.ts";
import { parseCommand, parsersCommand } from "../../src/cli/parse-command.ts";
import { parsersTable, parsersTableMarks } from "../../src/cli/parsers-table.ts";
import { showCompletion } from "../../src/cli/show-completion.ts";
import { LachesisError } from "../../src/contracts/errors.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";
import { memoryIo } from "./memory-io.ts";

const text = 'Sure.\n<tool_call>\n{"name": "f", "arguments": {"a": 1.0}}\n</tool_call>';

async function parse(args: readonly string[], stdin = text) {
  const io = memoryIo();
  const command = parseCommand({ io, stdin: Readable.from([Buffer.from(stdin)]) });
  await command.parseAsync(args, { from: "user" });
  return io.read();
}

describe("environment parse", () => {
  test("shows content, calls and their places", async () => {
    const { stdout } = await parse([]);
    expect(stdout).toContain("content    Sure.");
    expect(stdout).toContain('call 1     f {"a": 1.0}  ');
    expect(stdout).toContain(`[6, ${text.length}) call_`);
  });

  test("reads a file, with tools, and prints JSON", async () => {
    await using directory = await TemporaryDirectory.make();
    const file = join(directory.path, "completion.txt");
    const tools = join(directory.path, "tools.json");
    await writeFile(
      file,
      "<tool_call>\n<function=f>\n<parameter=a>\n5\n</parameter>\n</function>\n</tool_call>",
    );
    const parameters = { type: "object", properties: { a: { type: "integer" } } };
    await writeFile(tools, JSON.stringify([{ type: "function", function: { name: "f", parameters } }]));
    const { stdout } = await parse([file, "--parser", "qwen3_coder", "--tools", tools, "--json"]);
    expect(JSON.parse(stdout).toolCalls).toMatchObject([{ name: "f", arguments: '{"a": 5}' }]);
  });

  test("auto says which parsers it took, and why", async () => {
    const { stdout, stderr } = await parse(
      ["--parser", "auto", "--model", "Qwen/Qwen3-8B"],
      `hm</think>${text}`,
    );
    expect(stderr).toBe(
      'hermes, because the model is called "Qwen/Qwen3-8B"; its thinking is read by qwen3.\n',
    );
    expect(stdout).toContain("reasoning  hm");
  });

  test.each([
    [["--parser", "hermess"], /Did you mean "hermes"\?/],
    [["--reasoning-parser", "qwen33"], /Did you mean "qwen3"\?/],
    [["--parser", "auto"], /auto needs --model or --chat-template/],
    [["--parser", "auto", "--model", "x"], /no parser was recognized/],
    [["--mode", "loose"], /Allowed choices are vllm, strict/],
    [["/nowhere/completion.txt"], /cannot be read/],
    [["--tools", "/nowhere/tools.json"], /cannot be read/],
  ])("%j is refused with what to do", async (args, message) => {
    const refused: unknown = await parse(args).catch((error: unknown) => error);
    const hint = refused instanceof LachesisError ? refused.hint : "";
    expect(`${refused} ${hint}`).toMatch(message);
    expect(exitCodeOf(refused)).toBe(2);
  });
});

test("spans are coloured, and a model's text cannot steer the terminal", () => {
  const hostile = `\u001b[2J${text}\n<tool_call>\u0007</tool_call>`;
  const shown = showCompletion(
    hostile,
    getParser("hermes").parse(hostile, { mode: "strict" }),
    makeColors(true),
  );
  expect(shown).toContain('\u001b[32m<tool_call>\n{"name": "f"');
  expect(shown).toContain("\u001b[31m<tool_call>\u2407</tool_call>\u001b[39m");
  expect(shown).not.toContain("\u001b[2J");
});

test("environment parsers lists every parser with its example", async () => {
  const io = memoryIo();
  await parsersCommand(io).parseAsync(["node", "parsers"]);
  const { stdout } = io.read();
  for (const { name } of parsers)
    expect(stdout).toContain(`\n${name} `.slice(name === parsers[0]?.name ? 1 : 0));
  expect(stdout).toContain("<tool_call>");
  expect(stdout).toContain("deepseek_r1");
});

test("docs/parsers.md has the parsers' own tables", async () => {
  const page = await readFile(new URL("../../docs/parsers.md", import.meta.url), "utf8");
  expect(parsersTableMarks.exec(page)?.[0]).toContain(parsersTable());
});

test("no two parsers share a name", () => {
  const names = parsers.flatMap(({ name, aliases }) => [name, ...aliases]);
  expect(names.toSorted()).toEqual(parserNames);
});
