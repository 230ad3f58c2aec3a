import { describe, expect, test } from "vitest";
import { deepseekV3Parser, deepseekV31Parser } from "../../parsers/deepseek.ts";
import { callNames, describeParserContract, summary } from "../support/parser-contract.ts";

const begin = "<｜tool▁calls▁begin｜>";
const end = "<｜tool▁calls▁end｜>";
const v3 = (name: string, json: string) =>
  `<｜tool▁call▁begin｜>function<｜tool▁sep｜>${name}\n\`\`\`json\n${json}\n\`\`\`<｜tool▁call▁end｜>`;
const v31 = (name: string, json: string) =>
  `<｜tool▁call▁begin｜>${name}<｜tool▁sep｜>${json}<｜tool▁call▁end｜>`;
const paris = '{"city":"Paris"}';
const weather = ["get_weather", paris];

describe("deepseek_v3 as vLLM reads it", () => {
  const call = v3("get_weather", paris);
  test.each([
    ["one call", begin + call + end, null, [weather]],
    ["text before is content, verbatim", `Sure.\n${begin}${call}${end}`, "Sure.\n", [weather]],
    ["whitespace before is content too", ` ${begin}${call}${end}`, " ", [weather]],
    ["two calls, a line between", `${begin}${call}\n${call}${end}`, null, [weather, weather]],
    ["two calls on one line", `${begin}${call}${call}${end}`, null, [weather, weather]],
    ["text after is lost", `${begin}${call}${end} Done`, null, [weather]],
    ["the list's end may lack", begin + call, null, [weather]],
    ["arguments are the model's bytes", begin + v3("f", "{'a':1,}"), null, [["f", "{'a':1,}"]]],
    ["JSON over several lines is lost", `a${begin}${v3("f", '{\n"a": 1\n}')}${end}`, "a", []],
    ["a missing end of the call loses it", `${begin}${call.slice(0, -1)}${end}`, null, []],
    ["no fence", `${begin}<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n{}<｜tool▁call▁end｜>`, null, []],
    ["another type than function loses all", `${begin}${call.replace("function", "tool")}`, "raw", []],
    ["the name keeps its spaces", begin + v3(" f ", "{}"), null, [[" f ", "{}"]]],
    ["a call without the list's begin is text", call, "raw", []],
    ["a call before the list's begin counts", `${call}x${begin}`, `${call}x`, [weather]],
    ["an empty list", `a${begin}${end}`, "a", []],
    ["cut off", `a${begin}<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n\`\`\`json\n{"a`, "a", []],
    ["no call", "Hello", "Hello", []],
    ["nothing", "", "", []],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(deepseekV3Parser.parse(text))).toEqual({
      content: content === "raw" ? text : content,
      calls,
    });
  });
});

describe("deepseek_v31 as vLLM reads it", () => {
  const call = v31("get_weather", paris);
  test.each([
    ["one call", begin + call + end, null, [weather]],
    ["text before is content, verbatim", `Sure. ${begin}${call}${end}`, "Sure. ", [weather]],
    ["two calls", begin + call + call + end, null, [weather, weather]],
    ["arguments are the model's bytes", begin + v31("f", "{ 'a' :1, "), null, [["f", "{ 'a' :1, "]]],
    ["no arguments", begin + v31("f", ""), null, [["f", ""]]],
    [
      "a line break in the arguments loses the call",
      `a${begin}${v31("f", '{\n"a": 1}')}${call}`,
      "a",
      [weather],
    ],
    ["a line break in the name loses the call", begin + v31("f\n", "{}"), null, []],
    [
      "a missing end of the call takes the next one's",
      `${begin}<｜tool▁call▁begin｜>f<｜tool▁sep｜>{}${call}`,
      null,
      [["f", `{}<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>${paris}`]],
    ],
    ["text after is lost", `${begin}${call}${end} Done`, null, [weather]],
    ["cut off", `a${begin}<｜tool▁call▁begin｜>f<｜tool▁sep｜>{"a`, "a", []],
    ["no separator", `${begin}<｜tool▁call▁begin｜>f{}<｜tool▁call▁end｜>`, null, []],
    ["a call without the list's begin is text", call, "raw", []],
    ["no call", " Hello ", " Hello ", []],
    ["nothing", "", "", []],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(deepseekV31Parser.parse(text))).toEqual({
      content: content === "raw" ? text : content,
      calls,
    });
  });
});

describe.each([
  ["deepseek_v3", deepseekV3Parser, v3],
  ["deepseek_v31", deepseekV31Parser, v31],
] as const)("%s, strictly", (_name, parser, call) => {
  const read = (text: string) => {
    const parsed = parser.parse(text, { mode: "strict" });
    return { ...summary(parsed), errors: parsed.errors.map(({ reason }) => reason) };
  };
  const one = ["f", '{"a": 1}'];

  test("reads JSON over several lines, and keeps the text after the calls", () => {
    expect(read(`a ${begin}${call("f", '{\n"a": 1\n}')}${end} b`)).toEqual({
      content: "a  b",
      calls: [one],
      errors: [],
    });
  });

  test("forgives a missing end", () => {
    const text = begin + call("f", '{"a":1}').replace("<｜tool▁call▁end｜>", "") + call("f", '{"a":1}');
    expect(read(text)).toEqual({ content: null, calls: [one, one], errors: [] });
  });

  test("a bad call costs no good one, and stays in the content", () => {
    const bad = call("g", "{'a'}");
    expect(read(begin + bad + call("f", '{"a":1}') + end)).toEqual({
      content: bad,
      calls: [one],
      errors: [expect.stringContaining('The arguments of "g" are no valid JSON')],
    });
  });

  test("reads no calls inside thinking", () => {
    const text = `<think>${begin}${call("f", "{}")}${end}</think>x`;
    expect(read(text)).toEqual({ content: text, calls: [], errors: [] });
  });
});

test("writes what the models write", () => {
  const toolCalls = [{ name: "f", arguments: '{"a":"<｜tool▁call▁end｜>"}' }];
  const json = '{"a": "\\u003c｜tool▁call▁end｜>"}';
  expect(deepseekV3Parser.format({ content: "Hi", toolCalls })).toBe(`Hi\n${begin}${v3("f", json)}${end}`);
  expect(deepseekV31Parser.format({ toolCalls })).toBe(`${begin}${v31("f", json)}${end}`);
});

for (const [parser, call] of [
  [deepseekV3Parser, v3("f", "{}")],
  [deepseekV31Parser, v31("f", "{}")],
] as const) {
  describeParserContract({
    parser,
    fragments: [
      begin,
      end,
      "<｜tool▁call▁begin｜>",
      "<｜tool▁sep｜>",
      "<｜tool▁call▁end｜>",
      "```json\n",
      call,
    ],
    worstCases: [
      begin,
      "<｜tool▁call▁begin｜>",
      begin + call.slice(0, 40),
      "<｜tool▁call▁begin｜>f<｜tool▁sep｜>",
      "<｜",
    ],
    carries: { names: callNames() },
    markup: [begin, end],
  });
}
