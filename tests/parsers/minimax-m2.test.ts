import { describe, expect, test } from "vitest";
import { minimaxM2Parser } from "../../parsers/minimax-m2.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";
import { tool, typedArguments, typedTools } from "../support/typed-arguments.ts";

const tools = [tool("f", { n: { type: "integer" }, s: { type: "string" } })];
const parameter = (key: string, value: string) => `<parameter name="${key}">${value}</parameter>\n`;
const invoke = (body: string, name = "f") => `<invoke name="${name}">\n${body}</invoke>\n`;
const block = (...invokes: string[]) => `<minimax:tool_call>\n${invokes.join("")}</minimax:tool_call>`;
const five = invoke(parameter("n", "5"));
const called = ["f", '{"n": 5}'];

describe("minimax_m2 as vLLM reads it", () => {
  test.each([
    ["one call", block(five), null, [called]],
    ["several calls", block(five, five), null, [called, called]],
    ["several blocks", `${block(five)} and ${block(five)}`, null, [called, called]],
    ["content is stripped, the end is lost", ` Hm.\n${block(five)} done`, "Hm.", [called]],
    ["a bare invoke", `a ${five} b`, "a", [called]],
    ["single quotes", "<invoke name='f'><parameter name='n'>5</parameter></invoke>", null, [called]],
    ["no quotes", "<invoke name=f><parameter name=n>5</parameter></invoke>", null, [called]],
    [
      "quotes that do not match",
      `<invoke name="f><parameter name="n>5</parameter></invoke>`,
      null,
      [["f", '{"\\"n": "5"}']],
    ],
    ["values are verbatim", block(invoke(parameter("s", "\n a \n"))), null, [["f", '{"s": "\\n a \\n"}']]],
    ["keys are stripped", block(invoke(parameter(" n ", "5"))), null, [called]],
    ["empty keys are skipped", block(invoke(parameter("", "5"))), null, [["f", "{}"]]],
    [
      "a parameter ends at the next",
      block(invoke('<parameter name="s">a<parameter name="n">5</parameter>')),
      null,
      [["f", '{"s": "a", "n": 5}']],
    ],
    [
      "a cut value is dropped",
      '<minimax:tool_call><invoke name="f"><parameter name="n">5</parameter><parameter name="s">ab',
      null,
      [called],
    ],
    ["an unknown tool is dropped", `a ${block(invoke("", "g"))}`, "a ", []],
    [
      "a name in spaces is found, and what follows comes first",
      `a ${block(invoke("", " f "))} b`,
      "ba",
      [["f", "{}"]],
    ],
    ["an empty block leaves the content", "a <minimax:tool_call>\n</minimax:tool_call> b", "a  b", []],
    ["a stray end is swallowed", "a</minimax:tool_call>b", "ab", []],
    ["thinking stays, its end does not", "<think>plan</think>x", "<think>planx", []],
    ["text in the wrapper is lost", `<minimax:tool_call>so ${five} and</minimax:tool_call>`, null, [called]],
    ["no call", "a < b > c", "a < b > c", []],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(minimaxM2Parser.parse(text, { tools }))).toEqual({ content, calls });
  });
});

describe("minimax_m2, strict", () => {
  test.each([
    ["all text is kept", `a ${block(`so ${five} and`)} b`, "a \nso \n and b", [called], []],
    ["unknown tools are for the agent loop to refuse", block(invoke("", "g")), null, [["g", "{}"]], []],
    [
      "a cut value",
      `${block(five)}<minimax:tool_call><invoke name="f"><parameter name="s">ab`,
      '<invoke name="f"><parameter name="s">ab',
      [called],
      ['The call of "f": the parameter "s" has no </parameter>.'],
    ],
  ])("%s", (_title, text, content, calls, errors) => {
    const parsed = minimaxM2Parser.parse(text, { tools, mode: "strict" });
    expect({ ...summary(parsed), content: parsed.content }).toEqual({ content, calls });
    expect(parsed.errors.map(({ reason }) => reason)).toEqual(errors);
  });
});

const wrapper = ["<minimax:tool_call>", "</minimax:tool_call>"];
const fragments = [
  ...wrapper,
  '<invoke name="f">',
  "<invoke name='",
  "</invoke>",
  '<parameter name="a">',
  "<parameter name=",
  "</parameter>",
];
describeParserContract({
  parser: minimaxM2Parser,
  fragments,
  worstCases: [
    "<",
    '<invoke name="',
    "<invoke name=f><parameter name=",
    '<parameter name="',
    "<parameter name='a>",
    "<parameter name=a>",
    "<invoke name=f></invoke>",
  ],
  markup: wrapper,
  carries: {
    arguments: typedArguments(fragments, {
      carries: (text) => !/<\/?parameter|<\/invoke>|think>/.test(text),
    }),
    tools: typedTools,
  },
});
