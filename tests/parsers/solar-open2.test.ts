import { describe, expect, test } from "vitest";
import { solarOpen2Parser } from "../../parsers/solar-open2.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";
import { tool, typedArguments, typedTools } from "../support/typed-arguments.ts";

const tools = [tool("f", { n: { type: "integer" }, s: { type: "string" }, l: { type: "array" } })];
const argument = (key: string, value: string) =>
  `<|tool_arg:start|>${key}<|tool_arg:value|>${value}<|tool_arg:end|>\n`;
const open = (body: string, name = "f") => `<|tool_call:start|>${name}\n${body}`;
const call = (body: string, name = "f") => `${open(body, name)}<|tool_call:end|>`;
const one = ["f", '{"n": 1}'];

describe("solar_open2 as vLLM reads it", () => {
  test.each([
    ["one call", call(argument("n", "1")), null, [one]],
    ["text before is verbatim, the end is lost", ` a ${call(argument("n", "1"))} b`, " a ", [one]],
    ["whitespace before is none", `\n ${call(argument("n", "1"))}`, null, [one]],
    ["a call ends where the next starts", open(argument("n", "1")) + call(""), null, [one, ["f", "{}"]]],
    ["the last one needs an end", call(argument("n", "1")) + open(argument("n", "2")), null, [one]],
    ["nothing but an open call", `a ${open("")}`, `a ${open("")}`, []],
    [
      "a name without newline",
      "<|tool_call:start|>f<|tool_call:end|>",
      "<|tool_call:start|>f<|tool_call:end|>",
      [],
    ],
    [
      "content ends at the first start, call or none",
      `a<|tool_call:start|>f<|tool_call:end|>b${call("")}`,
      "a",
      [["f", "{}"]],
    ],
    ["values are verbatim", call(argument("s", " a\n")), null, [["f", '{"s": " a\\n"}']]],
    ["the first of two counts", call(argument("n", "1") + argument("n", "2")), null, [one]],
    [
      "a value ends at the next argument",
      call("<|tool_arg:start|>s<|tool_arg:value|>a<|tool_arg:start|>n<|tool_arg:value|>1"),
      null,
      [["f", '{"s": "a", "n": 1}']],
    ],
    ["a key without value is skipped", call(`<|tool_arg:start|>s${argument("n", "1")}`), null, [one]],
    ["an empty name", call("", ""), null, [["", "{}"]]],
    ["types by the schema", call(argument("l", "[1, 2.50]")), null, [["f", '{"l": [1, 2.5]}']]],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(solarOpen2Parser.parse(text, { tools }))).toEqual({ content, calls });
  });
});

test("solar_open2, strict, says what is wrong with the others", () => {
  const parsed = solarOpen2Parser.parse(`a ${call(argument("n", "1"))} b ${call("", "")} c ${open("")}`, {
    tools,
    mode: "strict",
  });
  expect(summary(parsed)).toEqual({ content: `a  b ${call("", "")} c ${open("").trim()}`, calls: [one] });
  expect(parsed.errors.map(({ reason }) => reason)).toEqual([
    "The tool call has no function name.",
    "The tool call has no <|tool_call:end|>.",
  ]);
});

const fragments = [
  "<|tool_call:start|>",
  "<|tool_call:end|>",
  "<|tool_arg:start|>",
  "<|tool_arg:value|>",
  "<|tool_arg:end|>",
  "f\n",
];
describeParserContract({
  parser: solarOpen2Parser,
  fragments,
  worstCases: [
    "<",
    "<|tool_call:start|>",
    "<|tool_call:start|>f\n",
    "<|tool_arg:start|>",
    "<|tool_call:start|>f<|tool_call:end|>",
    call(""),
  ],
  carries: {
    arguments: typedArguments(fragments, { carries: (text) => !/<\|tool_|think>/.test(text) }),
    tools: typedTools,
  },
});
