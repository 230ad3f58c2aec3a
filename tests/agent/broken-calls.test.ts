/** Calls that can't be read, from the model's ids to what it reads about them, on the servers that rollouts play on. */
import { describe, expect, test } from "vitest";
import { brokenCallReplies } from "../../src/agent/broken-calls.ts";
import { HermesAgentLoop } from "../../src/agent/hermes-agent-loop.ts";
import type { ManagedServerOptions } from "../../src/inference/managed-server.ts";
import { EventBus } from "../../src/telemetry/events.ts";
import { ChatFormat } from "../../src/tokens/chat-format.ts";
import { SegmentTracker } from "../../src/tokens/segment-tracker.ts";
import { recordEvents } from "../support/env-services.ts";
import { plainBackend, rolloutContext } from "../support/rollout-context.ts";
import { decode, encode, type ScriptedAnswer, said, scriptedServer } from "../support/scripted-tokens.ts";
import { loadTemplateFixtures } from "../support/template-fixtures.ts";
import { demoTools } from "./demo-tools.ts";

const good = '<tool_call>\n{"name": "echo", "arguments": {"text": "hi"}}\n</tool_call>';
const cut = '<tool_call>\n{"name": "echo", "arguments": {"text": "hi"\n</tool_call>';
const nameless = '<tool_call>\n{"arguments": {"text": "hi"}}\n</tool_call>';

async function play(answers: readonly ScriptedAnswer[], options: Partial<ManagedServerOptions> = {}) {
  const { tools, ran } = demoTools();
  const { managed, requests } = scriptedServer(answers, options);
  const events = new EventBus();
  const ended = recordEvents(events, "tool-end");
  const loop = new HermesAgentLoop({ server: managed, tools, maxTurns: 5, temperature: 1, events });
  const result = await loop.run([{ role: "user", content: "go" }], rolloutContext(plainBackend()));
  const prompts = requests.map(({ inputIds }) => decode([...inputIds]));
  return { result, ran, managed, requests, prompts, ended };
}

test("the model is told what is wrong with its call, reads it as a result, and goes on", async () => {
  const { result, ran, prompts, ended } = await play([said(cut), said(good), said("done")]);
  expect(result.stop).toBe("finished");
  expect(ran).toEqual(["echo hi"]);
  const [, answer, told] = result.messages;
  expect(answer).toEqual({ role: "assistant", content: cut });
  expect(told).toMatchObject({ role: "user", content: expect.stringMatching(/^<tool_response>\n{"error":/) });
  expect(prompts[1]).toMatch(
    /<tool_call>[\s\S]*<\/tool_call><\|im_end\|>\n<\|im_start\|>user\n<tool_response>\n\{"error":"The tool call is no valid JSON: [^\n]*\n<\/tool_response><\|im_end\|>\n<\|im_start\|>assistant\n$/,
  );
  expect(result.toolErrors).toEqual([
    {
      turn: 1,
      toolName: "echo",
      arguments: cut,
      error: expect.stringContaining("no valid JSON"),
      toolResult: expect.stringContaining("no valid JSON"),
    },
  ]);
  expect(result.toolCalls).toEqual({ attempted: 2, schemaValid: 1, executedOk: 1, executionErrors: 0 });
  expect(ended.map(({ tool, ok }) => [tool, ok])).toEqual([
    ["echo", false],
    ["echo", true],
  ]);
});

test("a good call beside broken ones runs, and all are answered in one go", async () => {
  const { result, ran, prompts } = await play([said(`${nameless}\n${good}\n${cut}`), said("done")]);
  expect(ran).toEqual(["echo hi"]);
  expect(result.messages.slice(2, -1)).toEqual([
    { role: "tool", tool_call_id: expect.any(String), content: "hi" },
    { role: "tool", tool_call_id: "b00010000", content: expect.stringContaining('the key \\"name\\"') },
    { role: "tool", tool_call_id: "b00010001", content: expect.stringContaining("no valid JSON") },
  ]);
  expect(prompts[1]?.match(/<tool_response>/g)).toHaveLength(3);
  expect(result.toolErrors.map(({ toolName, turn }) => [toolName, turn])).toEqual([
    ["", 1],
    ["echo", 1],
  ]);
  expect(result.toolCalls).toEqual({ attempted: 3, schemaValid: 1, executedOk: 1, executionErrors: 0 });
});

test("the rollout's tokens stay those that were sampled, in one segment", async () => {
  const answers = [said(cut), said(`${good}${nameless}`), said("done")];
  const { managed, requests } = await play(answers);
  const [segment, ...others] = managed.segments();
  expect(others).toEqual([]);
  expect(segment?.tokens.filter((_, at) => segment.sampled[at])).toEqual(
    answers.flatMap(({ ids }) => [...ids]),
  );
  for (const [turn, { inputIds }] of requests.entries()) {
    expect(segment?.tokens.slice(0, inputIds.length), `turn ${turn}`).toEqual(inputIds);
  }
});

test("a call that the token limit cut is counted, and ends the rollout as the limit does", async () => {
  const { result } = await play([{ ids: encode('<tool_call>\n{"name": "ec'), finishReason: "length" }]);
  expect(result).toMatchObject({ stop: "max-tokens", toolErrors: [], toolCalls: { attempted: 1 } });
});

test("with vLLM's reading, words that hold a broken call are the end, as they are there", async () => {
  const { result, ran } = await play([said(`${good}\n${cut}`)], { toolCallMode: "vllm" });
  expect(ran).toEqual([]);
  expect(result).toMatchObject({ stop: "finished", toolErrors: [], toolCalls: { attempted: 0 } });
});

const { signal } = new AbortController();
const fixtures = await loadTemplateFixtures();

/** A turn that is answered so, and the prompt after what the model is told about its broken call. */
async function secondPrompt(fixture: (typeof fixtures)[number], { besideGood }: { besideGood: boolean }) {
  const { tokenizer, chatTemplate: template } = fixture;
  const format = new ChatFormat({ tokenizer, template });
  const tracker = new SegmentTracker({ format });
  const tools = demoTools().tools.map(({ schema }) => schema);
  const ids = tokenizer.encode(`Hm.${cut}`);
  const message = {
    role: "assistant" as const,
    content: cut,
    reasoning_content: "Hm.",
    ...(besideGood && {
      tool_calls: [
        {
          id: "abcdefgh1",
          type: "function" as const,
          function: { name: "echo", arguments: '{"text": "hi"}' },
        },
      ],
    }),
  };
  const start = [{ role: "user" as const, content: "go" }];
  const first = await tracker.prepare({ messages: start, tools, signal });
  const logprobs = ids.map(() => -1);
  tracker.commit(
    first,
    { ids, logprobs, logprobKind: "raw", finishReason: "stop", stopReason: null },
    message,
  );
  const results = besideGood ? [{ role: "tool" as const, tool_call_id: "abcdefgh1", content: "hi" }] : [];
  const told = brokenCallReplies(["WRONG"], { turn: 1, afterResults: besideGood });
  const second = await tracker.prepare({ messages: [...start, message, ...results, ...told], tools, signal });
  return { second, sampledSoFar: [...first.inputIds, ...ids], text: tokenizer.decode(second.inputIds) };
}

describe.each(fixtures)("the template of $name", (fixture) => {
  test.each([{ besideGood: false }, { besideGood: true }])("writes the reply: %o", async (how) => {
    const { second, sampledSoFar, text } = await secondPrompt(fixture, how);
    expect(text).toContain("WRONG");
    // GLM's template leaves out the thinking before any user's message.
    const isRewritten = fixture.name === "glm-4.5" && !how.besideGood;
    expect(second.reason).toBe(isRewritten ? "history-rewritten" : null);
    if (!isRewritten) expect(second.inputIds.slice(0, sampledSoFar.length)).toEqual(sampledSoFar);
  });
});
