import fc from "fast-check";
import { expect, test } from "vitest";
import { apertusParser } from "../../parsers/apertus.ts";
import { gigachat3Parser } from "../../parsers/gigachat3.ts";
import { internlmParser, internS1Parser } from "../../parsers/internlm.ts";
import { llama3JsonParser, llama4JsonParser } from "../../parsers/llama-json.ts";
import { mistralParser } from "../../parsers/mistral.ts";
import { qwen25Parser, trinityParser } from "../../parsers/qwen25.ts";
import { describeParserContract } from "../support/parser-contract.ts";
import { describeRows, raw } from "../support/parser-table.ts";

const f = '{"name": "f", "arguments": {"a": 1}}';
const g = '{"name": "g", "arguments": {}}';
const call = ["f", '{"a": 1}'] as const;
const callG = ["g", "{}"] as const;
const tool = (name: string) => ({
  type: "function" as const,
  function: { name, description: "", parameters: {} },
});

const plugin = (json: string) => `<|action_start|><|plugin|>\n${json}<|action_end|>`;
describeRows("internlm as vLLM reads it", internlmParser, [
  ["one call", plugin(f), null, [call]],
  ["parameters", plugin('{"name": "f", "parameters": {"a": 1}}'), null, [call]],
  ["parameters win", plugin('{"name": "f", "arguments": {}, "parameters": {"a": 1}}'), null, [call]],
  ["neither key", plugin('{"name": "f"}'), null, [["f", "{}"]]],
  ["text before, verbatim", `Sure.\n${plugin(f)}`, "Sure.\n", [call]],
  ["text after is lost", `${plugin(f)} done`, null, [call]],
  ["no end tag", `<|action_start|><|plugin|>${f}`, null, [call]],
  ["text before the brace", `<|action_start|><|plugin|>call: ${f}<|action_end|>`, null, [call]],
  ["two calls raise in vLLM", plugin(f) + plugin(f), raw],
  ["bad JSON raises in vLLM", plugin("{]"), raw],
  ["no brace at all", plugin("x"), raw],
  ["a space between the tags", `<|action_start|> <|plugin|>${f}<|action_end|>`, raw],
  ["plain text", "Hello", "Hello"],
]);
describeRows(
  "internlm, strict",
  internlmParser,
  [
    ["two calls, text kept", `a${plugin(f)}b${plugin(g)}c`, "abc", [call, callG]],
    ["a bad call costs no good one", plugin("{]") + plugin(f), plugin("{]"), [call]],
  ],
  { mode: "strict" },
);
const spaced = (json: string) => plugin(json).replace("><", "> <");
describeRows("interns1 as SGLang reads it", internS1Parser, [
  ["several calls", `Hi ${spaced(f)}\n${spaced(g)}`, "Hi", [call, callG]],
  ["a bad block is skipped", spaced("{]") + spaced(f), null, [call]],
  ["no end tag: no call", `<|action_start|> <|plugin|>\n${f}`, null],
]);
describeRows(
  "interns1 and the tools of the request",
  internS1Parser,
  [["tools that were not offered are dropped", spaced(f) + spaced(g), null, [callG]]],
  { tools: [tool("g")] },
);

describeRows("llama3_json as vLLM reads it", llama3JsonParser, [
  ["a bare object", f, null, [call]],
  ["after the tag", `<|python_tag|>${f}`, null, [call]],
  ["parameters", '{"name": "f", "parameters": {"a": 1}}', null, [call]],
  ["arguments win", '{"name": "f", "parameters": {}, "arguments": {"a": 1}}', null, [call]],
  ["separated by semicolons", `${f}; ${g}`, null, [call, callG]],
  ["text around is lost", `Sure: ${f} and ${g}.`, null, [call, callG]],
  ["objects side by side: the second's insides break all", f + f, raw],
  [
    "side by side without insides: the second is lost",
    '{"name": "f", "arguments": 1}{"name": "g", "arguments": 2}',
    null,
    [["f", "1"]],
  ],
  ["a brace in the text before", `Use {x}: ${f}`, raw],
  ["a brace in the text after", `${f} {`, raw],
  ["an object without the keys", '{"a": 1}', raw],
  ["cut off", '{"name": "f", "parameters": {"a": ', raw],
  ["a name that is no string", '{"name": 1, "parameters": {}}', raw],
  ["nested calls are arguments", `{"name": "f", "parameters": {"b": ${g}}}`, null, [["f", `{"b": ${g}}`]]],
  ["the tag alone", "<|python_tag|>x", raw],
  ["plain text", "Hello", "Hello"],
]);
describeRows(
  "llama3_json, strict",
  llama3JsonParser,
  [
    ["text and other JSON are kept", `Use {x} or {"a": 1}: ${f} done`, 'Use {x} or {"a": 1}:  done', [call]],
    ["tag and semicolons go", `<|python_tag|>${f}; ${g}`, null, [call, callG]],
    ["side by side", f + g, null, [call, callG]],
    ["inside thinking", `<think>${f}</think>${g}`, `<think>${f}</think>`, [callG]],
    ["arguments that are no object", '{"name": "f", "arguments": 1}', raw],
  ],
  { mode: "strict" },
);
test("llama3_json, strict, reports only what begins like a call", () => {
  const { errors } = llama3JsonParser.parse('{x} {"name": "f", "parameters": {"a', { mode: "strict" });
  expect(errors.map((error) => error.raw)).toEqual(['{"name": "f", "parameters": {"a']);
});

describeRows("gigachat3 as vLLM reads it", gigachat3Parser, [
  ["one call", `<|function_call|>${f}`, null, [call]],
  ["text before", `Sure.\n<|function_call|>${f}`, "Sure.\n", [call]],
  [
    "the older form, behind a separator",
    `Sure.<|message_sep|>\n\nfunction call<|role_sep|>\n${f}`,
    "Sure.",
    [call],
  ],
  [
    "the older form alone stays in the content",
    `function call<|role_sep|>\n${f}`,
    `function call<|role_sep|>\n${f}`,
    [call],
  ],
  ["the end of text goes", `<|function_call|>${f}</s>`, null, [call]],
  ["text after", `<|function_call|>${f} done`, raw],
  ["text after loses the end of text", `<|function_call|>${f} done</s>\n`, `<|function_call|>${f} done`],
  [
    "raw newlines in strings",
    '<|function_call|>{"name": "f", "arguments": {"a": "1\n2"}}',
    null,
    [["f", '{"a": "1\\n2"}']],
  ],
  ["arguments that are no object", 'Hm<|function_call|>{"name": "f", "arguments": "x"}', "Hm"],
  ["no name", 'Hm<|function_call|>{"arguments": {}}', "Hm"],
  ["bad JSON", "<|function_call|>{]", raw],
  ["two calls", `<|function_call|>${f}<|function_call|>${f}`, raw],
  ["a separator alone ends the content", "Hello<|message_sep|>x", "Hello"],
  ["plain text", "Hello", "Hello"],
]);
describeRows(
  "gigachat3, strict",
  gigachat3Parser,
  [
    [
      "two calls and text after",
      `<|function_call|>${f}<|function_call|>${g} done</s>`,
      "done",
      [call, callG],
    ],
  ],
  { mode: "strict" },
);

describeRows("mistral as vLLM reads it", mistralParser, [
  ["a list", `[TOOL_CALLS] [${f}, ${g}]`, null, [call, callG]],
  ["a list without arguments", '[TOOL_CALLS][{"name": "f"}]', null, [["f", "{}"]]],
  ["text before a list is verbatim", `Sure. [TOOL_CALLS][${f}]`, "Sure. ", [call]],
  ["what follows a list is ignored", `[TOOL_CALLS][${f}] done ]`, null, [call]],
  ["a broken beginning of a list is tried again", `[TOOL_CALLS][x] [${f}] y`, null, [call]],
  [
    "a broken list is content without its marker",
    `Sure. [TOOL_CALLS] [{"name": "f", "argu`,
    '[{"name": "f", "argu',
  ],
  ["two lists raise in vLLM", `[TOOL_CALLS][${f}][TOOL_CALLS][${f}]`, raw],
  ["a name and arguments", '[TOOL_CALLS]f[ARGS]{"a": 1}', null, [call]],
  ["no separator", '[TOOL_CALLS]f{"a": 1}[TOOL_CALLS]g{}', null, [call, callG]],
  [
    "arguments keep their spelling",
    '[TOOL_CALLS]f[ARGS]{"a":1.50,"b":"\\u00e9"}',
    null,
    [["f", '{"a":1.50,"b":"\\u00e9"}']],
  ],
  ["text before is stripped", ' Sure.\n[TOOL_CALLS]f{"a": 1}', "Sure.", [call]],
  ["text after the arguments is lost", '[TOOL_CALLS]f{"a": 1} done', null, [call]],
  ["cut off", '[TOOL_CALLS]f[ARGS]{"a": ', null, [["f", '{"a":']]],
  ["no arguments", "[TOOL_CALLS]f[ARGS]", null, [["f", "{}"]]],
  ["a name alone", "[TOOL_CALLS]f", null, [["f", "{}"]]],
  ["an object without a name", `[TOOL_CALLS]${f}`, null, [["", f]]],
  [
    "the marker in a string ends the call",
    '[TOOL_CALLS]f{"a": "[TOOL_CALLS]"}',
    null,
    [
      ["f", '{"a": "'],
      ['"}', "{}"],
    ],
  ],
  ["plain text", " Hello", " Hello"],
]);
describeRows(
  "mistral, strict",
  mistralParser,
  [
    [
      "the marker in a string",
      '[TOOL_CALLS]f{"a": "[TOOL_CALLS]"} done',
      "done",
      [["f", '{"a": "[TOOL_CALLS]"}']],
    ],
    ["a broken call costs no good one", '[TOOL_CALLS]f{"a"[TOOL_CALLS]g{}', '[TOOL_CALLS]f{"a"', [callG]],
    ["a list's good calls are kept", `[TOOL_CALLS][${f}, {"name": "g"`, '{"name": "g"', [call]],
    [
      "inside thinking",
      "[THINK][TOOL_CALLS]f{}[/THINK][TOOL_CALLS]g{}",
      "[THINK][TOOL_CALLS]f{}[/THINK]",
      [callG],
    ],
  ],
  { mode: "strict" },
);
test("mistral's ids are what its templates take", () => {
  const ids = mistralParser.parse("[TOOL_CALLS]f{}[TOOL_CALLS]f{}").toolCalls.map(({ id }) => id);
  for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9]{9}$/);
  expect(new Set(ids).size).toBe(2);
});

const tools = (json: string) => `<|tools_prefix|>${json}<|tools_suffix|>`;
describeRows("apertus as vLLM reads it", apertusParser, [
  ["one call", tools('[{"f": {"a": 1}}]'), null, [call]],
  ["two calls", tools('[{"f": {"a": 1}}, {"g": {}}]'), null, [call, callG]],
  ["text before and after", ` Sure. ${tools('[{"f": {"a": 1}}]')} Done. `, "Sure.\nDone.", [call]],
  ["no suffix, text after", '<|tools_prefix|>[{"f": {"a": 1}}] Done.', "Done.", [call]],
  ["an object alone", tools('{"f": {"a": 1}}'), null, [call]],
  ["only the first key", tools('[{"f": {"a": 1}, "g": {}}]'), null, [call]],
  ["entries that are none are skipped", tools('[5, {}, {"f": {"a": 1}}]'), null, [call]],
  ["later blocks stay text", tools('[{"f": {"a": 1}}]') + tools("[]"), "<|tools_prefix|>[]", [call]],
  ["cut off in a string", '<|tools_prefix|>[{"f": {"a": "x', null, [["f", '{"a": "x"}']]],
  ["cut off in a key", '<|tools_prefix|>[{"f": {"a": 1, "b', null, [["f", '{"a": 1}']]],
  ["cut off in a literal", '<|tools_prefix|>[{"f": {"a": tr', null, [["f", '{"a": true}']]],
  ["cut off in a number", '<|tools_prefix|>[{"f": {"a": 1.', null, [["f", '{"a": 1}']]],
  [
    "cut off after an escape's beginning",
    '<|tools_prefix|>[{"f": {"a": "x\\u00',
    null,
    [["f", '{"a": "x"}']],
  ],
  ["cut off before arguments", '<|tools_prefix|>[{"f": {"a": 1}}, {"g":', null, [call]],
  ["wrong in the middle", tools('[{"f": x}]'), raw],
  ["plain text", "Hello", "Hello"],
]);

const block = (json: string) => `<tool_call>\n${json}\n</tool_call>`;
describeRows("qwen25 as SGLang reads it", qwen25Parser, [
  ["several calls, text stripped", ` Hi\n${block(f)}\n${block(g)}`, "Hi", [call, callG]],
  ["bad blocks are skipped", block("{]") + block(f), null, [call]],
  ["no newlines, no call", `<tool_call>${f}</tool_call>`, raw],
  ["no end tag: nothing", `<tool_call>\n${f}`, null],
  ["parameters", block('{"name": "f", "parameters": {"a": 1}}'), null, [call]],
  ["a list in a block", block(`[${f}, ${g}]`), null, [call, callG]],
  ["text after is lost", `${block(f)} done`, null, [call]],
  ["plain text", " Hello", " Hello"],
]);
describeRows(
  "qwen25 and the tools of the request",
  qwen25Parser,
  [["tools that were not offered are dropped", block(f) + block(g), null, [callG]]],
  { tools: [tool("g")] },
);
describeRows("trinity as SGLang reads it", trinityParser, [
  ["thinking's tags are removed", `<think>hm</think>${block(f)}`, "hm", [call]],
  ["calls inside thinking count", `<think>${block(f)}</think>`, null, [call]],
]);

const unmarked = { content: fc.constant(null) };
for (const parser of [internlmParser, internS1Parser]) {
  describeParserContract({
    parser,
    fragments: ["<|action_start|>", "<|plugin|>", "<|action_end|>", plugin(f), spaced(f)],
    worstCases: [
      "<|action_start|> <|plugin|>",
      '<|action_start|> <|plugin|>{"a": "',
      "<|action_start|>",
      "{",
    ],
    carries: parser === internlmParser ? { maxCalls: 1 } : {},
  });
}
for (const parser of [llama3JsonParser, llama4JsonParser]) {
  describeParserContract({
    parser,
    fragments: ["<|python_tag|>", "; ", f, "{", '{"name": "'],
    worstCases: ['{"a":', "{", '{"name": "f", "parameters": [', `${f}; `, "<|python_tag|>", '{"a', '{"a": "'],
    carries: unmarked,
    markup: ["<|python_tag|>", ";"],
  });
}
describeParserContract({
  parser: gigachat3Parser,
  fragments: [
    "<|function_call|>",
    "function call<|role_sep|>\n",
    "<|message_sep|>",
    "</s>",
    `<|function_call|>${f}`,
  ],
  worstCases: ["<|function_call|>", '<|function_call|>{"a": "', "<|message_sep|>", "</s>"],
  carries: { maxCalls: 1 },
  markup: ["<|message_sep|>", "</s>"],
});
describeParserContract({
  parser: mistralParser,
  fragments: [
    "[TOOL_CALLS]",
    "[ARGS]",
    "[THINK]",
    "[/THINK]",
    `[TOOL_CALLS][${f}]`,
    '[TOOL_CALLS]f[ARGS]{"a": 1}',
  ],
  worstCases: [
    "[TOOL_CALLS]",
    "[TOOL_CALLS][",
    "[TOOL_CALLS]f{",
    "[TOOL_CALLS][{",
    '[TOOL_CALLS]f{"a": "',
    "[TOOL_CALLS] [] [{",
  ],
  markup: ["[TOOL_CALLS]", "[", "]", ","],
});
describeParserContract({
  parser: apertusParser,
  fragments: ["<|tools_prefix|>", "<|tools_suffix|>", '[{"f": {"a": 1}}]', '[{"f": {"a": '],
  worstCases: ["<|tools_prefix|>", '<|tools_prefix|>[{"f": {"a": "', "<|tools_prefix|>[", "<|tools_suffix|>"],
  markup: ["<|tools_prefix|>", "<|tools_suffix|>", "[", "]", ","],
});
describeParserContract({
  parser: qwen25Parser,
  fragments: ["<tool_call>\n", "\n</tool_call>", block(f)],
  worstCases: ["<tool_call>\n", '<tool_call>\n{"a": "', "<tool_call>\n[\n</tool_call>"],
});
describeParserContract({
  parser: trinityParser,
  fragments: ["<tool_call>\n", "\n</tool_call>", block(f)],
  worstCases: ["<think>", "<tool_call>\n", "</think><tool_call>\n{\n</tool_call>"],
});
