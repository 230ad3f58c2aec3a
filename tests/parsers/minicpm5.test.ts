import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { minicpm5Parser } from "../../parsers/minicpm5.ts";
import type { ToolSchema } from "../../src/contracts/chat.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";
import { tool, typedArguments, typedTools } from "../support/typed-arguments.ts";

const required: ToolSchema = tool("needs", { a: { type: "string" } });
required.function.parameters.required = ["a"];
const tools = [
  tool("f", { n: { type: "integer" }, s: { type: "string" }, o: { type: "object" } }),
  required,
  tool("toggle_roaming", { line_id: { type: "string" }, enabled: { type: "boolean" } }),
];
const param = (key: string, value: string) => `<param name="${key}">${value}</param>`;
const call = (body: string, name = "f") => `<function name="${name}">${body}</function>`;
const one = ["f", '{"n": 1}'];

describe("minicpm5 as vLLM reads it", () => {
  test.each([
    ["one call", call(param("n", "1")), null, [one]],
    ["several calls", `${call(param("n", "1"))}\n${call("")}`, null, [one, ["f", "{}"]]],
    ["with calls there is no content", `a ${call(param("n", "1"))} b`, null, [one]],
    ["a missing end: text", `a <function name="f">`, 'a <function name="f">', []],
    ["an unknown tool stays in the content, stripped", ` ${call("", "g")} `, call("", "g"), []],
    ["beside a good call it is lost", call("", "g") + call(param("n", "1")), null, [one]],
    ["a required parameter", call("", "needs"), call("", "needs"), []],
    [
      "a parameter twice",
      call(param("n", "1") + param("n", "2")),
      call(param("n", "1") + param("n", "2")),
      [],
    ],
    ["a parameter without name", call("<param>1</param>"), call("<param>1</param>"), []],
    ["unknown keys are skipped", call(param("z", "9") + param("n", "1")), null, [one]],
    ["arguments in a wrapper", call(param("arguments", '{"n": 1, "z": 2}')), null, [one]],
    ["as Python too", call(param("properties", "{'n': 1}")), null, [one]],
    ["strings are verbatim in XML", call(param("s", " a\n")), null, [["f", '{"s": " a\\n"}']]],
    ["entities", call(param("s", "a &lt; b &amp;&#65;")), null, [["f", '{"s": "a < b &A"}']]],
    ["CDATA", call(param("s", "<![CDATA[<b>]]>")), null, [["f", '{"s": "<b>"}']]],
    [
      "what is no XML is read by its tags, stripped",
      call(param("s", " a < b & c ")),
      null,
      [["f", '{"s": "a < b & c"}']],
    ],
    [
      "JSON and Python values",
      call(param("o", '{"a":1}') + param("n", "0o10")),
      null,
      [["f", '{"o": {"a": 1}, "n": 8}']],
    ],
    ["what is neither stays text", call(param("n", "one")), null, [["f", '{"n": "one"}']]],
    ["collapsed tags", '<functionname="f"><paramname="n">1</param></function>', null, [one]],
    ["half-decoded text", '<functionĠname="f">Ċ<paramĠname="n">1</param></function>', null, [one]],
    ["single quotes", "<function name='f'><param name='n'>1</param></function>", null, [one]],
    [
      "aliases that the model learned",
      call(param("line_id", "L1"), "enable_roaming"),
      null,
      [["toggle_roaming", '{"line_id": "L1", "enabled": true}']],
    ],
    ["content is what follows thinking", "<think>plan</think>\n hi", "hi", []],
    ["unless nothing does", "<think>plan</think> ", "<think>plan</think> ", []],
    ["no call", " hi ", " hi ", []],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(minicpm5Parser.parse(text, { tools }))).toEqual({ content, calls });
  });

  test("without tools nothing is a call", () => {
    expect(summary(minicpm5Parser.parse(call(""))).calls).toEqual([]);
  });
});

test("minicpm5, strict, keeps text and says why a block does not count", () => {
  const text = `a ${call(param("n", "1"))} b ${call("", "needs")} ${call("", "g")}`;
  const parsed = minicpm5Parser.parse(text, { tools, mode: "strict" });
  expect(summary(parsed)).toEqual({ content: `a  b ${call("", "needs")} ${call("", "g")}`, calls: [one] });
  expect(parsed.errors.map(({ reason }) => reason)).toEqual([
    'The call of "needs" lacks the required parameter "a".',
    'There is no tool named "g".',
  ]);
});

const fragments = [
  '<function name="f">',
  "</function>",
  '<param name="a">',
  "</param>",
  "<param>",
  "<![CDATA[",
  "]]>",
  "&amp;",
  "Ġ",
];
describeParserContract({
  parser: minicpm5Parser,
  fragments,
  worstCases: [
    "<",
    "<function",
    '<function name="',
    "<function name='f'><param ",
    "<function></function>",
    "&",
    "<param name=",
  ],
  carries: {
    content: fc.constant(null),
    arguments: typedArguments(fragments, {
      carries: (text) => !/<\/param>|<\/function>|\]\]>|[ĠĊ\r]|<\w+name=|think>|\p{Cc}/u.test(text),
    }),
    tools: typedTools,
  },
});
