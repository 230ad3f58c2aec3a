import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inklingParser } from "../../parsers/inkling.ts";
import { callNames, describeParserContract, summary } from "../support/parser-contract.ts";

const end = "<|end_message|>";
const say = (text: string) => `<|message_model|><|content_text|>${text}${end}`;
const think = (text: string) => `<|message_model|><|content_thinking|>${text}${end}`;
const invoke = (json: string) => `<|message_model|><|content_invoke_tool_json|>${json}${end}`;
const paris = invoke('{"name":"get_weather","args":{"city":"Paris"}}');
const weather = ["get_weather", '{"city":"Paris"}'];

describe("inkling as vLLM reads it", () => {
  test.each([
    ["one call", paris, { content: null, calls: [weather] }],
    ["text, then a call", say("Sure. ") + paris, { content: "Sure. ", calls: [weather] }],
    ["a call, then text", paris + say("Done"), { content: "Done", calls: [weather] }],
    ["text on both sides is joined", say("a") + paris + say("b"), { content: "ab", calls: [weather] }],
    ["thinking is reasoning", think("hm ") + paris, { content: null, reasoning: "hm", calls: [weather] }],
    ["two calls", paris + paris, { content: null, calls: [weather, weather] }],
    ["whitespace around calls is nothing", `\n${paris}\n`, { content: null, calls: [weather] }],
    ["whitespace without calls stays", " ", { content: " ", calls: [] }],
    [
      "the header's text is lost",
      `<|message_model|>assistant<|content_text|>Hi${end}`,
      { content: "Hi", calls: [] },
    ],
    ["without a message's begin", `<|content_text|>Hi${end}`, { content: "Hi", calls: [] }],
    ["text without markers", "Hi", { content: "Hi", calls: [] }],
    [
      "other blocks are text",
      `<|content_tool_error|>no${end}<|content_invoke_tool_text|>x`,
      { content: "nox", calls: [] },
    ],
    [
      "the end of sampling ends a block",
      `${paris.replace(end, "<|content_model_end_sampling|>")}b`,
      { content: "b", calls: [weather] },
    ],
    [
      "arguments are the model's bytes",
      invoke('{"name":"f", "args": { "a" : 1.50 } }'),
      { content: null, calls: [["f", '{ "a" : 1.50 }']] },
    ],
    [
      "cut off in the arguments",
      '<|content_invoke_tool_json|>{"name":"f","args":{"a": "b',
      { content: null, calls: [["f", '{"a": "b']] },
    ],
    ["no arguments", invoke('{"name":"f"}'), { content: null, calls: [["f", "{}"]] }],
    [
      "other keys for them are not known",
      invoke('{"name":"f","arguments":{"a":1}}'),
      { content: null, calls: [["f", "{}"]] },
    ],
    [
      "arguments that are no object",
      invoke('{"name":"f","args":[1,2]}'),
      { content: null, calls: [["f", "[1, 2]"]] },
    ],
    [
      "the first name counts",
      invoke('{"args":{"name":"g"},"name":"f"}'),
      { content: null, calls: [["g", '{"name":"g"}']] },
    ],
    ["no name", say("a") + invoke('{"args":{}}'), { content: "a", calls: [] }],
    [
      "a tag in a call is text of it",
      invoke('{"name":"f","args":{"a":"<|content_text|>"}}'),
      { content: null, calls: [["f", '{"a":"<|content_text|>"}']] },
    ],
    [
      "a call ends thinking",
      `<|content_thinking|>hm${paris.replace("<|message_model|>", "")}`,
      { content: null, reasoning: "hm", calls: [weather] },
    ],
    ["nothing", "", { content: null, calls: [] }],
  ])("%s", (_title, text, expected) => {
    expect(summary(inklingParser.parse(text))).toEqual(expected);
  });
});

describe("inkling, strictly", () => {
  test.each([
    [
      "arguments under any of their names",
      invoke('{"name":"f","arguments":{"a":1}}'),
      { content: null, calls: [["f", '{"a": 1}']] },
      0,
    ],
    [
      "a broken call costs no good one",
      say("a") + invoke('{"name":"f"') + paris,
      {
        content: 'a<|content_invoke_tool_json|>{"name":"f"<|end_message|>',
        calls: [["get_weather", '{"city": "Paris"}']],
      },
      1,
    ],
    [
      "cut off",
      '<|content_invoke_tool_json|>{"name":"f","args":{"a',
      { content: '<|content_invoke_tool_json|>{"name":"f","args":{"a', calls: [] },
      1,
    ],
  ])("%s", (_title, text, expected, errors) => {
    const parsed = inklingParser.parse(text, { mode: "strict" });
    expect(summary(parsed)).toEqual(expected);
    expect(parsed.errors).toHaveLength(errors);
  });
});

test("writes blocks; the prompt has begun the first", () => {
  const toolCalls = [{ name: "f", arguments: '{"a":1}' }];
  expect(inklingParser.format({ content: "Hi", toolCalls })).toBe(
    `<|content_text|>Hi${end}${invoke('{"name": "f", "args": {"a": 1}}')}`,
  );
});

describeParserContract({
  parser: inklingParser,
  fragments: [
    "<|message_model|>",
    "<|content_text|>",
    "<|content_thinking|>",
    end,
    "<|content_invoke_tool_json|>",
    paris,
  ],
  worstCases: [
    "<|message_model|>",
    "<|content_invoke_tool_json|>",
    `<|content_invoke_tool_json|>{"name":"f","args":{${end}`,
    '<|content_invoke_tool_json|>"',
    end,
  ],
  carries: {
    names: callNames(),
    content: fc.constantFrom(null, "Let me look.", "Ünïcode 天气 and\n\ntwo lines"),
  },
  channels: true,
});
