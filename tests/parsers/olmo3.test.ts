import { describe, expect, test } from "vitest";
import { olmo3Parser } from "../../parsers/olmo3.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";
import { pythonicCarries } from "../support/pythonic-arguments.ts";

const wrapped = (lines: string) => `<function_calls>${lines}</function_calls>`;
const paris = ["get_weather", '{"city": "Paris"}'];
const nothing = ["now", "{}"];

describe("olmo3 as vLLM reads it", () => {
  test.each([
    ["one call", wrapped("get_weather(city='Paris')"), [paris]],
    ["two lines", wrapped("get_weather(city='Paris')\nnow()"), [paris, nothing]],
    ["empty lines and spaces", wrapped("\n  get_weather(city='Paris')  \n\n\tnow()\n"), [paris, nothing]],
    ["commas do what lines do", wrapped("now(), now()"), [nothing, nothing]],
    ["without tags", "get_weather(city='Paris')\nnow()", [paris, nothing]],
    ["text outside the tags is lost", `Sure. ${wrapped("now()")} Done.`, [nothing]],
    ["only the first block", `${wrapped("now()")}${wrapped("get_weather(city='Paris')")}`, [nothing]],
    [
      "other line breaks",
      wrapped("now()\r\nnow()\u2028now()\x0cnow()"),
      [nothing, nothing, nothing, nothing],
    ],
    ["JSON's literals", wrapped("f(a=null, b=true, c=false)"), [["f", '{"a": null, "b": true, "c": false}']]],
    ["a call over two lines gets a comma too many", wrapped("f(a=1,\nb=2)"), null],
    ["lines inside a list may break", wrapped("f(a=[1\n2])"), [["f", '{"a": [1, 2]}']]],
    ["a missing end tag", "<function_calls>now()", null],
    ["a missing start tag", "now()</function_calls>", null],
    ["an empty block", wrapped(""), null],
    ["a negative number", wrapped("f(a=-1)"), null],
    ["one bad line spoils all", wrapped("now()\nf(a=x)"), null],
    ["cut off", wrapped("f(a='x"), null],
    ["prose", "I will call it.", null],
    ["nothing", "", null],
  ])("%s", (_title, text, calls) => {
    const expected = calls === null ? { content: text, calls: [] } : { content: null, calls };
    expect(summary(olmo3Parser.parse(text))).toEqual(expected);
  });

  test("spans point into the text", () => {
    const text = `x ${wrapped("\n f(a=1) \n g(b=[2\n3])")}`;
    const { toolCalls } = olmo3Parser.parse(text);
    expect(toolCalls.map(({ raw }) => text.slice(...raw))).toEqual(["f(a=1)", "g(b=[2\n3])"]);
  });
});

describe("olmo3, strictly", () => {
  test.each([
    [
      "text is kept",
      `Sure. ${wrapped("now()\nf(a=-1)")} Done.`,
      "Sure. \n Done.",
      [nothing, ["f", '{"a": -1}']],
      [],
    ],
    ["a call over two lines", wrapped("f(a='x',\n  b=2)"), null, [["f", '{"a": "x", "b": 2}']], []],
    [
      "a tag in a string",
      wrapped("f(a='</function_calls>')"),
      null,
      [["f", '{"a": "</function_calls>"}']],
      [],
    ],
    ["a missing end tag", "<function_calls>now()", null, [nothing], []],
    [
      "a bad line costs no good one",
      wrapped("now()\nf(a='x\nnow()"),
      "\nf(a='x",
      [nothing, nothing],
      ["f(a='x"],
    ],
    ["code in prose is text", "print(x) prints.", "print(x) prints.", [], []],
    ["bare calls are calls", "now()\nnow()", null, [nothing, nothing], []],
    ["none in thinking", `<think>${wrapped("now()")}</think>`, `<think>${wrapped("now()")}</think>`, [], []],
  ])("%s", (_title, text, content, calls, errors) => {
    const parsed = olmo3Parser.parse(text, { mode: "strict" });
    expect(summary(parsed)).toEqual({ content: content === null ? null : content.trim(), calls });
    expect(parsed.errors.map(({ raw }) => raw)).toEqual(errors);
  });
});

test("writes a line for each call", () => {
  const toolCalls = [
    { name: "f", arguments: '{"a": "x\\u2028y</function_calls>"}' },
    { name: "g", arguments: "{}" },
  ];
  expect(olmo3Parser.format({ content: "Hi", toolCalls })).toBe(
    "Hi\n<function_calls>f(a='x\\u2028y\\x3c/function_calls>')\ng()</function_calls>",
  );
});

const fragments = ["<function_calls>", "</function_calls>", "f(a=1)", "\n", "f(a='", "\u2028"];
describeParserContract({
  parser: olmo3Parser,
  fragments,
  worstCases: ["<function_calls>", "<function_calls>f(#", "<function_calls>f(a='''", "f(a=1,\n", "\u2028"],
  carries: pythonicCarries(fragments),
  markup: ["<function_calls>", "</function_calls>"],
});
