import { describe, expect, test } from "vitest";
import { deepseekV4Parser, deepseekV32Parser } from "../../parsers/deepseek-dsml.ts";
import { dumpJson } from "../../parsers/shared/json-calls.ts";
import { argumentDicts, describeParserContract, summary } from "../support/parser-contract.ts";
import { tool } from "../support/typed-arguments.ts";

const tools = [tool("f", { n: { type: "integer" }, s: { type: "string" } })];
const parameter = (key: string, value: string, isString = false) =>
  `<｜DSML｜parameter name="${key}" string="${isString}">${value}</｜DSML｜parameter>\n`;
const invoke = (body: string, name = "f") => `<｜DSML｜invoke name="${name}">\n${body}</｜DSML｜invoke>\n`;
const block = (body: string) => `<｜DSML｜function_calls>\n${body}</｜DSML｜function_calls>`;
const five = invoke(parameter("n", "5"));
const called = ["f", '{"n": 5}'];

describe("deepseek_v32 as vLLM reads it", () => {
  test.each([
    ["one call", block(five), null, [called]],
    ["several calls", block(five + five), null, [called, called]],
    ["content keeps its whitespace", ` Hm.\n\n${block(five)} done`, " Hm.\n\n", [called]],
    ["but pure whitespace is none", `\n\n${block(five)}`, null, [called]],
    ["a string is raw", block(invoke(parameter("z", ' "5" ', true))), null, [["f", '{"z": " \\"5\\" "}']]],
    ["then the schema has its say", block(invoke(parameter("n", "5", true))), null, [called]],
    [
      "JSON is read",
      block(invoke(parameter("z", '{"a":1.50, "b":[true]}'))),
      null,
      [["f", '{"z": {"a": 1.5, "b": [true]}}']],
    ],
    ["what is no JSON stays text", block(invoke(parameter("z", "abc"))), null, [["f", '{"z": "abc"}']]],
    [
      "a number where the schema says string",
      block(invoke(parameter("s", "5"))),
      null,
      [["f", '{"s": "5"}']],
    ],
    [
      "null where the schema says string",
      block(invoke(parameter("s", "null"))),
      null,
      [["f", '{"s": "null"}']],
    ],
    [
      "missing ends",
      `<｜DSML｜function_calls><｜DSML｜invoke name="f">${parameter("n", "5")}`,
      null,
      [called],
    ],
    [
      "the wrapper's end ends the call",
      `<｜DSML｜function_calls><｜DSML｜invoke name="f">${parameter("n", "5")}</｜DSML｜function_calls>x`,
      null,
      [called],
    ],
    [
      "a parameter without end takes the next along",
      block(invoke(`<｜DSML｜parameter name="s" string="true">a${parameter("n", "5")}`)),
      null,
      [["f", '{"s": "a<｜DSML｜parameter name=\\"n\\" string=\\"false\\">5"}']],
    ],
    [
      "a cut value is dropped",
      `<｜DSML｜function_calls><｜DSML｜invoke name="f">${parameter("n", "5")}<｜DSML｜parameter name="s" string="true">ab`,
      null,
      [called],
    ],
    [
      "no string attribute: no parameter",
      block(invoke('<｜DSML｜parameter name="n">5</｜DSML｜parameter>')),
      null,
      [["f", "{}"]],
    ],
    ["an invoke without wrapper is text", five, five, []],
    ["an empty block swallows the rest", `a ${block("")} b ${block("")}`, "a ", []],
    [
      "arguments in a wrapper are unwrapped",
      block(invoke(parameter("arguments", '{"n": 5}'))),
      null,
      [called],
    ],
    ["as text too", block(invoke(parameter("input", '{"n": "5"}', true))), null, [called]],
    [
      "but not with unknown keys",
      block(invoke(parameter("input", '{"q": 5}'))),
      null,
      [["f", '{"input": {"q": 5}}']],
    ],
    ["unknown tools are kept", block(invoke(parameter("n", "5", true), "g")), null, [["g", '{"n": "5"}']]],
    ["thinking is no business of V3.2", "<think>a</think>b", "<think>a</think>b", []],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(deepseekV32Parser.parse(text, { tools }))).toEqual({ content, calls });
  });
});

describe("deepseek_v4 as vLLM reads it", () => {
  const v4 = (text: string) => text.replaceAll("function_calls>", "tool_calls>");
  test.each([
    ["its wrapper", v4(block(five)), { content: null, calls: [called] }],
    [
      "thinking is taken out",
      `<think>plan </think>x${v4(block(five))}`,
      { content: "x", reasoning: "plan", calls: [called] },
    ],
    [
      "calls end thinking",
      `<think>plan${v4(block(five))}`,
      { content: null, reasoning: "plan", calls: [called] },
    ],
    ["a stray </think> is swallowed", "a</think>b", { content: "ab", calls: [] }],
    ["V3.2's wrapper is text", block(""), { content: block(""), calls: [] }],
  ])("%s", (_title, text, expected) => {
    expect(summary(deepseekV4Parser.parse(text, { tools }))).toEqual(expected);
  });
});

describe("deepseek_v32, strict", () => {
  test.each([
    ["all text is kept", `a ${block(`b ${five} c`)} d`, "a \nb \n c d", [called], []],
    ["after an empty block too", `a ${block("")} b ${block(five)}`, "a \n b", [called], []],
    ["arguments as one JSON object", block(invoke('{"n": 5}')), null, [called], []],
    ["an invoke that closes itself", block('<｜DSML｜invoke name="g"/>'), null, [["g", "{}"]], []],
    [
      "a body that is neither",
      block(invoke("n=5")),
      invoke("n=5").trim(),
      [],
      ['The call of "f": its body has neither parameters nor is it a JSON object.'],
    ],
    [
      "a cut value",
      `<｜DSML｜function_calls><｜DSML｜invoke name="f"><｜DSML｜parameter name="s" string="true">ab`,
      `<｜DSML｜invoke name="f"><｜DSML｜parameter name="s" string="true">ab`,
      [],
      ['The call of "f": the parameter "s" has no </｜DSML｜parameter>.'],
    ],
  ])("%s", (_title, text, content, calls, errors) => {
    const parsed = deepseekV32Parser.parse(text, { tools, mode: "strict" });
    expect(summary(parsed)).toEqual({ content, calls });
    expect(parsed.errors.map(({ reason }) => reason)).toEqual(errors);
  });
});

for (const [parser, name] of [
  [deepseekV32Parser, "function_calls"],
  [deepseekV4Parser, "tool_calls"],
] as const) {
  const wrapper = [`<｜DSML｜${name}>`, `</｜DSML｜${name}>`];
  const fragments = [
    ...wrapper,
    '<｜DSML｜invoke name="f">',
    "</｜DSML｜invoke>",
    '<｜DSML｜parameter name="a" string="true">',
    '<｜DSML｜parameter name="',
    "</｜DSML｜parameter>",
  ];
  const start = `${wrapper[0]}<｜DSML｜invoke name="f">`;
  describeParserContract({
    parser,
    fragments,
    worstCases: [
      "<",
      start,
      `${start}<｜DSML｜parameter name="`,
      '<｜DSML｜parameter name="a" string="true">',
      '">',
    ],
    markup: wrapper,
    carries: {
      arguments: argumentDicts(fragments).filter(
        (dict) => !/<\/｜DSML｜(?:parameter|invoke|function_calls|tool_calls)>|think>/.test(dumpJson(dict)),
      ),
    },
  });
}
