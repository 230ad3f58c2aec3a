import { describe, expect, test } from "vitest";
import { kimiK2Parser } from "../../parsers/kimi-k2.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";

const begin = "<|tool_calls_section_begin|>";
const end = "<|tool_calls_section_end|>";
const call = (header: string, json: string) =>
  `<|tool_call_begin|>${header}<|tool_call_argument_begin|>${json}<|tool_call_end|>`;
const paris = '{"city":"Paris"}';
const weather = ["get_weather", paris];
const one = call("functions.get_weather:0", paris);

describe("kimi_k2 as vLLM reads it", () => {
  test.each([
    ["one call", begin + one + end, null, [weather]],
    ["text before is content, verbatim", `Sure. ${begin}${one}${end}`, "Sure. ", [weather]],
    ["whitespace before is nothing", `\n${begin}${one}${end}`, null, [weather]],
    ["two calls, text between is lost", `${begin}${one} and ${one}${end}`, null, [weather, weather]],
    ["text after is lost", `${begin}${one}${end} Done`, null, [weather]],
    ["calls after the section count", `${begin}${end}${one}`, null, [weather]],
    [
      "arguments are the model's bytes, stripped",
      begin + call("functions.f:1", " {'a' } "),
      null,
      [["f", "{'a' }"]],
    ],
    ["no arguments", begin + call("functions.f:1", ""), null, [["f", "{}"]]],
    [
      "cut off in the arguments",
      `a${begin}<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{"a": "b`,
      "a",
      [["f", '{"a": "b']],
    ],
    [
      "the section's end closes a call",
      `${begin}${one.replace("<|tool_call_end|>", "")}${end}`,
      null,
      [weather],
    ],
    ["cut off in the name", `a${begin}<|tool_call_begin|>functions.get`, "a", [["functions.get", "{}"]]],
    ["a name without the prefix", begin + call("get_weather:3", paris), null, [weather]],
    ["dots belong to the name", begin + call("functions.a.b:3", "{}"), null, [["a.b", "{}"]]],
    [
      "a header without number loses the call",
      `a${begin}${call("functions.f", '{"a": 1}')}${one}`,
      "a",
      [weather],
    ],
    ["all calls lost: whitespace is still nothing", ` ${begin}${call("f", '{"a": 1}')}`, null, []],
    [
      "a header without number, but a name in the JSON",
      begin + call("f", '{"name": "g"}'),
      null,
      [["g", '{"name": "g"}']],
    ],
    ["a header without number nor arguments is a name", begin + call("f", ""), null, [["f", "{}"]]],
    [
      "a missing argument tag: the header goes on",
      `${begin}<|tool_call_begin|>functions.f:0{}<|tool_call_end|>`,
      null,
      [["f", "{}"]],
    ],
    ["a call without section is text", one, one, []],
    ["the end of thinking is swallowed, its begin is not", "<think>plan</think>x", "<think>planx", []],
    ["an empty section", `a${begin}${end}b`, "a", []],
    ["no call", " Hello ", " Hello ", []],
    ["only whitespace", " ", " ", []],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(kimiK2Parser.parse(text))).toEqual({ content, calls });
  });

  test("a call's id is its header", () => {
    const { toolCalls } = kimiK2Parser.parse(begin + call(" functions.f:12 ", "{}") + call("f", ""));
    expect(toolCalls.map(({ id }) => id)).toEqual(["functions.f:12", expect.stringMatching(/^call_/)]);
  });

  test("values take the types of the schema, else the bytes stay", () => {
    const parameters = { type: "object", properties: { n: { type: "integer" } } };
    const tools = [{ type: "function" as const, function: { name: "f", description: "", parameters } }];
    const read = (json: string) =>
      kimiK2Parser.parse(begin + call("functions.f:0", json), { tools }).toolCalls[0];
    expect(read('{"n":"5"}')?.arguments).toBe('{"n": 5}');
    expect(read('{"n":5}')?.arguments).toBe('{"n":5}');
  });
});

describe("kimi_k2, strictly", () => {
  test.each([
    ["text after is kept", `a ${begin}${one}${end} b`, "a  b", [["get_weather", '{"city": "Paris"}']], 0],
    ["calls without section", one, null, [["get_weather", '{"city": "Paris"}']], 0],
    ["a header without number", begin + call("functions.f", "{}"), null, [["f", "{}"]], 0],
    [
      "bad JSON costs no good call",
      begin + call("functions.f:0", "{'a'}") + one,
      call("functions.f:0", "{'a'}"),
      [["get_weather", '{"city": "Paris"}']],
      1,
    ],
    ["none in thinking", `<think>${begin}${one}</think>x`, `<think>${begin}${one}</think>x`, [], 0],
    [
      "cut off",
      `${begin}<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{"a`,
      `${begin}<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{"a`,
      [],
      1,
    ],
  ])("%s", (_title, text, content, calls, errors) => {
    const parsed = kimiK2Parser.parse(text, { mode: "strict" });
    expect(summary(parsed)).toEqual({ content, calls });
    expect(parsed.errors).toHaveLength(errors);
  });
});

test("writes ids that say the name", () => {
  const toolCalls = [
    { name: "f", arguments: '{"a":1}' },
    { name: "g", arguments: "{}", id: "functions.g:7" },
    { name: "h", arguments: "{}", id: "call_1" },
  ];
  expect(kimiK2Parser.format({ toolCalls })).toBe(
    begin +
      call("functions.f:0", '{"a": 1}') +
      call("functions.g:7", "{}") +
      call("functions.h:2", "{}") +
      end,
  );
});

describeParserContract({
  parser: kimiK2Parser,
  fragments: [
    begin,
    end,
    "<|tool_call_begin|>",
    "<|tool_call_argument_begin|>",
    "<|tool_call_end|>",
    "functions.f:0",
    one,
  ],
  worstCases: [
    begin,
    `${begin}<|tool_call_begin|>`,
    `${begin}${one.slice(0, 60)}`,
    "<|tool_call_argument_begin|>",
    "<|",
  ],
  markup: [begin, end],
});
