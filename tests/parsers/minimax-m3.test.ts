import { describe, expect, test } from "vitest";
import { minimaxM3Parser } from "../../parsers/minimax-m3.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";
import { tool, typedArguments, typedTools } from "../support/typed-arguments.ts";

const mark = "]<]minimax[>[";
const element = (name: string, body: string) => `${mark}<${name}>${body}${mark}</${name}>`;
const invoke = (body: string, name = "f") => `${mark}<invoke name="${name}">${body}${mark}</invoke>`;
const block = (...invokes: string[]) => `${mark}<tool_call>\n${invokes.join("\n")}\n${mark}</tool_call>`;
const tools = [
  tool("f", {
    n: { type: "integer" },
    x: { type: "number" },
    b: { type: "boolean" },
    s: { type: "string" },
    o: { type: "object", properties: { k: { type: "integer" } }, additionalProperties: { type: "boolean" } },
    l: { type: "array", items: { type: "integer" } },
    u: { type: ["string", "null", "integer"] },
  }),
];
const one = ["f", '{"n":1}'];

describe("minimax_m3 as vLLM reads it", () => {
  test.each([
    ["one call", block(invoke(element("n", "1"))), null, [one]],
    ["several calls", block(invoke(element("n", "1")), invoke("")), null, [one, ["f", "{}"]]],
    ["text before is verbatim, the end is lost", ` a ${block(invoke(element("n", "1")))} b`, " a ", [one]],
    ["a missing end of the block", `${mark}<tool_call>${invoke(element("n", "1"))}\n`, null, [one]],
    ["half an end breaks all", `a ${mark}<tool_call>${invoke("")}\n]<]`, "raw", []],
    ["a missing end of the call too", `${mark}<tool_call>${mark}<invoke name="f">`, "raw", []],
    ["words in the block too", block("so", invoke("")), "raw", []],
    ["an element without end too", block(invoke(`${mark}<n>1`)), "raw", []],
    ["an empty block", `a ${block()}`, "raw", []],
    [
      "words among the parameters end them",
      block(invoke(`${element("n", "1")}so${element("s", "a")}`)),
      null,
      [one],
    ],
    [
      "numbers keep their point",
      block(invoke(element("x", "5.0") + element("b", " TRUE "))),
      null,
      [["f", '{"x":5.0,"b":true}']],
    ],
    [
      "objects from elements",
      block(invoke(element("o", element("k", "7") + element("z", "1")))),
      null,
      [["f", '{"o":{"k":7,"z":true}}']],
    ],
    [
      "arrays from elements of any name",
      block(invoke(element("l", element("item", "1") + element("y", "2")))),
      null,
      [["f", '{"l":[1,2]}']],
    ],
    [
      "several elements of one name",
      block(invoke(element("q", element("a", "1") + element("a", "2")))),
      null,
      [["f", '{"q":{"a":["1","2"]}}']],
    ],
    [
      "words beside elements",
      block(invoke(element("q", `so ${element("a", "1")}`))),
      null,
      [["f", '{"q":{"a":"1","$text":"so "}}']],
    ],
    ["JSON for objects and arrays", block(invoke(element("l", "[1, 2]"))), null, [["f", '{"l":[1,2]}']]],
    ["unions in vLLM's order", block(invoke(element("u", "12"))), null, [["f", '{"u":12}']]],
    [
      "null is null unless a string may be",
      block(invoke(element("q", "null") + element("s", "null") + element("u", "null"))),
      null,
      [["f", '{"q":null,"s":"null","u":null}']],
    ],
    ["values are verbatim", block(invoke(element("s", "\n a "))), null, [["f", '{"s":"\\n a "}']]],
    [
      "single quotes and none",
      block(`${mark}<invoke name='f'>${mark}</invoke>${mark}<invoke name=f>${mark}</invoke>`),
      null,
      [
        ["f", "{}"],
        ["f", "{}"],
      ],
    ],
    ["no block", "hi", "hi", []],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(minimaxM3Parser.parse(text, { tools }))).toEqual({
      content: content === "raw" ? text : content,
      calls,
    });
  });
});

test("minimax_m3, strict, keeps good calls and all text", () => {
  const bad = invoke(`${mark}<n>1`);
  const parsed = minimaxM3Parser.parse(`a ${block(invoke(element("n", "1")), bad)} b`, {
    tools,
    mode: "strict",
  });
  expect(summary(parsed)).toEqual({ content: `a \n\n${bad}\n b`, calls: [one] });
  expect(parsed.errors.map(({ reason }) => reason)).toEqual([
    'The tool call cannot be read: the parameters of "f" are not well formed.',
  ]);
});

const markup = [`${mark}<tool_call>`, `${mark}</tool_call>`];
const fragments = [
  ...markup,
  mark,
  invoke(""),
  `${mark}<invoke name="f">`,
  `${mark}</invoke>`,
  element("a", "1"),
  `${mark}<a>`,
  `${mark}</a>`,
];
describeParserContract({
  parser: minimaxM3Parser,
  fragments,
  worstCases: [
    "<",
    mark,
    `${mark}<tool_call>`,
    `${mark}<invoke name="`,
    `${mark}<invoke name=f>`,
    `${mark}<a>`,
    invoke(""),
  ],
  markup,
  carries: {
    arguments: typedArguments(fragments, {
      carries: (text) => !/\]<\]minimax|think>|e\+22|e-07|12345678901234567890/.test(text),
      without: ["nothing", "ratio"],
    }),
    tools: typedTools,
  },
});
