import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createCompletionParser } from "../../parsers/completion-parser.ts";
import { detectParsers } from "../../parsers/detect-parsers.ts";
import { getParser, parserNames } from "../../parsers/index.ts";
import { getReasoningParser, reasoningParserNames } from "../../parsers/reasoning.ts";
import { expectLinear } from "../support/linear-time.ts";

type Row = readonly [
  parser: string,
  text: string,
  reasoning: string | null,
  content: string | null,
  thinking?: boolean,
];
const rows: readonly Row[] = [
  ["deepseek_r1", "<think>a</think>b", "a", "b"],
  ["deepseek_r1", "a\n</think>\n\nb", "a\n", "\n\nb"],
  ["deepseek_r1", "x<think>a</think>", "a", null],
  ["deepseek_r1", "never ends", "never ends", null],
  ["deepseek_r1", "<think>a</think>b</think>c", "a", "b</think>c"],
  ["deepseek_v3", "<think>a</think>b", null, "<think>a</think>b"],
  ["deepseek_v3", "<think>a</think>b", "a", "b", true],
  ["holo2", "a</think>b", "a", "b"],
  ["qwen3", "<think>\na\n</think>\n\nb", "\na", "\n\nb"],
  ["qwen3", "a<tool_call>x</tool_call>", "a", "<tool_call>x</tool_call>"],
  ["qwen3", "a</think>b<think>c</think>d", "a", "b<think>cd"],
  ["qwen3", "a", "a", null],
  ["qwen3", "a", null, "a", false],
  ["glm45", "<think>a\n</think>b<think>c</think>d", "a\nc", "bd"],
  ["ling3", "only thoughts", null, "only thoughts"],
  ["seed_oss", "<seed:think>a</seed:think>b", "a", "b"],
  ["kimi_k2", "a<|tool_calls_section_begin|>x", "a", "<|tool_calls_section_begin|>x"],
  ["minimax_m2", "a</think>b", "a", "b"],
  ["minimax_m2_append_think", "a</think>b", null, "<think>a</think>b"],
  ["minimax_m3", "x<mm:think>a</mm:think>b", "a", "xb", false],
  ["minimax_m3", "</mm:think>b", null, "b"],
  ["deepseek_v4", "a<｜DSML｜tool_calls>x", "a", "<｜DSML｜tool_calls>x"],
  ["mistral", "[THINK]a[/THINK]b", "a", "b"],
  ["mistral", "b", null, "b"],
  ["step3", "a</think>b", "a", "b"],
  ["step3p5", "<think>a\n</think>\nb", "a", "b"],
  ["ernie45", "abc\n</think>\n\n<response>\ndef\n</response>\n", "abc\n", "\ndef\n"],
  ["granite", "Here's my thought process: a Here is my response: b", " a ", " b"],
  ["granite", "Here is my thought process: a", null, "Here is my thought process: a"],
  ["hunyuan_a13b", "<think>\na\n</think>\n<answer>\nb\n</answer>", "a", "b"],
  ["hunyuan_a13b", "<think>\na\n</think>\n<answer>\nb", "a", "b"],
  ["hunyuan_a13b", "b", null, "b"],
  ["olmo3", "a</think>b", "a", "b"],
  ["olmo3", "b", null, "b"],
  ["gemma4", "<|channel>thought\na\n<channel|>b", "a", "b"],
  ["kimi_k3", "<|open|>think<|sep|>a<|close|>think<|sep|>b", "a", "b"],
  ["cohere_command3", "<|START_THINKING|>a<|END_THINKING|>b", "a", "b"],
  [
    "openai_gptoss",
    "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b",
    "a",
    "<|channel|>final<|message|>b",
  ],
];

describe("reasoning as vLLM splits it", () => {
  const cases = rows.map(([name, text, reasoning, content, thinking]) => ({
    name,
    text,
    expected: { reasoning, content },
    context: thinking === undefined ? {} : { thinking },
  }));
  test.each(cases)("$name: $text", ({ name, text, expected, context }) => {
    const { reasoning, content } = getReasoningParser(name).split(text, context);
    expect({ reasoning, content }).toEqual(expected);
  });

  test.each(reasoningParserNames)("%s never throws and says where the content stands", (name) => {
    const pieces = rows.flatMap(([, text]) => text.split(/(?<=[>\]:])|(?=[<[])/));
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...pieces), { maxLength: 8 }),
        fc.boolean(),
        (chosen, thinking) => {
          const text = chosen.join("");
          const { content, contentStart } = getReasoningParser(name).split(text, { thinking });
          if (contentStart > 0) expect(text.startsWith(content ?? "", contentStart)).toBe(true);
        },
      ),
    );
  });

  test.each(reasoningParserNames)("%s takes linear time", (name) => {
    for (const piece of [
      "<think>",
      "</think>",
      "<",
      "Here is my thought process:",
      "<|channel|>analysis<|message|>",
    ]) {
      expectLinear(piece, 500_000, (text) => void getReasoningParser(name).split(text));
    }
  });
});

describe("a completion with thinking and calls", () => {
  const call = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>';
  const parser = createCompletionParser({
    toolCallParser: getParser("hermes"),
    reasoningParser: getReasoningParser("qwen3"),
  });

  test("thinking first, calls of the rest, places in the whole", () => {
    const text = `<think>\nhm\n</think>\n\n${call}`;
    const { content, reasoning, toolCalls } = parser.parse(text);
    expect({ content, reasoning }).toEqual({ content: null, reasoning: "\nhm" });
    expect(toolCalls.map(({ raw }) => text.slice(...raw))).toEqual([call]);
  });

  test("a stream gives what the whole gives", () => {
    const text = `hm</think>Hi ${call}`;
    const stream = parser.createStream();
    for (const character of text) stream.push(character);
    const { toolCalls, ...rest } = stream.end();
    expect(rest).toEqual({ content: "Hi ", reasoning: "hm", errors: [] });
    expect(toolCalls).toHaveLength(1);
  });

  test("either parser may lack", () => {
    expect(createCompletionParser({}).parse("a").content).toBe("a");
    expect(
      createCompletionParser({ toolCallParser: getParser("hermes") }).parse(call).toolCalls,
    ).toHaveLength(1);
    expect(
      createCompletionParser({ reasoningParser: getReasoningParser("step3") }).parse("a</think>b"),
    ).toEqual({
      content: "b",
      reasoning: "a",
      toolCalls: [],
      errors: [],
    });
  });
});

describe("detection", () => {
  test.each([
    ["{{ '<tool_call>' }}{{ enable_thinking }}", "Qwen/Qwen3-8B", "hermes", "qwen3"],
    ["<tool_call>\n<function=", null, "qwen3_coder", null],
    ["[TOOL_CALLS]", null, "mistral", null],
    ["<tool_call> <arg_key> <think>", "zai-org/GLM-4.7", "glm47", "glm45"],
    [null, "meta-llama/Llama-3.1-8B-Instruct", "llama3_json", null],
    [null, "openai/gpt-oss-20b", "openai", "openai_gptoss"],
    ["{{ messages }}", "someone/model", null, null],
    [null, null, null, null],
  ])("%j, %j", (chatTemplate, modelName, toolCallParser, reasoningParser) => {
    const found = detectParsers({ chatTemplate, modelName });
    expect(found).toMatchObject({
      toolCallParser,
      ...(toolCallParser === "glm47" ? {} : { reasoningParser }),
    });
    expect(found.why).toMatch(/\.$/);
  });
});

test("an unknown name is refused with the closest", () => {
  expect(() => getParser("hermess")).toThrow(
    expect.objectContaining({ code: "PARSER_UNKNOWN", hint: 'Did you mean "hermes"?' }),
  );
  expect(() => getReasoningParser("qwen33")).toThrow(
    expect.objectContaining({ hint: 'Did you mean "qwen3"?' }),
  );
  expect(parserNames).toContain("llama");
});
