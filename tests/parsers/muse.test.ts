import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { museParser } from "../../parsers/muse.ts";
import { argumentDicts, describeParserContract, summary } from "../support/parser-contract.ts";

const invoke = (name: string, body: string) => `<atem:invoke name="${name}">${body}</atem:invoke>`;
const parameter = (key: string, value: string) => `<atem:parameter name="${key}">${value}</atem:parameter>`;
const calls = (body: string) =>
  `to=functions<|message|><atem:function_calls>${body}</atem:function_calls><|eot|>`;
const paris = invoke("get_weather", parameter("city", "Paris"));
const weather = ["get_weather", '{"city": "Paris"}'];
const tool = (name: string) => ({
  type: "function" as const,
  function: { name, description: "", parameters: {} },
});

describe("muse as SGLang reads it", () => {
  test.each([
    ["an answer", "to=user<|message|>Hi<|eom|>", "Hi", []],
    ["a call", calls(paris), null, [weather]],
    ["two calls", calls(`${paris}\n${paris}`), null, [weather, weather]],
    [
      "an answer, then a call",
      `to=user<|message|>Sure. <|eom|><|start|>assistant ${calls(paris)}`,
      "Sure. ",
      [weather],
    ],
    ["thinking to itself is text", "to=self<|message|>hm<|eom|>", "hm", []],
    [
      "values are JSON where they can be",
      calls(invoke("f", parameter("a", "12") + parameter("b", "[1, 2]") + parameter("c", " x "))),
      null,
      [["f", '{"a": 12, "b": [1, 2], "c": " x "}']],
    ],
    ["other attributes", calls('<atem:invoke id="1" name="f" x="y"></atem:invoke>'), null, [["f", "{}"]]],
    [
      "a call that is not closed is lost",
      `to=functions<|message|>${paris}<atem:invoke name="g">`,
      null,
      [weather],
    ],
    ["text of a tool's channel is lost", calls(`a${paris}b`), null, [weather]],
    ["the turn's end may lack", calls(paris).replace("<|eot|>", ""), null, [weather]],
    ["calls outside a tool's channel are text", paris, paris, []],
    ["no recipient is the user", "<|start|>assistant<|message|>Hi<|eot|>", "Hi", []],
    ["whitespace before a header stays", " <|start|>assistant<|message|>Hi", " Hi", []],
    ["a header that is cut off is text", "to=user<|mess", "to=user<|mess", []],
    ["text after a message", "to=user<|message|>a<|eom|>b", "ab", []],
    ["plain text", "Hello", "Hello", []],
    ["nothing", "", null, []],
  ])("%s", (_title, text, content, expected) => {
    expect(summary(museParser.parse(text))).toEqual({ content, calls: expected });
  });

  test("drops tools that were not offered, and knows doubled namespaces", () => {
    const read = (name: string, ...offered: string[]) =>
      museParser
        .parse(calls(invoke(name, "")), { tools: offered.map(tool) })
        .toolCalls.map((found) => found.name);
    expect([read("f", "g"), read("f.f", "f"), read("x.f", "a.f"), read("x.f", "a.f", "b.f")]).toEqual([
      [],
      ["f"],
      ["a.f"],
      [],
    ]);
  });
});

describe("muse, strictly", () => {
  test.each([
    [
      "thinking to itself is reasoning",
      `to=self<|message|>hm<|eom|><|start|>assistant ${calls(paris)}`,
      { content: null, reasoning: "hm", calls: [weather] },
      0,
    ],
    [
      "a broken call costs no good one",
      calls(`<atem:invoke x="y">${paris}`),
      { content: '<atem:invoke x="y">', calls: [weather] },
      1,
    ],
    ["text of a tool's channel is kept", calls(`a${paris}b`), { content: "ab", calls: [weather] }, 0],
  ])("%s", (_title, text, expected, errors) => {
    const parsed = museParser.parse(text, { mode: "strict" });
    expect(summary(parsed)).toEqual(expected);
    expect(parsed.errors).toHaveLength(errors);
  });
});

test("writes channels", () => {
  const toolCalls = [{ name: "f", arguments: '{"a":"x","b":"12"}' }];
  expect(museParser.format({ content: "Hi", toolCalls })).toBe(
    'to=user<|message|>Hi<|eom|><|start|>assistant to=functions<|message|><atem:function_calls>\n<atem:invoke name="f">\n' +
      `${parameter("a", "x")}\n${parameter("b", '"12"')}\n</atem:invoke>\n</atem:function_calls><|eot|>`,
  );
});

const fragments = [
  "to=",
  "<|message|>",
  "<|eom|>",
  "<|start|>",
  "<atem:invoke",
  ' name="f">',
  "</atem:invoke>",
  parameter("a", "1"),
  calls(paris),
];
describeParserContract({
  parser: museParser,
  fragments,
  worstCases: [
    "<atem:invoke",
    'to=f<|message|><atem:invoke name="f">',
    "<|start|>",
    "to=",
    "<|start|> to=f<|message|><atem:parameter",
  ],
  carries: {
    arguments: argumentDicts(fragments),
    content: fc.constantFrom(null, "Let me look.", "Ünïcode 天气 and\n\ntwo lines"),
  },
  channels: true,
});
