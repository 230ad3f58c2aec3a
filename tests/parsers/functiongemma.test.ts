import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { functiongemmaParser } from "../../parsers/functiongemma.ts";
import { argumentDicts, describeParserContract, summary } from "../support/parser-contract.ts";

const call = (text: string) => `<start_function_call>call:${text}<end_function_call>`;
const value = (text: string) => `<escape>${text}<escape>`;
const paris = call(`get_weather{city:${value("Paris")}}`);
const weather = ["get_weather", '{"city": "Paris"}'];

describe("functiongemma as vLLM reads it", () => {
  test.each([
    ["one call", paris, null, [weather]],
    ["two calls", paris + paris, null, [weather, weather]],
    ["text before is stripped, text after is lost", ` Sure. ${paris} Done`, "Sure.", [weather]],
    [
      "several arguments",
      call(`f{a:${value("x")},b:${value("y z")}}`),
      null,
      [["f", '{"a": "x", "b": "y z"}']],
    ],
    ["no arguments", call("f{}"), null, [["f", "{}"]]],
    [
      "what is JSON becomes JSON",
      call(`f{a:${value("12")},b:${value("true")},c:${value('{"k":1.0}')}}`),
      null,
      [["f", '{"a": 12, "b": true, "c": {"k": 1.0}}']],
    ],
    [
      "the schema is no matter",
      call(`f{zip:${value("01234")},n:${value("1e3")}}`),
      null,
      [["f", '{"zip": "01234", "n": 1000.0}']],
    ],
    ["bare values are lost", call(`f{a:12,b:${value("x")}}`), null, [["f", '{"b": "x"}']]],
    [
      "of a repeated argument the last counts",
      call(`f{a:${value("1")},a:${value("2")}}`),
      null,
      [["f", '{"a": 2}']],
    ],
    ["the end tag may lack", paris.replace("<end_function_call>", ""), null, [weather]],
    ["the brace too", `<start_function_call>call:get_weather{city:${value("Paris")}`, null, [weather]],
    [
      "without an end, later calls belong to the first",
      `<start_function_call>call:f{a:${value("1")}<start_function_call>call:g{b:${value("2")}`,
      null,
      [["f", '{"a": 1, "b": 2}']],
    ],
    ["cut off in a value", "<start_function_call>call:f{a:<escape>x", null, [["f", "{}"]]],
    ["a name with other characters", call("get-weather{}"), call("get-weather{}"), []],
    ["no brace", call("f"), call("f"), []],
    ["a name in another script", call(`天气{城市:${value("é")}}`), null, [["天气", '{"城市": "é"}']]],
    ["no call", " Hello ", " Hello ", []],
    ["nothing", "", "", []],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(functiongemmaParser.parse(text))).toEqual({ content, calls });
  });
});

describe("functiongemma, strictly", () => {
  test.each([
    [
      "bare values are read",
      call("f{a:12,b:x y,c:[1,2]}"),
      null,
      [["f", '{"a": 12, "b": "x y", "c": [1, 2]}']],
      0,
    ],
    ["text around is kept", `a ${paris} b`, "a  b", [weather], 0],
    ["a broken call costs no good one", call("f{a}") + paris, call("f{a}"), [weather], 1],
    ["a missing end", "<start_function_call>call:f{}", "<start_function_call>call:f{}", [], 1],
    ["none in thinking", `<think>${paris}</think>x`, `<think>${paris}</think>x`, [], 0],
  ])("%s", (_title, text, content, calls, errors) => {
    const parsed = functiongemmaParser.parse(text, { mode: "strict" });
    expect(summary(parsed)).toEqual({ content, calls });
    expect(parsed.errors).toHaveLength(errors);
  });
});

test("writes text as JSON only where it would be read as something else", () => {
  const toolCalls = [{ name: "f", arguments: '{"a": "x", "b": "12", "c": 12, "d": "<escape>"}' }];
  expect(functiongemmaParser.format({ content: "Hi", toolCalls })).toBe(
    `Hi\n${call(`f{a:${value("x")},b:${value('"12"')},c:${value("12")},d:${value('"\\u003cescape>"')}}`)}`,
  );
});

const fragments = ["<start_function_call>", "<end_function_call>", "<escape>", "call:f{", "}", ":", paris];
describeParserContract({
  parser: functiongemmaParser,
  fragments,
  worstCases: [
    "<start_function_call>",
    "<start_function_call>call:f{a:<escape>",
    "<escape>",
    "a:<escape>",
    "<start_function_call>call:f{a:[",
  ],
  carries: { names: fc.stringMatching(/^[a-z_][a-zA-Z0-9_]{0,12}$/), arguments: argumentDicts(fragments) },
});
