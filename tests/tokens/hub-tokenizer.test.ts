import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ChatMessage, JsonObject } from "../../src/contracts/chat.ts";
import { type LoadedTokenizer, loadTokenizer } from "../../src/tokens/load-tokenizer.ts";

const { signal } = new AbortController();
const long = "def solve(x):\n    return x * 42  # the answer\n".repeat(600);

describe("encodeLong", () => {
  test("gives the ids that encode gives, for short texts and for long ones", async () => {
    await using loaded = await loadTokenizer("practice", { signal });
    await using other = await loadTokenizer("practice", { signal });
    for (const text of ["", "short", long]) {
      expect(await loaded.tokenizer.encodeLong(text, { signal })).toEqual(other.tokenizer.encode(text));
    }
  });

  test("serves many at once, the same text to all who ask for it", async () => {
    await using loaded = await loadTokenizer("practice", { signal });
    const texts = Array.from({ length: 12 }, (_, index) => `${index % 4} ${long}`);
    const ids = await Promise.all(texts.map((text) => loaded.tokenizer.encodeLong(text, { signal })));
    expect(ids.map((each) => loaded.tokenizer.decode(each))).toEqual(texts);
    ids[0]?.fill(0);
    expect(loaded.tokenizer.decode(ids[4] ?? [])).toBe(texts[4]);
  });

  test("stops waiting when the signal aborts, and others still get their ids", async () => {
    await using loaded = await loadTokenizer("practice", { signal });
    const abort = new AbortController();
    const reason = new Error("enough");
    const left = loaded.tokenizer.encodeLong(long, { signal: abort.signal });
    const stayed = loaded.tokenizer.encodeLong(long, { signal });
    abort.abort(reason);
    await expect(left).rejects.toBe(reason);
    expect(loaded.tokenizer.decode(await stayed)).toBe(long);
    await expect(loaded.tokenizer.encodeLong("x", { signal: abort.signal })).rejects.toBe(reason);
  });

  test("is finished before disposal ends the threads", async () => {
    const loaded = await loadTokenizer("practice", { signal });
    const encoding = loaded.tokenizer.encodeLong(long, { signal });
    await loaded[Symbol.asyncDispose]();
    expect(loaded.tokenizer.decode(await encoding)).toBe(long);
    await loaded[Symbol.asyncDispose]();
    await expect(loaded.tokenizer.encodeLong(`${long}!`, { signal })).rejects.toMatchObject({
      code: "INTERNAL",
    });
  });
});

describe("encode", () => {
  test("gives everybody ids of their own", async () => {
    await using loaded = await loadTokenizer("practice", { signal });
    const first = loaded.tokenizer.encode(long);
    first.fill(0);
    expect(loaded.tokenizer.decode(loaded.tokenizer.encode(long))).toBe(long);
  });
});

describe("the practice tokenizer", () => {
  let loaded: LoadedTokenizer;
  beforeAll(async () => {
    loaded = await loadTokenizer("practice", { signal });
  });
  afterAll(() => loaded[Symbol.asyncDispose]());

  test.each([
    "",
    "\0\u0001\ufeff",
    "e\u0301 \u00e9",
    "漢字 🏳️‍🌈",
    "a\r\n\r\n  b\t",
    "<|im_end|><|im_end|>x",
    "١٢٣ ½",
  ])("gives back %j as it was", (text) => {
    expect(loaded.tokenizer.decode(loaded.tokenizer.encode(text))).toBe(text);
  });

  test("knows the markup of conversations as single ids", () => {
    const markup = [
      ...["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"],
      ...["<tool_response>", "</tool_response>", "<think>", "</think>"],
    ];
    expect([...loaded.tokenizer.addedTokens.keys()]).toEqual(markup);
    for (const token of markup) expect(loaded.tokenizer.encode(token)).toHaveLength(1);
    expect(loaded.tokenizer.eosId).toBe(loaded.tokenizer.addedTokens.get("<|im_end|>"));
    expect(loaded.tokenizer.vocabularySize).toBe(4000);
  });

  const call = {
    role: "assistant" as const,
    content: null,
    reasoning_content: "Add them.",
    tool_calls: [
      { id: "1", type: "function" as const, function: { name: "python", arguments: '{"code": "1+1"}' } },
    ],
  };
  const start = [{ role: "user" as const, content: "How many?" }];
  const tail = [call, { role: "tool" as const, tool_call_id: "1", content: "2" }];

  test.each<JsonObject>([{}, { enable_thinking: false }])(
    "its template only ever adds to a conversation (%j)",
    (kwargs) => {
      const messages: ChatMessage[] = [...start, ...tail, { role: "user", content: "Sure?" }];
      const render = (length: number, addGenerationPrompt: boolean) =>
        loaded.chatTemplate?.render({
          messages: messages.slice(0, length),
          addGenerationPrompt,
          kwargs,
        }) ?? "";
      for (let length = 1; length < messages.length; length += 1) {
        expect(render(length + 1, false).startsWith(render(length, false))).toBe(true);
      }
      const thought = "enable_thinking" in kwargs ? "<think>\n\n</think>\n\n" : "";
      expect(render(1, true)).toBe(`${render(1, false)}<|im_start|>assistant\n${thought}`);
    },
  );

  test("its template leaves out earlier thinking when asked to", () => {
    const messages = [...start, ...tail, { role: "user" as const, content: "Sure?" }];
    const render = (kwargs: { preserve_thinking?: boolean }) =>
      loaded.chatTemplate?.render({ messages, addGenerationPrompt: true, kwargs }) ?? "";
    expect(render({})).toContain("Add them.");
    expect(render({ preserve_thinking: false })).not.toContain("Add them.");
  });
});
