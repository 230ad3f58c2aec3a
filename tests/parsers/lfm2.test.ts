import { describe, expect, test } from "vitest";
import { lfm2Parser } from "../../parsers/lfm2.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";
import { pythonicCarries } from "../support/pythonic-arguments.ts";

const start = "<|tool_call_start|>";
const end = "<|tool_call_end|>";
const block = (list: string) => `${start}${list}${end}`;
const paris = ["get_weather", '{"city": "Paris"}'];
const nothing = ["now", "{}"];

describe("lfm2 as vLLM reads it", () => {
  test.each([
    ["one call", block("[get_weather(city='Paris')]"), null, [paris]],
    ["two calls", block("[get_weather(city='Paris'), now()]"), null, [paris, nothing]],
    ["text around is kept, stripped", ` a\n${block("[now()]")}\n b `, "a\nb", [nothing]],
    ["only text after", `${block("[now()]")} b`, "b", [nothing]],
    ["whitespace around is nothing", `\n${block("[now()]")}\n`, null, [nothing]],
    ["whitespace in the block", block("\n [now()] \n"), null, [nothing]],
    [
      "an echo up to an orphan end token is dropped",
      `${block("[now()]")}[now()]${end} Done`,
      "Done",
      [nothing],
    ],
    [
      "a second block counts as an echo",
      `${block("[now()]")}${block("[get_weather(city='Paris')]")}x`,
      "x",
      [nothing],
    ],
    ["a missing end token", `a ${start}[now()]`, "a", [nothing]],
    [
      "names that vLLM's pattern of other parsers refuses",
      block("[a.b(x=1), _f( y = 2 )]"),
      null,
      [
        ["a.b", '{"x": 1}'],
        ["_f", '{"y": 2}'],
      ],
    ],
    ["arguments without names are lost", block("[f(1)]"), null, [["f", "{}"]]],
    ["a comma at the end", block("[now(),]"), null, [nothing]],
    ["an empty list", `a ${block("[]")} b`, "a\nb", []],
    ["cut off", `a ${start}[f(a='`, `a ${start}[f(a='`, []],
    ["no list", block("now()"), block("now()"), []],
    ["JSON", block('[{"name": "f"}]'), block('[{"name": "f"}]'), []],
    ["a negative number", block("[f(a=-1)]"), block("[f(a=-1)]"), []],
    ["a tuple", block("[f(a=(1, 2))]"), block("[f(a=(1, 2))]"), []],
    ["an end token in a string ends the block", block(`[f(a='${end}')]`), block(`[f(a='${end}')]`), []],
    ["an end token alone", `a${end}b`, `a${end}b`, []],
    ["no call", " Hello ", " Hello ", []],
    ["nothing", "", "", []],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(lfm2Parser.parse(text))).toEqual({ content, calls });
  });
});

describe("lfm2, strictly", () => {
  test.each([
    [
      "every block",
      `a ${block("[now()]")} b ${block("[f(a=-1)]")}`,
      "a  b",
      [nothing, ["f", '{"a": -1}']],
      [],
    ],
    ["an end token in a string", block(`[f(a='${end}')]`), null, [["f", `{"a": "${end}"}`]], []],
    ["a missing end token", `${start}[now()]`, null, [nothing], []],
    [
      "a broken block costs no good one",
      `${block("[f(a='x)]")}${block("[now()]")}`,
      block("[f(a='x)]"),
      [nothing],
      [`${start}[f(a='x)]`],
    ],
    [
      "none in thinking",
      `<think>${block("[now()]")}</think>x`,
      `<think>${block("[now()]")}</think>x`,
      [],
      [],
    ],
  ])("%s", (_title, text, content, calls, errors) => {
    const parsed = lfm2Parser.parse(text, { mode: "strict" });
    expect(summary(parsed)).toEqual({ content, calls });
    expect(parsed.errors.map(({ raw }) => raw)).toEqual(errors);
  });
});

test("spans point at the calls", () => {
  const text = `a ${block(" [f(a=1), now()] ")}`;
  expect(lfm2Parser.parse(text).toolCalls.map(({ raw }) => text.slice(...raw))).toEqual(["f(a=1)", "now()"]);
});

test("writes a list between its tokens", () => {
  const toolCalls = [{ name: "f", arguments: '{"a": "<|tool_call_end|>", "b": false}' }];
  expect(lfm2Parser.format({ content: "Hi", toolCalls })).toBe(
    `Hi\n${start}[f(a='\\x3c|tool_call_end|>', b=False)]${end}`,
  );
});

const fragments = [start, end, "[f(a=1)]", "[f(a='", block("[f(a=1)]")];
const { names, arguments: dicts } = pythonicCarries(fragments);
describeParserContract({
  parser: lfm2Parser,
  fragments,
  worstCases: [start, `${start}[f(#`, `${start}[f(a='''`, end, `${start}[f(a=1)]`],
  carries: { ...(names && { names }), ...(dicts && { arguments: dicts }) },
  markup: [start, end, "[", "]", ","],
});
