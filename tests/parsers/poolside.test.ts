import { describe, expect, test } from "vitest";
import { poolsideV1Parser } from "../../parsers/poolside.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";
import { tool, typedArguments, typedTools } from "../support/typed-arguments.ts";

const tools = [tool("f", { n: { type: "integer" }, s: { type: "string" }, u: { type: ["string", "null"] } })];
const argument = (key: string, value: string) =>
  `<arg_key>${key}</arg_key>\n<arg_value>${value}</arg_value>\n`;
const call = (body: string, name = "f") => `<tool_call>${name}\n${body}</tool_call>`;
const one = ["f", '{"n": 1}'];

describe("poolside_v1 as vLLM reads it", () => {
  test.each([
    ["one call", call(argument("n", "1")), null, [one]],
    ["text before is verbatim, the end is lost", ` a\n${call(argument("n", "1"))} b`, " a\n", [one]],
    ["whitespace before is none", `\n${call(argument("n", "1"))}`, null, [one]],
    ["several calls", `${call(argument("n", "1"))}x${call(argument("n", "1"))}`, null, [one, one]],
    ["no arguments", "<tool_call>f</tool_call>", null, [["f", "{}"]]],
    ["a missing end: nothing is a call", "a <tool_call>f\n", "a <tool_call>f\n", []],
    ["a declared string is verbatim", call(argument("s", " 1\n")), null, [["f", '{"s": " 1\\n"}']]],
    ["a union is not: JSON is read", call(argument("u", " 1 ")), null, [["f", '{"u": 1}']]],
    ["unknown keys too", call(argument("z", "1")), null, [["f", '{"z": 1}']]],
    ["and unknown tools", call(argument("z", "[1, 2.50]"), "g"), null, [["g", '{"z": [1, 2.5]}']]],
    [
      "Python literals",
      call(argument("z", "{'a': (1, None, True)}")),
      null,
      [["f", '{"z": {"a": [1, null, true]}}']],
    ],
    ["None is null", call(argument("z", "None")), null, [["f", '{"z": null}']]],
    ["else text, stripped", call(argument("z", " a b ")), null, [["f", '{"z": "a b"}']]],
    ["a block without a name is skipped", "a <tool_call></tool_call>", "a <tool_call></tool_call>", []],
    ["a name over two lines", "<tool_call>f\ng</tool_call>", "<tool_call>f\ng</tool_call>", []],
    ["a start tag before the call's", "<tool_call>what? <tool_call>f</tool_call>", null, [["f", "{}"]]],
    ["a cut value is dropped", call("<arg_key>s</arg_key><arg_value>ab"), null, [["f", "{}"]]],
    ["no call", "hi", "hi", []],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(poolsideV1Parser.parse(text, { tools }))).toEqual({ content, calls });
  });
});

test("poolside_v1, strict, keeps good calls and all text", () => {
  const text = `a ${call(argument("z", "1"))} b <tool_call>f\n<arg_key>s</arg_key><arg_value>ab`;
  const parsed = poolsideV1Parser.parse(text, { tools, mode: "strict" });
  expect(summary(parsed)).toEqual({
    content: "a  b <tool_call>f\n<arg_key>s</arg_key><arg_value>ab",
    calls: [["f", '{"z": 1}']],
  });
  expect(parsed.errors).toHaveLength(1);
});

const fragments = ["<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"];
describeParserContract({
  parser: poolsideV1Parser,
  fragments,
  worstCases: ["<", "<tool_call>", "<tool_call>f<arg_key>", "<tool_call>a\nb", "<arg_key>a</arg_key>", " "],
  carries: {
    arguments: typedArguments(fragments, {
      carries: (text) => !/<\/arg_value>|<\/tool_call>|think>/.test(text),
    }),
    tools: typedTools,
  },
});
