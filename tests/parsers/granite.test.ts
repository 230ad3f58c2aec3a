import fc from "fast-check";
import { granite4Parser, granite20bFunctionCallingParser, graniteParser } from "../../parsers/granite.ts";
import { describeParserContract } from "../support/parser-contract.ts";
import { describeRows, raw } from "../support/parser-table.ts";

const f = '{"name": "f", "arguments": {"a": 1}}';
const call = ["f", '{"a": 1}'] as const;

describeRows("granite as vLLM reads it", graniteParser, [
  ["a list after the token", `<|tool_call|>[${f}]`, null, [call]],
  ["a list after the word", `<tool_call>[${f}, ${f}]`, null, [call, call]],
  ["both prefixes", `<|tool_call|><tool_call> [${f}]`, null, [call]],
  ["no prefix", `\n [${f}]\n`, null, [call]],
  ["an empty list", "[]", null, []],
  ["text before", `Sure <|tool_call|>[${f}]`, raw],
  ["text after", `<|tool_call|>[${f}] done`, raw],
  ["one object", `<|tool_call|>${f}`, raw],
  ["cut off", `<|tool_call|>[${f}, {"name"`, raw],
  ["an entry without arguments", `<|tool_call|>[${f}, {"name": "g"}]`, raw],
  ["the prefixes the other way round", `<tool_call><|tool_call|>[${f}]`, raw],
  ["plain text", "[1] see below", raw],
  [
    "numbers and escapes anew",
    `[{"name": "f", "arguments": {"x": 1.50, "y": "\\u00e9"}}]`,
    null,
    [["f", '{"x": 1.5, "y": "é"}']],
  ],
  ["a string is dumped again", `[{"name": "f", "arguments": "x"}]`, null, [["f", '"x"']]],
]);

describeRows(
  "granite, strict",
  graniteParser,
  [
    ["text around", `Sure <|tool_call|>[${f}] done`, "Sure  done", [call]],
    ["a bad entry costs no good one", `<|tool_call|>[${f}, {"name": 1}]`, '{"name": 1}', [call]],
    ["cut off", `<|tool_call|>[${f}, {"name"`, '{"name"', [call]],
    ["no prefix", ` [${f}]`, null, [call]],
    ["inside thinking", `<think><tool_call>[${f}]</think>ok`, raw],
  ],
  { mode: "strict" },
);

describeRows("granite4 as vLLM reads it", granite4Parser, [
  ["one call", `<tool_call>\n${f}\n</tool_call>`, null, [call]],
  ["two calls, a line apart", `<tool_call>${f}</tool_call>\n<tool_call>${f}</tool_call>`, "\n", [call, call]],
  [
    "all text around is content",
    `a<tool_call>${f}</tool_call>b<tool_call>${f}</tool_call>c`,
    "abc",
    [call, call],
  ],
  ["no end tag", `<tool_call>${f}`, raw],
  ["two start tags", `<tool_call><tool_call>${f}</tool_call>`, raw],
  ["an end tag alone", `${f}</tool_call>`, raw],
  ["an empty call", "<tool_call></tool_call>", raw],
  [
    "a string is kept",
    '<tool_call>{"name": "f", "arguments": "{\\"a\\": 1.50}"}</tool_call>',
    null,
    [["f", '{"a": 1.50}']],
  ],
  ["null arguments", '<tool_call>{"name": "f", "arguments": null}</tool_call>', raw],
  ["no arguments", '<tool_call>{"name": "f"}</tool_call>', raw],
  ["a list", `<tool_call>[${f}]</tool_call>`, raw],
  ["a tag in a string", '<tool_call>{"name": "f", "arguments": {"a": "</tool_call>"}}</tool_call>', raw],
  ["plain text", "Hello", "Hello"],
  ["nothing", "", null],
]);

describeRows("granite-20b-fc as vLLM reads it", granite20bFunctionCallingParser, [
  ["one call", `<function_call> ${f}`, null, [call]],
  ["two calls", `<function_call>${f}<function_call>\n${f}`, null, [call, call]],
  ["text before", `Sure.\n<function_call>${f}`, "Sure.\n", [call]],
  ["text after is ignored", `<function_call>${f} done`, null, [call]],
  ["text between is ignored", `<function_call>${f} and <function_call>${f}`, null, [call, call]],
  ["bad JSON anywhere", `<function_call>${f}<function_call>{"name"`, raw],
  ["nothing after the tag", "<function_call>", raw],
  ["no arguments", '<function_call>{"name": "f"}', raw],
  ["a list", `<function_call>[${f}]`, raw],
  ["the tag in a string", '<function_call>{"name": "f", "arguments": {"a": "<function_call>"}}', raw],
  ["non-ASCII space before the JSON", `<function_call>\u00a0${f}`, null, [call]],
  ["plain text", "Hello", "Hello"],
]);

describeRows(
  "granite-20b-fc, strict",
  granite20bFunctionCallingParser,
  [
    [
      "bad calls stay in the content",
      `a <function_call>${f} b <function_call>{]`,
      "a  b <function_call>{]",
      [call],
    ],
    [
      "the tag in a string",
      '<function_call>{"name": "f", "arguments": {"a": "<function_call>"}}',
      null,
      [["f", '{"a": "<function_call>"}']],
    ],
  ],
  { mode: "strict" },
);

describeParserContract({
  parser: graniteParser,
  fragments: ["<|tool_call|>", "<tool_call>", `<|tool_call|>[${f}]`],
  worstCases: ["<tool_call>", "<tool_call>[", '[{"a":', "<"],
  carries: { content: fc.constant(null) },
  markup: ["<|tool_call|>", "<tool_call>", "[", "]", ","],
});
describeParserContract({
  parser: granite4Parser,
  fragments: ["<tool_call>", "</tool_call>", `<tool_call>${f}</tool_call>`],
  worstCases: ["<tool_call>", '<tool_call>{"a": "', "</tool_call>", `<tool_call>${f}</tool_call>`],
});
describeParserContract({
  parser: granite20bFunctionCallingParser,
  fragments: ["<function_call>", `<function_call> ${f}`],
  worstCases: ["<function_call>", '<function_call>{"a": "', "<function_call>["],
});
