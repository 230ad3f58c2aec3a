import { describe, expect, test } from "vitest";
import { step3Parser } from "../../parsers/step3.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";
import { tool, typedArguments, typedTools } from "../support/typed-arguments.ts";

const tools = [
  tool("f", {
    n: { type: "integer" },
    x: { type: "number" },
    b: { type: "boolean" },
    l: { type: "array" },
    z: { type: "null" },
  }),
];
const parameter = (key: string, value: string) =>
  `<steptml:parameter name="${key}">${value}</steptml:parameter>`;
const call = (body: string, name = "f") =>
  `<｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name="${name}">${body}</steptml:invoke><｜tool_call_end｜>`;
const block = (body: string) => `<｜tool_calls_begin｜>${body}<｜tool_calls_end｜>`;
const one = ["f", '{"n": 1}'];

describe("step3 as vLLM reads it", () => {
  test.each([
    ["one call", block(call(parameter("n", "1"))), null, [one]],
    ["several calls", block(`${call(parameter("n", "1"))}\n${call("")}`), null, [one, ["f", "{}"]]],
    ["text on both sides is kept", ` a ${block(call(parameter("n", "1")))} b `, "a  b", [one]],
    [
      "the block's end is needed",
      `<｜tool_calls_begin｜>${call("")}`,
      `<｜tool_calls_begin｜>${call("")}`,
      [],
    ],
    [
      "the call's end is needed",
      block(call("").replace("<｜tool_call_end｜>", "")),
      block(call("").replace("<｜tool_call_end｜>", "")),
      [],
    ],
    [
      "a cut call costs no other",
      block(`${call(parameter("n", "1"))}<｜tool_call_begin｜>function<｜tool_sep｜>`),
      null,
      [one],
    ],
    [
      "only functions",
      block(call("").replace("function", "code")),
      block(call("").replace("function", "code")),
      [],
    ],
    ["space around function", block(call("").replace("function", " function\n")), null, [["f", "{}"]]],
    ["values are stripped", block(call(parameter("q", "\n a "))), null, [["f", '{"q": "a"}']]],
    ["a < skips the value", block(call(parameter("q", "a<b") + parameter("n", "1"))), null, [one]],
    ["floats stay floats", block(call(parameter("x", "5"))), null, [["f", '{"x": 5.0}']]],
    [
      "booleans and null",
      block(call(parameter("b", "TRUE") + parameter("z", "Null"))),
      null,
      [["f", '{"b": true, "z": null}']],
    ],
    [
      "what does not fit stays text",
      block(call(parameter("n", "5.0") + parameter("b", "1"))),
      null,
      [["f", '{"n": "5.0", "b": "1"}']],
    ],
    ["lists stay text", block(call(parameter("l", "[1]"))), null, [["f", '{"l": "[1]"}']]],
    ["an empty block", `a${block("")}`, `a${block("")}`, []],
    ["no block", " hi ", " hi ", []],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(step3Parser.parse(text, { tools }))).toEqual({ content, calls });
  });
});

test("step3, strict, reads what vLLM loses", () => {
  const cut =
    '<｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name="f"><steptml:parameter name="q">a';
  const text = `a <｜tool_calls_begin｜>${call(parameter("q", " <b> ") + parameter("l", "[1]"))} b ${cut}`;
  const parsed = step3Parser.parse(text, { tools, mode: "strict" });
  expect(summary(parsed)).toEqual({ content: `a  b ${cut}`, calls: [["f", '{"q": " <b> ", "l": [1]}']] });
  expect(parsed.errors.map(({ reason }) => reason)).toEqual([
    'The call of "f": the parameter "q" has no </steptml:parameter>.',
  ]);
});

const markup = [
  "<｜tool_calls_begin｜>",
  "<｜tool_calls_end｜>",
  "<｜tool_call_begin｜>function<｜tool_sep｜>",
  "<｜tool_call_end｜>",
];
const fragments = [
  ...markup,
  "<｜tool_call_begin｜>",
  "<｜tool_sep｜>",
  '<steptml:invoke name="f">',
  "</steptml:invoke>",
  '<steptml:parameter name="a">',
  "</steptml:parameter>",
];
describeParserContract({
  parser: step3Parser,
  fragments,
  worstCases: [
    "<",
    "<｜tool_calls_begin｜>",
    '<｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name="',
    '<steptml:parameter name="',
    "<｜tool_call_begin｜>",
    call(""),
  ],
  markup,
  carries: {
    arguments: typedArguments(fragments, {
      carries: (text) => !/</.test(text) && text.trim() === text,
      without: ["list", "data", "ratio"],
    }),
    tools: typedTools,
  },
});
