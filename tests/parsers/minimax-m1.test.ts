import { describe, expect, test } from "vitest";
import { minimaxParser } from "../../parsers/minimax-m1.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";

const one = '{"name": "f", "arguments": {"n": 1}}';
const called = ["f", '{"n": 1}'];
const block = (...lines: string[]) => `<tool_calls>\n${lines.join("\n")}\n</tool_calls>`;

describe("minimax as vLLM read it", () => {
  test.each([
    ["one call", block(one), null, [called]],
    ["a call on each line", block(one, one), null, [called, called]],
    ["text before is stripped, the end is lost", ` a\n${block(one)} b`, "a", [called]],
    ["a missing end", `<tool_calls>\n${one}`, null, [called]],
    ["bad lines are skipped", block("{bad}", "words", one, '{"name": "f"}'), null, [called]],
    ["a call over two lines is none", block('{"name": "f",', '"arguments": {}}'), null, []],
    ["calls in thinking are none", `<think>${block(one)}</think>hi`, `<think>${block(one)}</think>hi`, []],
    [
      "beside real ones",
      `<think>${block(one)}</think>\nLook. ${block(one)}`,
      `<think>${block(one)}</think>\nLook.`,
      [called],
    ],
    [
      "arguments are written anew",
      block('{"arguments":{"a":1.50,"b":"\\u00e9"},"name":"f"}'),
      null,
      [["f", '{"a": 1.5, "b": "é"}']],
    ],
    ["arguments as text are encoded twice", block('{"name": "f", "arguments": "{}"}'), null, [["f", '"{}"']]],
    ["an empty block", `a ${block("")}`, "a", []],
    ["several blocks", `${block(one)} and ${block(one)}`, null, [called, called]],
    ["no block", " hi ", " hi ", []],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(minimaxParser.parse(text))).toEqual({ content, calls });
  });

  test("calls say where they stand, also behind thinking that was taken out", () => {
    const text = `<think>${block(one)}</think>${block(one)}`;
    expect(minimaxParser.parse(text).toolCalls[0]?.raw).toEqual([
      text.lastIndexOf(one),
      text.lastIndexOf(one) + one.length,
    ]);
  });
});

test("minimax, strict, keeps good calls and reports bad ones", () => {
  const parsed = minimaxParser.parse(`a ${block(one, "{bad}")} b`, { mode: "strict" });
  expect(summary(parsed)).toEqual({ content: "a \n\n{bad}\n b", calls: [called] });
  expect(parsed.errors).toHaveLength(1);
});

const markup = ["<tool_calls>", "</tool_calls>"];
describeParserContract({
  parser: minimaxParser,
  fragments: [...markup, `\n${one}\n`, "<think>", "</think>"],
  worstCases: [
    "<",
    "<tool_calls>",
    `<tool_calls>\n${one}\n`,
    "<think><tool_calls></tool_calls>",
    "{\n",
    "x\n",
  ],
  markup,
});
