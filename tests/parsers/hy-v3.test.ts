import { describe, expect, test } from "vitest";
import { hyV3Parser } from "../../parsers/hy-v3.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";
import { tool, typedArguments, typedTools } from "../support/typed-arguments.ts";

const tools = [
  tool("f", {
    n: { type: "integer" },
    x: { type: "number" },
    b: { type: "boolean" },
    s: { type: "string" },
    o: { type: "object" },
    u: { anyOf: [{ type: "integer" }, { type: "string" }] },
    t: { type: "string", anyOf: [{ type: "integer" }] },
    z: { type: "null" },
  }),
];
const argument = (key: string, value: string) =>
  `<arg_key>${key}</arg_key>\n<arg_value>${value}</arg_value>\n`;
const call = (body: string, name = "f") => `<tool_call>${name}<tool_sep>\n${body}</tool_call>`;
const block = (body: string) => `<tool_calls>${body}</tool_calls>`;
const one = ["f", '{"n": 1}'];

describe("hy_v3 as vLLM reads it", () => {
  test.each([
    ["one call", block(call(argument("n", "1"))), null, [one]],
    ["several calls", block(call(argument("n", "1")) + call("")), null, [one, ["f", "{}"]]],
    ["text before is verbatim, the end is lost", ` a\n${block(call(argument("n", "1")))} b`, " a\n", [one]],
    ["no block: no calls", call(""), call(""), []],
    ["an empty block", `a${block("")}`, "a", []],
    [
      "the last call may lack its end",
      `<tool_calls>${call(argument("n", "1"))}<tool_call>f<tool_sep>${argument("n", "1")}<arg_key>`,
      null,
      [one, one],
    ],
    ["the only one too", `<tool_calls><tool_call>f<tool_sep>${argument("n", "1")}`, null, [one]],
    ["without a separator it is none", "<tool_calls><tool_call>f</tool_call></tool_calls>", null, []],
    ["tags with a suffix", block(call(argument("n", "1"))).replaceAll(">", ":opensource>"), null, [one]],
    ["a number with a dot is a float", block(call(argument("x", "5.0"))), null, [["f", '{"x": 5.0}']]],
    ["one without is an integer", block(call(argument("x", "5"))), null, [["f", '{"x": 5}']]],
    ["booleans", block(call(argument("b", "True"))), null, [["f", '{"b": true}']]],
    ["what is no boolean is guessed", block(call(argument("b", "1"))), null, [["f", '{"b": 1}']]],
    ["strings are verbatim", block(call(argument("s", " 1 "))), null, [["f", '{"s": " 1 "}']]],
    ["objects", block(call(argument("o", '{"a":1}'))), null, [["f", '{"o": {"a": 1}}']]],
    ["Python's objects too", block(call(argument("o", "{'a': 1}"))), null, [["f", '{"o": {"a": 1}}']]],
    ["unions", block(call(argument("u", "12") + argument("u", "ab"))), null, [["f", '{"u": "ab"}']]],
    ["a type goes before anyOf", block(call(argument("t", "12"))), null, [["f", '{"t": "12"}']]],
    ["null alone is guessed", block(call(argument("z", "null"))), null, [["f", '{"z": null}']]],
    ["unknown keys are strings", block(call(argument("q", "1"))), null, [["f", '{"q": "1"}']]],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(hyV3Parser.parse(text, { tools }))).toEqual({ content, calls });
  });
});

test("hy_v3, strict, keeps good calls and all text", () => {
  const cut = "<tool_call>f<tool_sep><arg_key>s</arg_key><arg_value>ab";
  const parsed = hyV3Parser.parse(`a ${block(`why ${call(argument("n", "1"))}`)} b ${cut}`, {
    tools,
    mode: "strict",
  });
  expect(summary(parsed)).toEqual({ content: `a why  b ${cut}`, calls: [one] });
  expect(parsed.errors.map(({ reason }) => reason)).toEqual([
    'The call of "f": the value of "s" has no </arg_value>.',
  ]);
});

const markup = ["<tool_calls>", "</tool_calls>"];
const fragments = [
  ...markup,
  "<tool_call>",
  "</tool_call>",
  "<tool_sep>",
  "<arg_key>",
  "</arg_key>",
  "<arg_value>",
  "</arg_value>",
];
describeParserContract({
  parser: hyV3Parser,
  fragments,
  worstCases: [
    "<",
    "<tool_calls>",
    "<tool_call>",
    "<tool_calls><tool_call>f<tool_sep>",
    "<arg_key>a</arg_key>",
    "<tool_calls><tool_call>f<tool_sep></tool_call>",
  ],
  markup,
  carries: {
    arguments: typedArguments(fragments, {
      carries: (text) => !/<\/arg_value>|<\/tool_call>|think>/.test(text),
    }),
    tools: typedTools,
  },
});
