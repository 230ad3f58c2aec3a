import { describe, expect, test } from "vitest";
import { hermesParser, longcatParser } from "../../parsers/hermes.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";

const call = (json: string) => `<tool_call>\n${json}\n</tool_call>`;
const paris = '{"name": "get_weather", "arguments": {"city": "Paris"}}';
const weather = ["get_weather", '{"city": "Paris"}'];

describe("hermes as vLLM reads it", () => {
  test.each([
    ["one call", call(paris), { content: null, calls: [weather] }],
    ["text before is content, verbatim", `Sure.\n${call(paris)}`, { content: "Sure.\n", calls: [weather] }],
    ["whitespace before is content too", `\n${call(paris)}`, { content: "\n", calls: [weather] }],
    [
      "text between and after is lost",
      `a${call(paris)}b${call(paris)}c`,
      { content: "a", calls: [weather, weather] },
    ],
    ["no call: the text as it is", " Hello </tool_call>", { content: " Hello </tool_call>", calls: [] }],
    ["the empty text", "", { content: "", calls: [] }],
    ["the last end tag may lack", `<tool_call>${paris}`, { content: null, calls: [weather] }],
    ["an end tag in a string breaks all", call('{"name": "f", "arguments": {"a": "</tool_call>"}}'), "raw"],
    ["an empty block breaks all", `x <tool_call></tool_call>${call(paris)}`, "raw"],
    ["one bad block breaks all", call(paris) + call('{"name": "f", "arguments": {'), "raw"],
    ["cut off in the JSON", `Sure. <tool_call>{"name": "f", "argu`, "raw"],
    ["no arguments", call('{"name": "f"}'), "raw"],
    ["a name that is no string", call('{"name": 5, "arguments": {}}'), "raw"],
    ["a list of calls", call(`[${paris}]`), "raw"],
    ["single quotes", call("{'name': 'f', 'arguments': {}}"), "raw"],
    ["a raw newline in a string", call('{"name": "f", "arguments": {"a": "1\n2"}}'), "raw"],
    ["text after the JSON", call(`${paris} done`), "raw"],
    [
      "a string is encoded twice",
      call('{"name": "f", "arguments": "{\\"a\\": 1}"}'),
      { content: null, calls: [["f", '"{\\"a\\": 1}"']] },
    ],
    ["null stays null", call('{"name": "f", "arguments": null}'), { content: null, calls: [["f", "null"]] }],
    [
      "arguments are written anew, as Python does",
      call('{"arguments":{"b":1.50,"a":"\\u00e9","n":12345678901234567890,"b":1e22,"i":NaN},"name":"f"}'),
      { content: null, calls: [["f", '{"b": 1e+22, "a": "é", "n": 12345678901234567890, "i": NaN}']] },
    ],
    [
      "calls inside thinking are calls",
      `<think>${call(paris)}</think>ok`,
      { content: "<think>", calls: [weather] },
    ],
  ] as const)("%s", (_title, text, expected) => {
    const parsed = hermesParser.parse(text);
    expect(summary(parsed)).toEqual(expected === "raw" ? { content: text, calls: [] } : expected);
    expect(parsed.errors.length).toBe(expected === "raw" ? 1 : 0);
  });
});

describe("hermes, strict", () => {
  const read = (text: string) => {
    const parsed = hermesParser.parse(text, { mode: "strict" });
    return { ...summary(parsed), errors: parsed.errors.map(({ reason }) => reason) };
  };
  test.each([
    [
      "a bad call costs no good one, and stays in the content",
      `a ${call(paris)} b ${call('{"name": "f", "arguments": {]}')} c`,
      {
        content: `a  b ${call('{"name": "f", "arguments": {]}')} c`,
        calls: [weather],
        errors: [
          "The tool call is no valid JSON: Expecting property name enclosed in double quotes (at character 29).",
        ],
      },
    ],
    [
      "an end tag inside a string",
      call('{"name": "f", "arguments": {"a": "</tool_call>"}}'),
      { content: null, calls: [["f", '{"a": "</tool_call>"}']], errors: [] },
    ],
    [
      "a missing end tag between two calls",
      `<tool_call>${paris}<tool_call>${paris}`,
      { content: null, calls: [weather, weather], errors: [] },
    ],
    [
      "no calls inside thinking",
      `<think>${call(paris)}</think>${call(paris)}`,
      { content: `<think>${call(paris)}</think>`, calls: [weather], errors: [] },
    ],
    [
      "none in thinking that the template opened, or that never ends",
      `${call(paris)}</think>x<think>${call(paris)}`,
      { content: `${call(paris)}</think>x<think>${call(paris)}`, calls: [], errors: [] },
    ],
    [
      "arguments in a string of JSON are forgiven",
      call('{"name": "f", "arguments": "{\\"a\\": 1}"}'),
      { content: null, calls: [["f", '{"a": 1}']], errors: [] },
    ],
    [
      "cut off",
      '<tool_call>\n{"name": "f", "arguments": {"a": "b',
      {
        content: '<tool_call>\n{"name": "f", "arguments": {"a": "b',
        calls: [],
        errors: [
          "The tool call is no valid JSON: Unterminated string starting at (at character 34). The text ends within it.",
        ],
      },
    ],
    [
      "arguments that are no object",
      call('{"name": "f", "arguments": [1]}'),
      {
        content: call('{"name": "f", "arguments": [1]}'),
        calls: [],
        errors: ['The arguments of "f" must be a JSON object, got an array.'],
      },
    ],
  ])("%s", (_title, text, expected) => {
    expect(read(text)).toEqual(expected);
  });
});

test("spans point at the whole block", () => {
  const text = `a${call(paris)}b<tool_call>${paris}`;
  const { toolCalls } = hermesParser.parse(text);
  expect(toolCalls.map(({ raw }) => text.slice(...raw))).toEqual([call(paris), `<tool_call>${paris}`]);
});

test("writes what Qwen's template writes", () => {
  const toolCalls = [{ name: "f", arguments: '{"a":"é"}' }];
  expect(hermesParser.format({ content: "Hi", toolCalls: [...toolCalls, ...toolCalls] })).toBe(
    `Hi\n${call('{"name": "f", "arguments": {"a": "é"}}')}\n${call('{"name": "f", "arguments": {"a": "é"}}')}`,
  );
});

for (const [parser, tag] of [
  [hermesParser, "tool_call"],
  [longcatParser, "longcat_tool_call"],
] as const) {
  describeParserContract({
    parser,
    fragments: [`<${tag}>`, `</${tag}>`, `<${tag}>\n{"name": "f", "arguments": {}}\n</${tag}>`],
    worstCases: [
      "<",
      `<${tag}>`,
      `<${tag}>{"name": "f", "arguments": {"a": "`,
      `<${tag}>{"a":[`,
      `<${tag}>"`,
      "{",
    ],
  });
}
