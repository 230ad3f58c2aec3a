import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatMessage } from "../../src/contracts/chat.ts";
import { chatMlFormat } from "../../src/practice/chatml-format.ts";
import { hermesCalls } from "../../src/practice/hermes-calls.ts";
import { loadTokenizer } from "../../src/tokens/load-tokenizer.ts";
import { never, python, qwen3 } from "./token-practice.ts";

const format = chatMlFormat();
const shipped = await loadTokenizer("practice", { signal: never });
const templates = [
  ["Qwen3's", qwen3.chatTemplate!],
  ["the shipped", shipped.chatTemplate!],
] as const;

const call = (id: string, code: string) => ({
  id,
  type: "function" as const,
  function: { name: "python", arguments: JSON.stringify({ code }).replace('":"', '": "') },
});

/** No text that templates give a meaning to, and nothing that they trim. */
const words = fc
  .array(fc.constantFrom("7 jars", "naïve 数", "🫙\n\n", '"quoted" \\n', "{x: 1}", "<b>"), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => parts.join(" ").trim());

describe.each(templates)("prompts that %s template wrote", (_name, template) => {
  test("are read back as the messages and tools that they were made from", () => {
    const messages: ChatMessage[] = [
      { role: "system", content: "Be exact." },
      { role: "user", content: "What is 12*7,\nand 84-5?" },
      {
        role: "assistant",
        content: "Both:",
        tool_calls: [call("call_0_0", "12*7"), call("call_0_1", "84-5")],
      },
      { role: "tool", tool_call_id: "call_0_0", content: '{"output": "84"}' },
      { role: "tool", tool_call_id: "call_0_1", content: "79\n</tool_response> is a word\n" },
      { role: "assistant", content: "84 and 79." },
      { role: "user", content: "Thanks – and 7*7?" },
    ];
    const text = template.render({ messages, tools: [python], addGenerationPrompt: true });
    expect(format.readPrompt(text)).toEqual({ messages, tools: [python], thinking: "free" });
  });

  test("whatever the messages say", () => {
    const turn = fc.record({ said: words, results: fc.array(words, { maxLength: 3 }) });
    fc.assert(
      fc.property(words, fc.array(turn, { maxLength: 4 }), (question, turns) => {
        const messages: ChatMessage[] = [{ role: "user", content: question }];
        for (const [number, { said, results }] of turns.entries()) {
          const tool_calls = results.map((code, index) => call(`call_${number}_${index}`, code));
          messages.push({ role: "assistant", content: said, ...(results.length > 0 && { tool_calls }) });
          for (const [index, content] of results.entries()) {
            messages.push({ role: "tool", tool_call_id: `call_${number}_${index}`, content });
          }
        }
        const text = template.render({ messages, tools: [python], addGenerationPrompt: true });
        expect(format.readPrompt(text).messages).toEqual(messages);
      }),
    );
  });

  test.each([
    ["free", {}],
    ["off", { enable_thinking: false }],
  ])("say that thinking is %s", (thinking, kwargs) => {
    const messages: ChatMessage[] = [{ role: "user", content: "7*7?" }];
    const text = template.render({ messages, addGenerationPrompt: true, kwargs });
    expect(format.readPrompt(text)).toEqual({ messages, tools: [], thinking });
  });
});

describe("prompts of other templates", () => {
  test("Hermes' tools on one line and its tool role", () => {
    const schema = JSON.stringify(python);
    const text =
      `<s><|im_start|>system\nYou call functions. <tools> ${schema} ${schema} </tools> Use <tool_call>.<|im_end|>\n` +
      "<|im_start|>user\n7*7?<|im_end|>\n" +
      '<|im_start|>assistant\n<tool_call>\n{"arguments": {"code": "7*7"}, "name": "python"}\n</tool_call><|im_end|>\n' +
      "<|im_start|>tool\n<tool_response>\n49\n</tool_response><|im_end|>\n<|im_start|>assistant\n<think>\n";
    const { messages, tools, thinking } = format.readPrompt(text);
    expect(tools).toEqual([python, python]);
    expect(thinking).toBe("open");
    expect(messages.map(({ role }) => role)).toEqual(["system", "user", "assistant", "tool"]);
    expect(messages[2]).toMatchObject({ content: null, tool_calls: [call("call_0_0", "7*7")] });
    expect(messages[3]).toEqual({ role: "tool", tool_call_id: "call_0_0", content: "49" });
  });

  test.each([
    ["plain text", "What is 7*7?"],
    ["nothing", ""],
    ["the start of a turn", "<|im_start|>"],
  ])("%s is read as something that a user said", (_name, text) => {
    expect(format.readPrompt(text).messages.at(-1)?.role).toBe("user");
  });

  test("reading never throws", () => {
    const pieces = [
      "<|im_start|>",
      "<|im_end|>",
      "assistant\n",
      "user\n",
      "system\n",
      "<tools>",
      "</tools>",
      "{",
      "}",
    ];
    const more = ["<tool_call>", "</tool_call>", "<tool_response>", "<think>", "</think>", '"name": 1', "x"];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces, ...more)), (parts) => {
        expect(format.readPrompt(parts.join("")).messages.length).toBeGreaterThan(0);
      }),
    );
  });
});

describe("answers", () => {
  const toolCalls = [
    { name: "python", arguments: '{"code": "print(\\"</think>\\")"}' },
    { name: "python", arguments: '{"code": "π = 3", "n": 1.0}' },
  ];

  test("are written as Qwen3 was trained to write them", () => {
    expect(
      format.writeAnswer({
        thoughts: "Hm.",
        thinking: "free",
        content: "Look:",
        toolCalls: toolCalls.slice(1),
      }),
    ).toBe(
      '<think>\nHm.\n</think>\n\nLook:\n<tool_call>\n{"name": "python", "arguments": {"code": "π = 3", "n": 1.0}}\n</tool_call>',
    );
  });

  test.each([
    ["thinking of its own", "free", "Hm.\nSo."],
    ["thinking that the prompt began", "open", "Hm."],
    ["no thinking", "free", null],
    ["thinking switched off", "off", null],
  ] as const)("%s is read back", (_name, thinking, thoughts) => {
    for (const content of [null, "Look: 好"]) {
      const text = format.writeAnswer({ thoughts, thinking, content, toolCalls });
      const message = format.readAnswer(text, thinking);
      expect(message.content).toBe(content);
      expect(message.reasoning ?? null).toBe(thoughts);
      expect(message.tool_calls?.map((one) => one.function)).toEqual(toolCalls);
    }
  });

  test.each([
    ["thinking without an end", "<think>\nHm", { content: null, reasoning: "Hm" }],
    ["a call without an end", 'So:\n<tool_call>\n{"name"', { content: 'So:\n<tool_call>\n{"name"' }],
    ["a call that is no JSON", "<tool_call>x</tool_call>", { content: "<tool_call>x</tool_call>" }],
  ])("cut ones: %s", (_name, text, expected) => {
    const message = format.readAnswer(text, "free");
    expect(message).toMatchObject(expected);
    expect(message.tool_calls).toBeUndefined();
  });

  test("another family's calls can be plugged in", () => {
    const pythonic = chatMlFormat({
      calls: { ...hermesCalls, format: ({ toolCalls }) => `[${toolCalls.map(({ name }) => `${name}()`)}]` },
    });
    expect(pythonic.writeAnswer({ thoughts: null, thinking: "free", content: null, toolCalls })).toBe(
      "[python(),python()]",
    );
  });
});
