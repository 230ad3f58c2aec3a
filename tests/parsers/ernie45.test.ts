import { ernie45Parser } from "../../parsers/ernie45.ts";
import { describeParserContract } from "../support/parser-contract.ts";
import { describeRows, raw } from "../support/parser-table.ts";

const f = '{"name": "f", "arguments": {"a": 1}}';
const block = `<tool_call>\n${f}\n</tool_call>`;
const call = ["f", '{"a": 1}'] as const;

describeRows("ernie45 as vLLM reads it", ernie45Parser, [
  ["one call", block, null, [call]],
  ["text before loses its newlines at the end", `Sure. \n\n${block}`, "Sure. ", [call]],
  ["text between and after is lost", `${block}x${block}y`, null, [call, call]],
  ["no end tag: no calls and no content", `<tool_call>\n${f}`, null],
  ["no end tag, text before", `Sure.\n<tool_call>\n${f}`, "Sure."],
  ["no name", '<tool_call>{"arguments": {}}</tool_call>', null, [["", "{}"]]],
  ["no arguments", '<tool_call>{"name": "f"}</tool_call>', null, [["f", "{}"]]],
  ["bad JSON", `x\n<tool_call>{"name": }</tool_call>${block}`, raw],
  [
    "an end tag in a string is passed over",
    '<tool_call>{"name": "f", "arguments": {"a": "</tool_call>"}}</tool_call>',
    null,
    [["f", '{"a": "</tool_call>"}']],
  ],
  [
    "an end tag after a brace in a string breaks it",
    '<tool_call>{"name": "f", "arguments": {"a": "}</tool_call>"}}</tool_call>',
    raw,
  ],
  ["no object", "<tool_call>[]</tool_call>", null],
  ["text before the brace skips the block", `<tool_call>x${f}</tool_call>${block}`, null, [call]],
  ["plain text", "Hello\n", "Hello\n"],
  ["a name that is no string", '<tool_call>{"name": 1}</tool_call>', raw],
]);

describeRows(
  "ernie45, strict",
  ernie45Parser,
  [
    ["no end tag", `Sure.\n<tool_call>\n${f}`, "Sure.", [call]],
    ["thinking that the template opened", `${block}\n</think>\n\n${block}`, `${block}\n</think>`, [call]],
    ["no name", '<tool_call>{"arguments": {}}</tool_call>', raw],
  ],
  { mode: "strict" },
);

describeParserContract({
  parser: ernie45Parser,
  fragments: ["<tool_call>", "</tool_call>", block],
  worstCases: [
    "<tool_call>",
    "<tool_call>{",
    "}</tool_call>",
    "<tool_call>{ </tool_call>",
    '<tool_call>{"a": "',
  ],
});
