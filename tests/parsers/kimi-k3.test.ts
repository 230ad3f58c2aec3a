import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kimiK3Parser } from "../../parsers/kimi-k3.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";

const channel = (name: string, body: string) => `<|open|>${name}<|sep|>${body}<|close|>${name}<|sep|>`;
const argument = (key: string, type: string, value: string) =>
  `<|open|>argument key="${key}" type="${type}"<|sep|>${value}<|close|>argument<|sep|>`;
const call = (name: string, body: string) =>
  `<|open|>call tool="${name}" index="1"<|sep|>${body}<|close|>call<|sep|>`;
const paris = call("get_weather", argument("city", "string", "Paris"));
const weather = ["get_weather", '{"city": "Paris"}'];

describe("kimi_k3 as vLLM reads it", () => {
  test.each([
    ["response and call", channel("response", "Sure. ") + channel("tools", paris), "Sure. ", [weather]],
    ["only a call", channel("tools", paris), null, [weather]],
    ["two calls", channel("tools", paris + paris), null, [weather, weather]],
    [
      "the prompt opened the response",
      `Sure.<|close|>response<|sep|>${channel("tools", paris)}`,
      "Sure.",
      [weather],
    ],
    ["only a response", channel("response", "Hello"), "Hello", []],
    ["a response that is not closed", "<|open|>response<|sep|>Hello", "Hello", []],
    ["an empty response", channel("response", ""), null, []],
    ["the message's end is no content", "Hello<|close|>response<|sep|><|close|>message<|sep|>", "Hello", []],
    [
      "strings are raw, other types JSON",
      channel(
        "tools",
        call(
          "f",
          argument("a", "string", '"1"\n') +
            argument("b", "number", "1.50") +
            argument("c", "object", '{"k":[1,null]}'),
        ),
      ),
      null,
      [["f", '{"a": "\\"1\\"\\n", "b": 1.5, "c": {"k": [1, null]}}']],
    ],
    [
      "bad JSON stays text",
      channel("tools", call("f", argument("a", "number", "one"))),
      null,
      [["f", '{"a": "one"}']],
    ],
    [
      "no type is a string",
      channel("tools", call("f", '<|open|>argument key="a"<|sep|>1<|close|>argument<|sep|>')),
      null,
      [["f", '{"a": "1"}']],
    ],
    [
      "no key is an empty one",
      channel("tools", call("f", '<|open|>argument type="number"<|sep|>1<|close|>argument<|sep|>')),
      null,
      [["f", '{"": 1}']],
    ],
    [
      "attributes are unescaped",
      channel("tools", call("a&quot;b", argument("x&amp;quot;", "string", "&amp;"))),
      null,
      [['a"b', '{"x&quot;": "&amp;"}']],
    ],
    [
      "spaces inside markers",
      '<|open|> tools <|sep|><|open|> call  tool="f"<|sep|><|close|> call <|sep|>',
      null,
      [["f", "{}"]],
    ],
    ["the tools' end may lack", `<|open|>tools<|sep|>${paris}`, null, [weather]],
    [
      "a call that is not closed is lost",
      `a<|open|>tools<|sep|>${paris}<|open|>call tool="g"<|sep|>`,
      "a",
      [weather],
    ],
    ["a call without a name is lost", channel("tools", call("", "")), null, []],
    ["text after the tools is lost", `${channel("tools", paris)}Done`, null, [weather]],
    ["a second tools channel is lost", channel("tools", paris) + channel("tools", paris), null, [weather]],
    [
      "a response after the tools counts",
      channel("tools", paris) + channel("response", "Done"),
      "Done",
      [weather],
    ],
    ["no channel", " Hello ", " Hello ", []],
    ["nothing", "", null, []],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(kimiK3Parser.parse(text))).toEqual({ content, calls });
  });
});

describe("kimi_k3, strictly", () => {
  test.each([
    [
      "thinking is reasoning",
      channel("think", "hm") + channel("response", "Hi") + channel("tools", paris),
      { content: "Hi", reasoning: "hm", calls: [weather] },
      0,
    ],
    [
      "thinking that the prompt opened",
      `hm<|close|>think<|sep|>${channel("response", "Hi")}`,
      { content: "Hi", reasoning: "hm", calls: [] },
      0,
    ],
    [
      "no calls in thinking",
      channel("think", channel("tools", paris)),
      { content: null, reasoning: channel("tools", paris), calls: [] },
      0,
    ],
    ["all text is kept", `a${channel("tools", `b${paris}c`)}d`, { content: "abcd", calls: [weather] }, 0],
    [
      "bad JSON costs no good call",
      channel("tools", call("f", argument("a", "number", "one")) + paris),
      { content: call("f", argument("a", "number", "one")), calls: [weather] },
      1,
    ],
    [
      "a call that is not closed",
      `<|open|>tools<|sep|><|open|>call tool="g"<|sep|>`,
      { content: '<|open|>call tool="g"<|sep|>', calls: [] },
      1,
    ],
  ])("%s", (_title, text, expected, errors) => {
    const parsed = kimiK3Parser.parse(text, { mode: "strict" });
    expect(summary(parsed)).toEqual(expected);
    expect(parsed.errors).toHaveLength(errors);
  });
});

test("writes channels", () => {
  const toolCalls = [{ name: "get_weather", arguments: '{"city":"Paris","n":-1}' }];
  expect(kimiK3Parser.format({ content: "Hi", toolCalls })).toBe(
    channel("response", "Hi") +
      channel(
        "tools",
        call("get_weather", argument("city", "string", "Paris") + argument("n", "number", "-1")),
      ),
  );
});

describeParserContract({
  parser: kimiK3Parser,
  fragments: ["<|open|>", "<|close|>", "<|sep|>", "<|open|>tools<|sep|>", "<|open|>call ", 'tool="', paris],
  worstCases: [
    "<|open|>",
    '<|open|>tools<|sep|><|open|>call tool="',
    `<|open|>tools<|sep|>${paris.slice(0, 60)}`,
    "<|open|>call a",
    "<|close|>call<|sep|>",
  ],
  carries: { content: fc.constantFrom(null, "Let me look.", "Ünïcode 天气 and\n\ntwo lines") },
  channels: true,
});
