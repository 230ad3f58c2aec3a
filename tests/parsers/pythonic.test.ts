import { describe, expect, test } from "vitest";
import { llama4PythonicParser, pythonicParser } from "../../parsers/pythonic.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";
import { pythonicCarries } from "../support/pythonic-arguments.ts";

const paris = ["get_weather", '{"city": "Paris"}'];
const nothing = ["now", "{}"];

describe("pythonic as vLLM reads it", () => {
  test.each([
    ["one call", "[get_weather(city='Paris')]", [paris]],
    ["two calls", "[get_weather(city='Paris'), now()]", [paris, nothing]],
    ["calls without arguments", "[now(), now()]", [nothing, nothing]],
    ["a space before the keyword's sign is unknown to vLLM's pattern", '[get_weather(city = "Paris")]', null],
    ["spaces after the keyword's sign", '[get_weather(city= "Paris" )\n]', [paris]],
    [
      "all kinds of values",
      `[f(a=1, b=1.50, c=True, d=None, e=[1, 'x'], g={'k': {"n": 1e22}}, h=null, i=true, j=false)]`,
      [
        [
          "f",
          '{"a": 1, "b": 1.5, "c": true, "d": null, "e": [1, "x"], "g": {"k": {"n": 1e+22}}, "h": null, "i": true, "j": false}',
        ],
      ],
    ],
    [
      "big integers are exact",
      "[f(a=123456789012345678901234567890)]",
      [["f", '{"a": 123456789012345678901234567890}']],
    ],
    ["non-ASCII text is kept", "[f(a='天气 \\u00e9 \\n')]", [["f", '{"a": "天气 é \\n"}']]],
    ["neighbouring strings are joined", "[f(a='x' 'y')]", [["f", '{"a": "xy"}']]],
    [
      "keys of dicts become text",
      "[f(a={1: 2, True: 3, None: 4, 1.5: 5})]",
      [["f", '{"a": {"1": 2, "true": 3, "null": 4, "1.5": 5}}']],
    ],
    ["of a repeated argument the last counts", "[f(a=1, a=2)]", [["f", '{"a": 2}']]],
    [
      "a dotted name after a plain one",
      "[f(a=1), a.b.c(x=2)]",
      [
        ["f", '{"a": 1}'],
        ["a.b.c", '{"x": 2}'],
      ],
    ],
    [
      "arguments without names are lost",
      "[f(a=1), g('x', 2)]",
      [
        ["f", '{"a": 1}'],
        ["g", "{}"],
      ],
    ],
    [
      "the unpacking of a dict has the name null",
      "[f(a=1, **{'b': 2})]",
      [["f", '{"a": 1, "null": {"b": 2}}']],
    ],
    ["a line break after the list", "[now()]\n", [nothing]],
    ["one word after the list is Python too", "[now()]\nDone", [nothing]],
    ["a second list is lost", "[now()]\n[get_weather(city='Paris')]", [nothing]],
    ["a dotted name first is unknown to vLLM's pattern", "[a.b(x=1)]", null],
    ["a name that begins with an underscore too", "[_f(x=1)]", null],
    ["text before", "Sure: [now()]", null],
    ["whitespace before", " [now()]", null],
    ["prose after", "[now()] I called it.", null],
    ["prose on the next line", "[now()]\nI called it.", null],
    ["a negative number", "[f(a=-1)]", null],
    ["a tuple", "[f(a=(1, 2))]", null],
    ["a set", "[f(a={1, 2})]", null],
    ["a name as a value", "[f(a=x)]", null],
    ["an f-string", "[f(a=f'x')]", null],
    ["bytes", "[f(a=b'x')]", null],
    ["arithmetic", "[f(a=1+1)]", null],
    ["only arguments without names", "[f(1)]", null],
    ["a comma at the end", "[f(a=1),]", null],
    ["a comment before the end", "[f(a=1) # now\n]", null],
    ["cut off", "[get_weather(city='Par", null],
    ["not closed", "[get_weather(city='Paris')", null],
    ["one bad call spoils all", "[now(), f(a=x)]", null],
    ["an empty list", "[]", null],
    ["no list", "Hello", null],
    ["nothing", "", null],
    ["a raw line break in a string", "[f(a='x\ny')]", null],
    ["a keyword as a name", "[f(a=1, from='x')]", null],
    ["leading zeros", "[f(month=07)]", null],
  ])("%s", (_title, text, calls) => {
    const expected = calls === null ? { content: text, calls: [] } : { content: null, calls };
    expect(summary(pythonicParser.parse(text))).toEqual(expected);
  });
});

describe("pythonic, strictly", () => {
  const read = (text: string) => {
    const parsed = pythonicParser.parse(text, { mode: "strict" });
    return { ...summary(parsed), errors: parsed.errors };
  };
  test.each([
    [
      "text around the list is kept",
      "Sure:\n[now()] Done!",
      { content: "Sure:\n Done!", calls: [nothing], errors: [] },
    ],
    [
      "negative numbers and tuples are read",
      "[f(a=-1, b=(1, -2.5))]",
      { content: null, calls: [["f", '{"a": -1, "b": [1, -2.5]}']], errors: [] },
    ],
    [
      "a bad call costs no good one",
      "[now(), f(a=x), now()]",
      {
        content: "f(a=x)",
        calls: [nothing, nothing],
        errors: [{ reason: "The argument a of f must be a literal, got the name x.", raw: "f(a=x)" }],
      },
    ],
    [
      "arguments need names",
      "[f(1)]",
      {
        content: "f(1)",
        calls: [],
        errors: [{ reason: "Every argument of f must be given by its name, as in f(x=1).", raw: "f(1)" }],
      },
    ],
    [
      "an unpacked dict is merged",
      "[f(**{'a b': 1})]",
      { content: null, calls: [["f", '{"a b": 1}']], errors: [] },
    ],
    [
      "a Markdown link is text",
      "See [docs(v2)](http://x)",
      { content: "See [docs(v2)](http://x)", calls: [], errors: [] },
    ],
    [
      "no calls in thinking",
      "<think>[now()]</think>[now()]",
      { content: "<think>[now()]</think>", calls: [nothing], errors: [] },
    ],
    [
      "cut off",
      "[get_weather(city='Par",
      {
        content: "[get_weather(city='Par",
        calls: [],
        errors: [
          {
            reason: "The tool calls are no valid Python: a string is not closed.",
            raw: "[get_weather(city='Par",
          },
        ],
      },
    ],
  ])("%s", (_title, text, expected) => {
    expect(read(text)).toEqual(expected);
  });
});

describe("llama4_pythonic as vLLM reads it", () => {
  const wrapped = (list: string) => `<|python_start|>${list}<|python_end|>`;
  test.each([
    ["with tokens", wrapped("[get_weather(city='Paris')]"), null, [paris]],
    ["without tokens", "[get_weather(city='Paris')]", null, [paris]],
    ["without the end token", "<|python_start|>[now()]", null, [nothing]],
    ["two lists: one statement", `${wrapped("[now()]")}[now()]`, "[now()][now()]", []],
    ["two calls", wrapped("[get_weather(city='Paris'), now()]"), null, [paris, nothing]],
    [
      "end tokens anywhere",
      "<|python_start|>[now(<|python_end|>)]<|python_end|><|python_end|>",
      null,
      [nothing],
    ],
    ["an end token in a string is lost", wrapped("[f(a='x<|python_end|>y')]"), null, [["f", '{"a": "xy"}']]],
    ["no call: the text without tokens", wrapped("print(1)"), "print(1)", []],
    ["an end token without a start token stays", "Hi<|python_end|>", "Hi<|python_end|>", []],
    ["an end token after a bare list breaks it", "[now()]<|python_end|>", "[now()]<|python_end|>", []],
    ["a start token later stays", "Hi <|python_start|>[now()]", "Hi <|python_start|>[now()]", []],
    ["a negative number", wrapped("[f(a=-1)]"), "[f(a=-1)]", []],
    ["cut off", "<|python_start|>[f(a='", "[f(a='", []],
    ["whitespace after the token", wrapped("\n[now()]"), "\n[now()]", []],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(llama4PythonicParser.parse(text))).toEqual({ content, calls });
  });

  test("spans point into the text with its tokens", () => {
    const text = wrapped("[f(a=1), now(<|python_end|>)]");
    const { toolCalls } = llama4PythonicParser.parse(text);
    expect(toolCalls.map(({ raw }) => text.slice(...raw))).toEqual(["f(a=1)", "now(<|python_end|>)"]);
  });

  test("strictly, tokens are markup and text is kept", () => {
    const parsed = llama4PythonicParser.parse(`Sure. ${wrapped("[f(a=-1)]")} Done.`, { mode: "strict" });
    expect(summary(parsed)).toEqual({ content: "Sure.  Done.", calls: [["f", '{"a": -1}']] });
  });
});

test("plain text streams at once, a list waits for its end", () => {
  const stream = pythonicParser.createStream();
  expect([stream.push("He"), stream.push("llo [f()]")].map(({ content }) => content)).toEqual([
    "He",
    "llo [f()]",
  ]);
  const calls = llama4PythonicParser.createStream();
  expect(["<|py", "thon_start|>[now()]"].map((piece) => calls.push(piece).content)).toEqual(["", ""]);
  expect(calls.end().toolCalls).toHaveLength(1);
});

test("writes a list in Python's spelling", () => {
  const toolCalls = [
    { name: "f", arguments: '{"a": "it\'s\\n", "b": [1, 2.0, null, {"k": true}]}' },
    { name: "g", arguments: '{"from": 1}' },
  ];
  const list = "[f(a='it\\'s\\n', b=[1, 2.0, None, {'k': True}]), g(**{'from': 1})]";
  expect(pythonicParser.format({ content: "lost", toolCalls })).toBe(list);
  expect(llama4PythonicParser.format({ toolCalls })).toBe(`<|python_start|>${list}<|python_end|>`);
});

const fragments = ["[f(a=1)]", "[", ")]", "f(", "a='", "'", "<|python_start|>", "<|python_end|>", "**"];
const worstCases = ["[f(a='", "[f(", "<|python_start|>", "[f(#", ")]"];
for (const parser of [pythonicParser, llama4PythonicParser]) {
  describeParserContract({
    parser,
    fragments,
    worstCases,
    carries: pythonicCarries(fragments),
    markup: ["[", "]", ",", "<|python_start|>", "<|python_end|>"],
  });
}
