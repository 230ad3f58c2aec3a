import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { gemma4Parser } from "../../parsers/gemma4.ts";
import { readGemmaArguments } from "../../parsers/gemma4-arguments.ts";
import { dumpJson } from "../../parsers/shared/json-calls.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";
import { tool } from "../support/typed-arguments.ts";

const tools = [
  tool("f", {
    n: { type: "integer" },
    b: { type: "boolean" },
    s: { type: "string" },
    l: { type: "array", items: { type: "number" } },
    o: { type: "object", properties: { k: { type: "integer" } } },
  }),
];
const quoted = (text: string) => `<|"|>${text}<|"|>`;
const call = (body: string, name = "f") => `<|tool_call>call:${name}{${body}}<tool_call|>`;

describe("the notation of the arguments", () => {
  test.each([
    ["", "{}"],
    [" \n", "{}"],
    [`a:${quoted("x, y}: z")},b:42`, '{"a": "x, y}: z", "b": "42"}'],
    ["a: true , b:\n-1.5", '{"a": "true", "b": "-1.5"}'],
    [`${quoted("a b")}:1`, '{"a b": "1"}'],
    ["a:{b:{c:1},d:2},e:3", '{"a": {"b": {"c": "1"}, "d": "2"}, "e": "3"}'],
    [`a:[1,${quoted("x")},[2],{b:3}]`, '{"a": ["1", "x", ["2"], {"b": "3"}]}'],
    [`a:{b:${quoted("}")}}`, '{"a": {"b": "}"}}'],
    ["a:", '{"a": ""}'],
    ["a: ", '{"a": ""}'],
    ["a", "{}"],
    ['a:<|"|>open', '{"a": "open"}'],
    ["a:{b:1,c:2", '{"a": {"b": "1"}}'],
    ["a:[1,2", '{"a": ["1"]}'],
    ["a:}b:1", "{}"],
    ["a:1}b:2", '{"a": "1", "}b": "2"}'],
    ["a:{b:[}],c:1}", '{"a": {"b": []}, "],c": "1"}'],
  ])("%s", (text, json) => {
    expect(dumpJson(readGemmaArguments(text))).toBe(json);
  });

  test("takes any text", () => {
    const pieces = fc.constantFrom("a:", "{", "}", "[", "]", ",", '<|"|>', "x", " ", ".", ":");
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
        readGemmaArguments(parts.join(""));
      }),
      { numRuns: 2000 },
    );
  });

  test("does not overflow the stack", () => {
    expect(readGemmaArguments("a:{".repeat(100_000)).size).toBe(1);
  });
});

describe("gemma4 as vLLM reads it", () => {
  test.each([
    ["one call", call("n:5,b:true"), { content: null, calls: [["f", '{"n": 5, "b": true}']] }],
    [
      "several calls",
      call("n:5") + call(`s:${quoted("5")}`),
      {
        content: null,
        calls: [
          ["f", '{"n": 5}'],
          ["f", '{"s": "5"}'],
        ],
      },
    ],
    ["no arguments", call(""), { content: null, calls: [["f", "{}"]] }],
    [
      "nested values by the schema",
      call(`l:[1,2.5],o:{k:7,z:7}`),
      { content: null, calls: [["f", '{"l": [1, 2.5], "o": {"k": 7, "z": "7"}}']] },
    ],
    ["text before is stripped, the end is lost", ` a ${call("")} b`, { content: "a", calls: [["f", "{}"]] }],
    ["a missing end", "<|tool_call>call:f{n:5}", { content: null, calls: [["f", '{"n": 5}']] }],
    [
      "a cut string is kept",
      '<|tool_call>call:f{s:<|"|>abc',
      { content: null, calls: [["f", '{"s": "abc"}']] },
    ],
    ["cut in the name", "<|tool_call>call:fo", { content: null, calls: [["fo", "{}"]] }],
    ["cut before the name", "a <|tool_call>ca", { content: "a ", calls: [] }],
    ["parentheses", "<|tool_call>call:f(n:5)<tool_call|>", { content: null, calls: [["f", '{"n": 5}']] }],
    ["a stray end is swallowed", "a<tool_call|>b", { content: "ab", calls: [] }],
    [
      "thinking is taken out",
      "<|channel>thought\nplan<channel|>x",
      { content: "x", reasoning: "plan", calls: [] },
    ],
    [
      "thinking that the template opened",
      "thought\nplan<channel|>x",
      { content: "x", reasoning: "plan", calls: [] },
    ],
    [
      "a call ends thinking",
      `<|channel>thought\nplan${call("n:5")}`,
      { content: null, reasoning: "plan", calls: [["f", '{"n": 5}']] },
    ],
    [
      "unknown tools are kept, values are strings",
      call("n:5", "g"),
      { content: null, calls: [["g", '{"n": "5"}']] },
    ],
  ])("%s", (_title, text, expected) => {
    expect(summary(gemma4Parser.parse(text, { tools }))).toEqual(expected);
  });
});

describe("gemma4, strict", () => {
  test.each([
    ["all text is kept", `a ${call("n:5")} b`, "a  b", [["f", '{"n": 5}']], []],
    [
      "no calls from thinking",
      `<|channel>${call("n:5")}<channel|>x`,
      `<|channel>${call("n:5")}<channel|>x`,
      [],
      [],
    ],
    [
      "a cut call",
      "<|tool_call>call:f{n:5,",
      "<|tool_call>call:f{n:5,",
      [],
      ['The call of "f": its arguments break off.'],
    ],
  ])("%s", (_title, text, content, calls, errors) => {
    const parsed = gemma4Parser.parse(text, { tools, mode: "strict" });
    expect(summary(parsed)).toEqual({ content, calls });
    expect(parsed.errors.map(({ reason }) => reason)).toEqual(errors);
  });
});

const strings = fc.string({ unit: "grapheme", maxLength: 12 }).filter((text) => !/\||^$/.test(text));
describeParserContract({
  parser: gemma4Parser,
  fragments: [
    "<|tool_call>",
    "<tool_call|>",
    "call:",
    "call:f{",
    "}",
    '<|"|>',
    "a:",
    "<|channel>",
    "<channel|>",
  ],
  worstCases: [
    "<",
    "<|tool_call>call:f{",
    "<|tool_call>call:f{a:",
    "a:{",
    "{a},",
    '<|"|>',
    "<|tool_call>call:f{}<tool_call|>",
  ],
  markup: ["<|tool_call>", "<tool_call|>"],
  carries: {
    arguments: fc
      .array(fc.tuple(fc.constantFrom("city", "q", "名"), strings), { maxLength: 3 })
      .map((entries) => new Map(entries)),
  },
});
