import { describe, expect, test } from "vitest";
import type { ChatMessage, ToolSchema } from "../../src/contracts/chat.ts";
import { decode, encode, imEnd, letters, said, scriptedServer } from "../support/scripted-tokens.ts";

const signal = new AbortController().signal;
const user = (content: string): ChatMessage => ({ role: "user", content });
const search: ToolSchema = {
  type: "function",
  function: { name: "search", description: "Searches.", parameters: { type: "object", properties: {} } },
};
const call = '<tool_call>\n{"name": "search", "arguments": {"query": "x"}}\n</tool_call>';

describe("a chat", () => {
  test("gives the message, exact usage, and a node of ids, masks and log-probabilities", async () => {
    const { managed, requests } = scriptedServer([said("Four.")]);
    const answer = await managed.chatCompletion({ messages: [user("2 + 2?")] }, { signal });
    const prompt = [...(requests[0]?.inputIds ?? [])];
    expect(decode(prompt)).toContain("2 + 2?");
    expect(answer.choices).toEqual([
      { index: 0, message: { role: "assistant", content: "Four." }, finish_reason: "stop" },
    ]);
    const sampled = [...encode("Four."), imEnd];
    expect(answer.usage).toEqual({
      prompt_tokens: prompt.length,
      completion_tokens: sampled.length,
      total_tokens: prompt.length + sampled.length,
    });
    const [node, ...others] = managed.getState().nodes;
    expect(others).toEqual([]);
    expect(node?.tokens).toEqual([...prompt, ...sampled]);
    expect(node?.masked_tokens).toEqual([...prompt.map(() => -100), ...sampled]);
    expect(node?.logprobs.slice(0, prompt.length).every((value) => value === 1)).toBe(true);
    expect(node?.logprobs.slice(prompt.length).every((value) => value < 0)).toBe(true);
    expect(node).toMatchObject({
      full_text: decode(node?.tokens ?? []),
      metadata: { finish_reason: "stop" },
    });
  });

  test("goes on from the sampled ids, however odd, and stays one node", async () => {
    const odd = { ids: [...letters("a crate"), imEnd] };
    const { managed, requests } = scriptedServer([odd, said("Seven.")]);
    const first = [user("What?")];
    const { choices } = await managed.chatCompletion({ messages: first }, { signal });
    const messages = [...first, choices[0]?.message ?? user(""), user("How many?")];
    await managed.chatCompletion({ messages }, { signal });
    const before = [...(requests[0]?.inputIds ?? []), ...odd.ids];
    expect(requests[1]?.inputIds.slice(0, before.length)).toEqual(before);
    const { nodes } = managed.getState();
    expect(nodes).toHaveLength(1);
    expect(nodes[0]?.masked_tokens.filter((id) => id !== -100)).toEqual([...odd.ids, ...said("Seven.").ids]);
  });

  test("several samples are nodes of their own, in the order of the choices", async () => {
    const { managed } = scriptedServer(["one", "two", "three"].map(said));
    const answer = await managed.chatCompletion({ messages: [user("Count.")], n: 3 }, { signal });
    expect(answer.choices.map(({ message }) => message.content)).toEqual(["one", "two", "three"]);
    const sampled = managed
      .segments()
      .map(({ tokens, sampled: mask }) => decode(tokens.filter((_, i) => mask[i])));
    expect(sampled).toEqual(["one<|im_end|>", "two<|im_end|>", "three<|im_end|>"]);
  });

  test("calls at the same time don't mix", async () => {
    const { managed } = scriptedServer(["a", "b", "c"].map(said));
    const ask = (content: string) => managed.chatCompletion({ messages: [user(content)] }, { signal });
    const answers = await Promise.all(["x", "y", "z"].map(ask));
    const nodes = managed.getState().nodes.map(({ full_text: text }) => text);
    expect(nodes).toHaveLength(3);
    for (const [index, { choices }] of answers.entries()) {
      const question = "xyz"[index] ?? "";
      const own = nodes.filter((text) => text.includes(`user\n${question}<|im_end|>`));
      expect(own).toHaveLength(1);
      expect(own[0]).toContain(`assistant\n${choices[0]?.message.content}<|im_end|>`);
    }
  });
});

describe("tool calls", () => {
  const ask = { messages: [user("Find x.")], tools: [search] };

  test("are read from the sampled ids, beside words", async () => {
    const { managed } = scriptedServer([said(`Let me look.\n${call}\n${call}`)]);
    const [choice] = (await managed.chatCompletion(ask, { signal })).choices;
    expect(choice).toMatchObject({ finish_reason: "tool_calls", message: { content: "Let me look." } });
    const calls = choice?.message.tool_calls ?? [];
    expect(calls.map(({ function: { name, arguments: args } }) => [name, JSON.parse(args)])).toEqual([
      ["search", { query: "x" }],
      ["search", { query: "x" }],
    ]);
    expect(new Set(calls.map(({ id }) => id)).size).toBe(2);
  });

  test("typed as letters are no calls, also beside a real one, and stay as they were typed", async () => {
    const typed = letters(`Write ${call} to call.`);
    const { managed } = scriptedServer([
      { ids: [...typed, imEnd] },
      { ids: [...typed, ...encode(call), imEnd] },
    ]);
    const alone = (await managed.chatCompletion(ask, { signal })).choices[0];
    expect(alone).toEqual({
      index: 0,
      message: { role: "assistant", content: `Write ${call} to call.` },
      finish_reason: "stop",
    });
    const beside = (await managed.chatCompletion(ask, { signal })).choices[0];
    expect(beside?.message.content).toBe(`Write ${call} to call.`);
    expect(beside?.message.tool_calls).toHaveLength(1);
  });

  test("whose arguments hold a marker as letters keep them", async () => {
    const [before = "", after = ""] = call.split('"x"');
    const ids = [...encode(`${before}"`), ...letters("</tool_call>"), ...encode(`"${after}`), imEnd];
    const { managed } = scriptedServer([{ ids }]);
    const [choice] = (await managed.chatCompletion(ask, { signal })).choices;
    expect(JSON.parse(choice?.message.tool_calls?.[0]?.function.arguments ?? "{}")).toEqual({
      query: "</tool_call>",
    });
  });

  test("of an answer that the limit cut leave it cut", async () => {
    const { managed } = scriptedServer([{ ids: encode(`${call}\n<tool_call>`), finishReason: "length" }]);
    const [choice] = (await managed.chatCompletion(ask, { signal })).choices;
    expect(choice?.finish_reason).toBe("length");
    expect(managed.getState().nodes[0]?.metadata.finish_reason).toBe("length");
  });

  test.each([
    ["tool_choice none", { ...ask, tool_choice: "none" as const }],
    ["no tools", { messages: ask.messages }],
  ])("are not looked for with %s", async (_name, request) => {
    const { managed } = scriptedServer([said(call)]);
    const [choice] = (await managed.chatCompletion(request, { signal })).choices;
    expect(choice).toMatchObject({ finish_reason: "stop", message: { content: call } });
    expect(choice?.message.tool_calls).toBeUndefined();
  });
});

describe("thinking", () => {
  test.each([
    ["apart from the answer", "<think>\nHm.\n</think>\n\nFour.", "Hm.", "Four."],
    ["cut off before it ends", "<think>\nHm", "Hm", null],
    ["none: words without tags are words", "Four.", undefined, "Four."],
  ])("%s", async (_name, text, reasoning, content) => {
    const { managed } = scriptedServer([said(text)]);
    const [choice] = (await managed.chatCompletion({ messages: [user("?")] }, { signal })).choices;
    expect(choice?.message.reasoning_content?.trim()).toBe(reasoning);
    expect(choice?.message.content?.trim() || null).toBe(content);
  });

  test("that the prompt has opened ends at its closing tag", async () => {
    const { managed } = scriptedServer([said("Hm.\n</think>\n\nFour.")]);
    const messages = [user("?"), { role: "assistant", content: "<think>\n" } as const];
    const [choice] = (await managed.chatCompletion({ messages }, { signal })).choices;
    expect(choice?.message.reasoning_content?.trim()).toBe("Hm.");
    expect(choice?.message.content?.trim()).toBe("Four.");
  });

  test("that the template switched off is no thinking", async () => {
    const { managed, requests } = scriptedServer([said("Four.")]);
    const extra_body = { chat_template_kwargs: { enable_thinking: false } };
    const [choice] = (await managed.chatCompletion({ messages: [user("?")], extra_body }, { signal }))
      .choices;
    expect(decode([...(requests[0]?.inputIds ?? [])])).toMatch(/<think>\n\n<\/think>\n\n$/);
    expect(choice?.message).toEqual({ role: "assistant", content: "Four." });
  });
});

describe("limits", () => {
  test("a conversation that fills the context is refused before any call", async () => {
    const { managed, requests } = scriptedServer([said("x")], { contextLength: 12 });
    const asking = managed.chatCompletion({ messages: [user("word ".repeat(20))] }, { signal });
    await expect(asking).rejects.toMatchObject({ code: "INFERENCE_CONTEXT_FULL" });
    expect(requests).toEqual([]);
  });

  test("no more is asked for than the context has room for", async () => {
    const { managed, requests } = scriptedServer([said("x")], { contextLength: 100 });
    await managed.chatCompletion({ messages: [user("Hi")], max_tokens: 4000 }, { signal });
    const [request] = requests;
    expect(request?.sampling.max_tokens).toBe(100 - (request?.inputIds.length ?? 0));
  });
});

test("every sampling field is sent, extra_body wins, and what it adds is passed on", async () => {
  const { managed, requests } = scriptedServer([said("x"), said("y")]);
  const messages = [user("Hi")];
  await managed.chatCompletion({ messages }, { signal });
  expect(requests[0]).toMatchObject({ sessionId: "r0" });
  expect(requests[0]?.sampling).toEqual({
    temperature: 1,
    top_p: 1,
    top_k: 0,
    min_p: 0,
    repetition_penalty: 1,
    max_tokens: 1024,
    stop: [],
    stop_token_ids: [imEnd],
    seed: null,
    n: 1,
    extra: {},
  });
  const extra_body = { top_k: 20, temperature: 0.5, logit_bias: { "1": 2 } };
  await managed.chatCompletion({ messages, temperature: 0.7, top_p: 0.9, seed: 4, extra_body }, { signal });
  expect(requests[1]?.sampling).toMatchObject({
    temperature: 0.5,
    top_p: 0.9,
    top_k: 20,
    seed: 4,
    extra: { logit_bias: { "1": 2 } },
  });
  expect(managed.samplingRecord()).toMatchObject({ temperature: 0.5, logprob_kind: "raw" });
  const wrong = managed.chatCompletion({ messages, extra_body: { top_k: "many" } }, { signal });
  await expect(wrong).rejects.toMatchObject({ code: "CONFIG_INVALID", message: /top_k/ });
});

test("a stop string ends the message and stays in the ids", async () => {
  const { managed } = scriptedServer([{ ids: encode("one END"), stopReason: "END" }]);
  const request = { messages: [user("Count.")], stop: ["END"] };
  const [choice] = (await managed.chatCompletion(request, { signal })).choices;
  expect(choice?.message.content).toBe("one ");
  expect(managed.getState().nodes[0]?.full_text).toMatch(/one END$/);
});

test("an answer whose log-probabilities can't be told is refused and not kept", async () => {
  const { managed } = scriptedServer([{ ...said("Four."), logprobs: [-1] }]);
  const asking = managed.chatCompletion({ messages: [user("2 + 2?")] }, { signal });
  await expect(asking).rejects.toMatchObject({ code: "TOKEN_AUDIT_FAILED", retryable: true });
  expect(managed.getState().nodes).toEqual([]);
});

describe("a text completion", () => {
  test("goes on from the ids of the one before, and keeps its masks", async () => {
    const odd = { ids: letters(" World"), finishReason: "length" };
    const { managed, requests } = scriptedServer([odd, { ids: encode("!") }]);
    const first = await managed.completion({ prompt: "Hello" }, { signal });
    expect(first.choices).toEqual([{ index: 0, text: " World", finish_reason: "length" }]);
    await managed.completion({ prompt: "Hello World and more" }, { signal });
    expect(requests[1]?.inputIds).toEqual([...encode("Hello"), ...odd.ids, ...encode(" and more")]);
    const { nodes } = managed.getState();
    expect(nodes.map(({ full_text }) => full_text)).toEqual(["Hello World and more!"]);
    expect(nodes[0]?.masked_tokens.filter((id) => id !== -100)).toEqual([...odd.ids, ...encode("!")]);
  });
});

test("tree mode keeps a node for every answer, whole with the turns before it", async () => {
  const { managed } = scriptedServer([said("a"), said("b")], { trackTree: true });
  const first = [user("x")];
  const { choices } = await managed.chatCompletion({ messages: first }, { signal });
  await managed.chatCompletion(
    { messages: [...first, choices[0]?.message ?? user(""), user("y")] },
    { signal },
  );
  const { nodes } = managed.getState();
  expect(nodes).toHaveLength(2);
  expect(nodes[1]?.tokens.slice(0, nodes[0]?.tokens.length)).toEqual(nodes[0]?.tokens);
  expect(nodes[1]?.logprobs.slice(0, nodes[0]?.tokens.length)).toEqual(nodes[0]?.logprobs);
});

test("reset forgets everything", async () => {
  const { managed } = scriptedServer([said("a"), said("b")]);
  await managed.chatCompletion({ messages: [user("x")] }, { signal });
  managed.reset();
  expect(managed.getState()).toEqual({ nodes: [] });
  await managed.chatCompletion({ messages: [user("x")] }, { signal });
  expect(managed.segments()).toHaveLength(1);
});
