import { describe, expect, test } from "vitest";
import { step3p5Parser } from "../../parsers/step3p5.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";
import { tool, typedArguments, typedTools } from "../support/typed-arguments.ts";

const tools = [
  tool("f", {
    n: { type: "integer" },
    x: { type: "number" },
    b: { type: "boolean" },
    s: { type: "string" },
    o: { type: "object" },
    l: { type: "array" },
    u: { type: ["string", "integer"] },
  }),
];
const parameter = (key: string, value: string) => `<parameter=${key}>\n${value}\n</parameter>\n`;
const call = (body: string, name = "f") =>
  `<tool_call>\n<function=${name}>\n${body}</function>\n</tool_call>`;
const five = call(parameter("n", "5"));
const called = ["f", '{"n": 5}'];

describe("step3p5 as vLLM reads it", () => {
  test.each([
    ["one call", five, null, [called]],
    ["content before is verbatim", ` a\n${five}`, " a\n", [called]],
    ["text after the last call is lost", `${five} b`, null, [called]],
    ["text between calls is content", `a ${five} b ${five} c`, "a  b ", [called, called]],
    ["whitespace between calls is not", `${five}\n${five}`, null, [called, called]],
    ["no parameters", call(""), null, [["f", "{}"]]],
    ["no call", " hi > there ", " hi > there ", []],
    ["what may begin a tag is lost", "hi <tool", "hi ", []],
    ["nothing", "", null, []],
    ["strings", call(parameter("s", ' "a"\nb <c> & ')), null, [["f", '{"s": " \\"a\\"\\nb <c> & "}']]],
    ["an empty value", call("<parameter=n></parameter>"), null, [["f", '{"n": ""}']]],
    ["a bad integer stands without quotes", call(parameter("n", "seven")), null, [["f", '{"n": seven}']]],
    ["whole numbers are integers", call(parameter("x", "5.0")), null, [["f", '{"x": 5}']]],
    ["booleans are true or false", call(parameter("b", "yes")), null, [["f", '{"b": false}']]],
    ["objects are passed through", call(parameter("o", '{"a":1}')), null, [["f", '{"o": {"a":1}}']]],
    ["unless they are Python", call(parameter("o", "{'a': True}")), null, [["f", '{"o": {"a": true}}']]],
    ["lists are Python", call(parameter("l", "[1, 'a']")), null, [["f", '{"l": [1, "a"]}']]],
    ["or text", call(parameter("l", "[true]")), null, [["f", '{"l": "\\n[true]\\n"}']]],
    ["a union is a string", call(parameter("u", "12")), null, [["f", '{"u": "12"}']]],
    ["unknown keys are strings", call(parameter("z", "5")), null, [["f", '{"z": "5"}']]],
    [
      "a parameter without end",
      call(`<parameter=s>a\n${parameter("n", "5")}`),
      null,
      [["f", '{"s": "a", "n": 5}']],
    ],
    ["a function without =", "<tool_call>\n<function f>\n</function>\n</tool_call>", null, [["f", "{}"]]],
    ["a parameter without >", call("<parameter=n\n5</parameter>\n"), null, [called]],
    ["a bare function", `a <function=f>\n${parameter("n", "5")}</function>`, "a ", [called]],
    ["cut arguments stay cut", "<tool_call>\n<function=f>\n<parameter=s>\nabc", null, [["f", '{"s": "abc']]],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(step3p5Parser.parse(text, { tools }))).toEqual({ content, calls });
  });

  test("without tools every value is a string", () => {
    expect(summary(step3p5Parser.parse(five)).calls).toEqual([["f", '{"n": "5"}']]);
  });
});

test("step3p5, strict, reads as qwen3_coder does", () => {
  const parsed = step3p5Parser.parse(`a ${call(parameter("l", "[true]"))} b`, { tools, mode: "strict" });
  expect(summary(parsed)).toEqual({ content: "a  b", calls: [["f", '{"l": [true]}']] });
});

const fragments = [
  "<tool_call>",
  "</tool_call>",
  "<function=f>",
  "<function=",
  "<function f>",
  "</function>",
  "<parameter=a>",
  "<parameter=",
  "</parameter>",
];
const forbidden = /<\/?(?:parameter|function|tool_call)|think>|\r|\p{Cc}/u;
describeParserContract({
  parser: step3p5Parser,
  fragments,
  worstCases: [
    "<",
    "<tool_call>",
    "<function=",
    "<function=f><parameter=",
    "<parameter=a>",
    "<tool_call><function=f></function></tool_call>",
    ">",
  ],
  markup: ["<tool_call>", "</tool_call>"],
  carries: {
    arguments: typedArguments(fragments, {
      carries: (text) => !forbidden.test(text) && text.toLowerCase() !== "null" && !/^\n|\n$/.test(text),
      without: ["nothing", "list", "data"],
    }),
    tools: typedTools,
  },
});
