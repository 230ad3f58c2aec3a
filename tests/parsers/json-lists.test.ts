import fc from "fast-check";
import { cohereCommand3Parser, cohereCommand4Parser } from "../../parsers/cohere-command.ts";
import { hunyuanA13bParser } from "../../parsers/hunyuan-a13b.ts";
import { jambaParser } from "../../parsers/jamba.ts";
import { phi4MiniJsonParser } from "../../parsers/phi4-mini.ts";
import { xlamParser } from "../../parsers/xlam.ts";
import { argumentDicts, describeParserContract } from "../support/parser-contract.ts";
import { describeRows, raw } from "../support/parser-table.ts";

const f = '{"name": "f", "arguments": {"a": 1}}';
const call = ["f", '{"a": 1}'] as const;
const block = `<tool_calls>[${f}]</tool_calls>`;

describeRows("jamba as vLLM reads it", jambaParser, [
  ["one call", block, null, [call]],
  ["two calls over lines", `<tool_calls>[\n  ${f},\n  ${f}\n]</tool_calls>`, null, [call, call]],
  ["text before", `Sure.\n${block}`, "Sure.\n", [call]],
  ["one space is no content", ` ${block}`, null, [call]],
  ["a newline is content", `\n${block}`, "\n", [call]],
  ["text after is lost", `${block} done`, null, [call]],
  ["a second block is lost", block + block, null, [call]],
  ["no end tag", `<tool_calls>[${f}]`, raw],
  ["bad JSON", "<tool_calls>[{]</tool_calls>", raw],
  ["an object", `<tool_calls>${f}</tool_calls>`, raw],
  ["no arguments", `<tool_calls>[${f}, {"name": "g"}]</tool_calls>`, raw],
  ["an empty list", "x<tool_calls>[]</tool_calls>", "x"],
  ["plain text", "Hello", "Hello"],
]);
describeRows(
  "jamba, strict",
  jambaParser,
  [
    ["every block, text around kept", `a${block}b${block}c`, "abc", [call, call]],
    ["no end tag", `<tool_calls>[${f}, {"name": "g", "argu`, '{"name": "g", "argu', [call]],
    ["a bad entry", `<tool_calls>[{"name": "g"}, ${f}]</tool_calls>`, '{"name": "g"}', [call]],
  ],
  { mode: "strict" },
);

describeRows("hunyuan_a13b as vLLM reads it", hunyuanA13bParser, [
  ["one call", block, null, [call]],
  ["text before", `Sure.\n${block}`, "Sure.\n", [call]],
  ["whitespace before is no content", ` \n${block}`, null, [call]],
  ["text after is lost", `${block} done`, null, [call]],
  ["not inside thinking", `<think>${block}</think>ok`, raw],
  ["the block after the thinking", `<think>${block}</think>${block}`, `<think>${block}</think>`, [call]],
  ["thinking without end hides nothing", `<think>${block}`, "<think>", [call]],
  [
    "the first block that is JSON",
    `<tool_calls>x</tool_calls>${block}`,
    "<tool_calls>x</tool_calls>",
    [call],
  ],
  ["no block is JSON", "<tool_calls>x</tool_calls>", raw],
  ["no list", `x<tool_calls>${f}</tool_calls>`, "x"],
  ["no list and nothing before", `<tool_calls>${f}</tool_calls>`, raw],
  [
    "entries without both keys are skipped",
    `<tool_calls>[{"name": "g"}, 5, ${f}]</tool_calls>`,
    null,
    [call],
  ],
  [
    "a string is passed on",
    '<tool_calls>[{"name": "f", "arguments": "{\\"a\\":1}"}]</tool_calls>',
    null,
    [["f", '{"a":1}']],
  ],
  ["arguments of another type break all", '<tool_calls>[{"name": "f", "arguments": [1]}]</tool_calls>', raw],
  ["the template's word goes once", "助手：你好助手：", "你好助手："],
  ["no end tag", `<tool_calls>[${f}]`, raw],
]);

describeRows("xlam as vLLM reads it", xlamParser, [
  ["a bare list", `[${f}]`, null, [call]],
  ["a bare list with space around", `\n[${f}, ${f}]\n`, null, [call, call]],
  ["prose after a bare list", `[${f}] done`, raw],
  ["a code block", `Sure.\n\`\`\`json\n[${f}]\n\`\`\`\nDone.`, "Sure.\n\nDone.", [call]],
  ["a code block without a language", `\`\`\`\n[${f}]\`\`\``, "", [call]],
  [
    "the first block that is JSON, all blocks gone",
    `\`\`\`sh\nls\n\`\`\` x \`\`\`json\n[${f}]\n\`\`\``,
    "x",
    [call],
  ],
  ["after the mistral marker, to the line's end", `a [TOOL_CALLS][${f}]\nb`, "a \nb", [call]],
  ["in hermes' tags", `<tool_call>[${f}]</tool_call>`, "", [call]],
  ["after thinking", `<think>hm</think> [${f}]`, "<think>hm</think>", [call]],
  ["a code block after thinking", `hm</think>so \`\`\`json\n[${f}]\`\`\``, "hm</think>", [call]],
  ["an object is no list", `\`\`\`json\n${f}\n\`\`\``, raw],
  ["entries without both keys are skipped", `[{"name": "g"}, ${f}]`, null, [call]],
  ["nothing but skipped entries", '[{"name": "g"}]', null],
  ["arguments of another type", '[{"name": "g", "arguments": 5}]', raw],
  ["cut off", '[{"name": "g", "arguments": {', raw],
  ["plain text", "Hello", "Hello"],
]);
describeRows(
  "xlam, strict",
  xlamParser,
  [
    ["prose after a bare list", `[${f}] done`, "done", [call]],
    ["a code block that is no call", "```json\n[1]\n```", raw],
    ["cut off", `[${f}, {"name": "g`, '{"name": "g', [call]],
    ["inside thinking", `<think>[${f}]</think>[${f}]`, `<think>[${f}]</think>`, [call]],
  ],
  { mode: "strict" },
);

describeRows("phi4_mini_json as vLLM reads it", phi4MiniJsonParser, [
  ["one call", `functools[${f}]`, null, [call]],
  ["two calls", `functools[${f}, ${f}]`, null, [call, call]],
  ["text around is lost", `Sure. functools[${f}] done`, null, [call]],
  ["parameters", 'functools[{"name": "f", "parameters": {"b": 2}}]', null, [["f", '{"b": 2}']]],
  ["arguments win", 'functools[{"name": "f", "parameters": {}, "arguments": {"a": 1}}]', null, [call]],
  ["an array ends the list: no calls, no content", 'functools[{"name": "f", "arguments": {"a": [1]}}]', null],
  ["so does a bracket in a string", 'functools[{"name": "f", "arguments": {"a": "]"}}]', null],
  ["bad JSON is swallowed", "functools[{]", null],
  ["an empty list", "functools[]", null],
  ["neither key", 'functools[{"name": "f"}]', raw],
  ["entries that are no objects", "functools[1]", raw],
  ["no closing bracket", `functools[${f}`, raw],
  ["a space before the bracket", `functools [${f}]`, raw],
  ["plain text", "Use functools.", raw],
]);
describeRows(
  "phi4_mini_json, strict",
  phi4MiniJsonParser,
  [
    [
      "arrays and text around",
      'Sure functools[{"name": "f", "arguments": {"a": [1]}}] done',
      "Sure  done",
      [["f", '{"a": [1]}']],
    ],
    ["the word alone", "Use functools for it.", raw],
  ],
  { mode: "strict" },
);

const action = '[{"tool_call_id": "0", "tool_name": "f", "parameters": {"a": 1}}]';
describeRows("cohere_command3", cohereCommand3Parser, [
  ["an action", `<|START_ACTION|>${action}<|END_ACTION|>`, null, [call]],
  [
    "thinking is not content",
    `<|START_THINKING|>hm<|END_THINKING|><|START_ACTION|>\n${action}\n<|END_ACTION|>`,
    null,
    [call],
  ],
  ["a response", "<|START_RESPONSE|>Hello<|END_RESPONSE|>", "Hello"],
  ["a text", "<|START_TEXT|>Hello<|END_TEXT|>", "Hello"],
  ["a response that is cut off", "<|START_THINKING|>hm<|END_THINKING|>\n<|START_RESPONSE|>Hel", "Hel"],
  ["thinking that is cut off", "<|START_THINKING|>hm", null],
  [
    "no parameters",
    '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "f"}]<|END_ACTION|>',
    null,
    [["f", "{}"]],
  ],
  ["no end tag", `<|START_ACTION|>${action}`, null, [call]],
  ["bad JSON", "<|START_ACTION|>[{]<|END_ACTION|>", null],
  ["text without tags", "Hello", "Hello"],
  [
    "actions inside thinking",
    `<|START_THINKING|><|START_ACTION|>${action}<|END_ACTION|><|END_THINKING|>`,
    null,
  ],
  [
    "two actions",
    `<|START_ACTION|>[${action.slice(1, -1)}, ${action.slice(1, -1)}]<|END_ACTION|>`,
    null,
    [call, call],
  ],
]);

const listMarkup = ["[", "]", ","];
describeParserContract({
  parser: jambaParser,
  fragments: ["<tool_calls>", "</tool_calls>", block],
  worstCases: ["<tool_calls>", "<tool_calls>[", '<tool_calls>[{"a": "', "<tool_calls>[</tool_calls>"],
  markup: ["<tool_calls>", "</tool_calls>", ...listMarkup],
});
describeParserContract({
  parser: hunyuanA13bParser,
  fragments: ["<tool_calls>", "</tool_calls>", block, "助手："],
  worstCases: [
    "<tool_calls>",
    "<think>",
    "<think><tool_calls>",
    "<tool_calls>[</tool_calls>",
    "<think></think><tool_calls>[</tool_calls>",
  ],
  markup: ["<tool_calls>", "</tool_calls>", ...listMarkup],
});
describeParserContract({
  parser: xlamParser,
  fragments: ["```", "```json\n", "[TOOL_CALLS]", "<tool_call>", "</tool_call>", `[${f}]`],
  worstCases: [
    "```",
    "[TOOL_CALLS]",
    "<tool_call>",
    '[{"name": "f", "arguments": [',
    "```json [1] ",
    "<tool_call>[</tool_call>",
  ],
  markup: ["```json", "```", "json", "[TOOL_CALLS]", "<tool_call>", "</tool_call>", ...listMarkup],
});
describeParserContract({
  parser: phi4MiniJsonParser,
  fragments: ["functools[", "functools", "]", `functools[${f}]`],
  worstCases: ["functools[", "functools", "functools[{", "]"],
  carries: {
    content: fc.constant(null),
    arguments: argumentDicts(["functools[", "]"]).filter((dict) => !hasArray(dict)),
  },
  markup: ["functools", ...listMarkup],
});
for (const parser of [cohereCommand3Parser, cohereCommand4Parser]) {
  describeParserContract({
    parser,
    fragments: [
      "<|START_ACTION|>",
      "<|END_ACTION|>",
      "<|START_THINKING|>",
      "<|END_THINKING|>",
      `<|START_ACTION|>${action}<|END_ACTION|>`,
    ],
    worstCases: [
      "<|START_ACTION|>",
      "<|START_ACTION|>[",
      "<|START_THINKING|>",
      "<|START_RESPONSE|><|END_THINKING|>",
    ],
    channels: true,
  });
}

function hasArray(value: unknown): boolean {
  if (Array.isArray(value)) return true;
  return value instanceof Map && [...value.values()].some(hasArray);
}
