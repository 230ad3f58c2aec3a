/** The tiny policy's tokenizer and chat template, as every other part gets them. */
import { describe, expect, test } from "vitest";
import { tinyMathsLevels, tinyMathsProblem } from "../../environments/tiny-maths-problems.ts";
import type { AssistantMessage, ChatMessage } from "../../src/contracts/chat.ts";
import { chatMlFormat } from "../../src/practice/chatml-format.ts";
import { ChatFormat } from "../../src/tokens/chat-format.ts";
import { loadTokenizer } from "../../src/tokens/load-tokenizer.ts";
import { SegmentTracker } from "../../src/tokens/segment-tracker.ts";
import { pythonTool } from "../../src/tools/python-tool.ts";

const signal = new AbortController().signal;
const { tokenizer, chatTemplate } = await loadTokenizer("tiny-policy", { signal });
const tools = [pythonTool().schema];

const callOf = (code: string): AssistantMessage => {
  const call = { name: "python", arguments: `{"code": "${code}"}` };
  return {
    role: "assistant",
    content: null,
    tool_calls: [{ id: "call_0", type: "function", function: call }],
  };
};
const resultOf = (content: string): ChatMessage => ({ role: "tool", tool_call_id: "call_0", content });
const render = (messages: readonly ChatMessage[], withTools = true): string =>
  chatTemplate!.render({ messages, ...(withTools && { tools }), addGenerationPrompt: true });

describe("the tiny policy's chat template", () => {
  test("writes ChatML with Hermes' calls and results, and of the tools their names alone", () => {
    const text = render([
      { role: "system", content: "Be brief." },
      { role: "user", content: "What is 2+3?" },
      callOf("2+3"),
      resultOf('{"status":"success"}'),
    ]);
    expect(text).toBe(
      "<|im_start|>system\nBe brief.\nTools: python<|im_end|>\n" +
        "<|im_start|>user\nWhat is 2+3?<|im_end|>\n" +
        '<|im_start|>assistant\n<tool_call>\n{"name": "python", "arguments": {"code": "2+3"}}\n</tool_call><|im_end|>\n' +
        '<|im_start|>user\n<tool_response>\n{"status":"success"}\n</tool_response><|im_end|>\n' +
        "<|im_start|>assistant\n",
    );
    expect(render([{ role: "user", content: "Hi" }], false)).toBe(
      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    );
  });

  test("writes an answer that was read back as the model had sampled it", () => {
    const sampled = 'So:\n<tool_call>\n{"name": "python", "arguments": {"code": "12*7"}}\n</tool_call>';
    const message = chatMlFormat().readAnswer(sampled, "free");
    expect(message.tool_calls).toHaveLength(1);
    expect(render([{ role: "user", content: "?" }, message])).toContain(`assistant\n${sampled}<|im_end|>`);
  });
});

describe("the tiny policy's tokenizer", () => {
  test("has 512 ids and ends answers with <|im_end|>", () => {
    expect(tokenizer.vocabularySize).toBe(512);
    expect(tokenizer.decode([tokenizer.eosId!])).toBe("<|im_end|>");
  });

  test("gives back any text", () => {
    const text = "Zoë has 1234 naïve 猫 \u{1F408}\t\r\n\u0000 <|im_end|> and </tool_call>.";
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  test("writes every digit as a token of its own", () => {
    expect(tokenizer.encode("1987").map((id) => tokenizer.decode([id]))).toEqual(["1", "9", "8", "7"]);
  });

  test.each(tinyMathsLevels)("fits whole rollouts of level %d into 64 tokens", (level) => {
    for (let index = 0; index < 100; index += 1) {
      const problem = tinyMathsProblem(index, { seed: 11, level, split: "eval" });
      const ids = tokenizer.encode(
        render([
          { role: "user", content: problem.question },
          callOf(problem.expression),
          resultOf(`{"status":"success","output":"","result":"${problem.answer}"}`),
          { role: "assistant", content: String(problem.answer) },
        ]),
      );
      expect(ids.length).toBeLessThanOrEqual(64);
    }
  });
});

test("a rollout's one segment is the ids of its whole text, where the model samples as the tokenizer writes", async () => {
  const tracker = new SegmentTracker({ format: new ChatFormat({ tokenizer, template: chatTemplate! }) });
  const messages: ChatMessage[] = [{ role: "user", content: "Ann has 12 eggs and loses 5. How many eggs?" }];
  const answers = ['<tool_call>\n{"name": "python", "arguments": {"code": "12-5"}}\n</tool_call>', "7"];
  for (const text of answers) {
    const prepared = await tracker.prepare({ messages, tools, signal });
    expect(prepared.inputIds).toEqual(tokenizer.encode(render(messages)));
    const sampled = tokenizer.encode(`${text}<|im_end|>`);
    const message = chatMlFormat().readAnswer(text, "free");
    const logprobs = sampled.map(() => -0.5);
    tracker.commit(
      prepared,
      { ids: sampled, logprobs, logprobKind: "raw", finishReason: "stop", stopReason: null },
      message,
    );
    messages.push(message, resultOf('{"status":"success","output":"","result":"7"}'));
  }
  const segments = tracker.segments();
  expect(segments).toHaveLength(1);
  expect(tracker.statistics()).toMatchObject({ turns: 2, extended: 1, rendersWindows: true });
});
