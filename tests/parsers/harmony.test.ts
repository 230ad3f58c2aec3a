import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openaiParser } from "../../parsers/harmony.ts";
import { callNames, describeParserContract, summary } from "../support/parser-contract.ts";

const next = "<|start|>assistant";
const think = (text: string) => `<|channel|>analysis<|message|>${text}<|end|>`;
const final = (text: string) => `<|channel|>final<|message|>${text}<|return|>`;
const call = (recipient: string, json: string) =>
  `<|channel|>commentary to=${recipient} <|constrain|>json<|message|>${json}<|call|>`;
const paris = call("functions.get_weather", '{"city":"Paris"}');
const weather = ["get_weather", '{"city": "Paris"}'];

describe("openai as vLLM reads it", () => {
  test.each([
    ["an answer", final("Hi"), { content: "Hi", calls: [] }],
    [
      "thinking and an answer",
      think("hm") + next + final("Hi"),
      { content: "Hi", reasoning: "hm", calls: [] },
    ],
    ["a call", paris, { content: null, calls: [weather] }],
    [
      "thinking, a preamble and a call",
      `${think("hm")}${next}<|channel|>commentary<|message|>Sure.<|end|>${next}${paris}`,
      { content: "Sure.", reasoning: "hm", calls: [weather] },
    ],
    [
      "the recipient before the channel",
      ` to=functions.get_weather<|channel|>commentary json<|message|>{"city":"Paris"}<|call|>`,
      { content: null, calls: [weather] },
    ],
    [
      "with the role",
      `${next} to=functions.get_weather<|channel|>commentary <|constrain|>json<|message|>{"city":"Paris"}<|call|>`.slice(
        "<|start|>".length,
      ),
      { content: null, calls: [weather] },
    ],
    [
      "no space before the constraint",
      "<|channel|>commentary to=functions.f<|constrain|>json<|message|>{}<|call|>",
      { content: null, calls: [["f", "{}"]] },
    ],
    [
      "no content type counts as JSON",
      '<|channel|>commentary to=functions.f<|message|>{"a":1.50}<|call|>',
      { content: null, calls: [["f", '{"a": 1.5}']] },
    ],
    [
      "another content type is text",
      "<|channel|>commentary to=functions.f code<|message|>1+1<|call|>",
      { content: null, calls: [["f", "1+1"]] },
    ],
    ["bad JSON stays text", call("functions.f", "{'a'}"), { content: null, calls: [["f", "{'a'}"]] }],
    [
      "JSON is written in ASCII",
      call("functions.f", '{"a":"é😀"}'),
      { content: null, calls: [["f", '{"a": "\\u00e9\\ud83d\\ude00"}']] },
    ],
    [
      "a recipient without prefix is a function too",
      call("get_weather", '{"city":"Paris"}'),
      { content: null, calls: [weather] },
    ],
    [
      "on any channel",
      "<|channel|>analysis to=functions.f<|message|>{}<|call|>",
      { content: null, calls: [["f", "{}"]] },
    ],
    [
      "built-in tools are no functions",
      call("browser.search", "{}") + next + final("Hi"),
      { content: "Hi", calls: [] },
    ],
    ["two calls", paris + next + paris, { content: null, calls: [weather, weather] }],
    [
      "several parts are joined by lines",
      think("a") + next + think("b") + next + final("c") + next + final("d"),
      { content: "c\nd", reasoning: "a\nb", calls: [] },
    ],
    ["cut off in the answer", "<|channel|>final<|message|>Hel", { content: "Hel", calls: [] }],
    [
      "cut off in a call",
      '<|channel|>commentary to=functions.f<|message|>{"a',
      { content: null, calls: [["f", '{"a']] },
    ],
    [
      "cut off in a header",
      `${think("hm")}${next}<|channel|>fin`,
      { content: `${next}<|channel|>fin`, reasoning: "hm", calls: [] },
    ],
    ["text without any header", "Hello", { content: "Hello", calls: [] }],
    [
      "a message of another role is ignored",
      `${think("hm")}<|start|>user<|message|>Hi<|end|>`,
      { content: null, reasoning: "hm", calls: [] },
    ],
    [
      "a tool's answer is ignored",
      `${think("hm")}<|start|>functions.f to=assistant<|channel|>commentary<|message|>1<|end|>`,
      { content: null, reasoning: "hm", calls: [] },
    ],
    [
      "commentary with a constraint alone",
      "<|channel|>commentary <|constrain|>json<|message|>{}<|end|>",
      { content: "{}", calls: [] },
    ],
    [
      "text between messages breaks the format",
      `${think("hm")}x${next}${final("Hi")}`,
      { content: `x${next}${final("Hi")}`, reasoning: "hm", calls: [] },
    ],
    ["an empty answer", final(""), { content: null, calls: [] }],
    [
      "markers in a body are text",
      final("a<|channel|>b<|start|>"),
      { content: "a<|channel|>b<|start|>", calls: [] },
    ],
    ["nothing", "", { content: null, calls: [] }],
  ])("%s", (_title, text, expected) => {
    expect(summary(openaiParser.parse(text))).toEqual(expected);
  });
});

describe("openai, strictly", () => {
  test.each([
    [
      "bad JSON costs no good call",
      call("functions.f", "{'a'}") + next + paris,
      { content: call("functions.f", "{'a'}"), calls: [weather] },
      1,
    ],
    [
      "a built-in tool's call is kept as text",
      call("python", "1+1") + next + final("Hi"),
      { content: `${call("python", "1+1")}\nHi`, calls: [] },
      0,
    ],
    [
      "non-ASCII text is kept",
      call("functions.f", '{"a":"é"}'),
      { content: null, calls: [["f", '{"a": "é"}']] },
      0,
    ],
    [
      "a broken header",
      `${think("hm")}${next}<|channel|><|message|>x`,
      { content: `${next}<|channel|><|message|>x`, reasoning: "hm", calls: [] },
      1,
    ],
  ])("%s", (_title, text, expected, errors) => {
    const parsed = openaiParser.parse(text, { mode: "strict" });
    expect(summary(parsed)).toEqual(expected);
    expect(parsed.errors).toHaveLength(errors);
  });
});

test("writes messages; the prompt has begun the first", () => {
  const toolCalls = [{ name: "f", arguments: '{"a":"<|end|>"}' }];
  expect(openaiParser.format({ content: "Hi", toolCalls })).toBe(
    `<|channel|>commentary<|message|>Hi<|end|>${next}${call("functions.f", '{"a": "\\u003c|end|>"}')}`,
  );
  expect(openaiParser.format({ content: "Hi", toolCalls: [] })).toBe(final("Hi"));
});

describeParserContract({
  parser: openaiParser,
  fragments: [
    "<|start|>",
    "assistant",
    "<|channel|>",
    "commentary",
    " to=functions.f",
    "<|message|>",
    "<|end|>",
    "<|call|>",
    paris,
    next,
  ],
  worstCases: ["<|start|>", "<|message|>", `${next}${paris}`, `${think("")}${next}`, "<|channel|>"],
  carries: {
    names: callNames(),
    content: fc.constantFrom(null, "Let me look.", "Ünïcode 天气 and\n\ntwo lines"),
  },
  channels: true,
});
