import { describe, expect, test } from "vitest";
import type { ChatMessage } from "../../src/contracts/chat.ts";
import { chatMlFormat } from "../../src/practice/chatml-format.ts";
import type { TokenLogEntry } from "../../src/practice/token-log.ts";
import { ask, promptOf, python, question, qwen3, startTokenPractice } from "./token-practice.ts";

const { tokenizer } = qwen3;
const prompt = promptOf(ask);
const eosId = tokenizer.addedTokens.get("<|im_end|>")!;

describe("rollouts over ids", () => {
  const format = chatMlFormat();

  /** As an exact-token agent plays it: the sampled ids stay in the prompt as they were sampled. */
  async function play(
    practice: Awaited<ReturnType<typeof startTokenPractice>>,
    headers: Record<string, string> = {},
  ): Promise<TokenLogEntry[]> {
    const ids = [...prompt];
    const played: TokenLogEntry[] = [];
    for (let turn = 0; turn < 10; turn += 1) {
      const sampling_params = { max_new_tokens: 1000 };
      const body = { input_ids: ids, sampling_params };
      const { output_ids } = (await practice.post("/generate", body, headers)).body;
      played.push(practice.entries.findLast((entry) => entry.ids.join() === output_ids.join())!);
      ids.push(...output_ids);
      const message = format.readAnswer(tokenizer.decode(output_ids.slice(0, -1)), "free");
      if (!message.tool_calls) return played;
      const results = message.tool_calls.map(() => "<tool_response>\n84\n79\n</tool_response>").join("\n");
      ids.push(...tokenizer.encode(`\n<|im_start|>user\n${results}<|im_end|>\n<|im_start|>assistant\n`));
    }
    throw new Error("the teacher never answered");
  }

  test.each([
    ["by the session", (index: number) => ({ "x-session-id": `rollout-${index}` })],
    ["by SGLang's routing key", (index: number) => ({ "x-smg-routing-key": `rollout-${index}` })],
    ["by what was said", () => ({})],
  ])("are known again %s: they err as a whole, at their rate", async (_name, headers) => {
    await using practice = await startTokenPractice({ error_rate: 0.5, drift_rate: 1, thinking_rate: 0.5 });
    const rollouts = await Promise.all(
      Array.from({ length: 8 }, (_, index) => play(practice, headers(index))),
    );
    const rights = rollouts.map((entries) => entries.at(-1)!.text.includes("\\boxed{79}"));
    expect(rights.filter(Boolean)).toHaveLength(4);
    for (const [index, entries] of rollouts.entries()) {
      expect(entries.length).toBeGreaterThan(1);
      expect(entries.at(-1)!.errs).toBe(!rights[index]);
    }
    expect(practice.entries.every(({ ids }) => ids.at(-1) === eosId)).toBe(true);
  });

  test("a first turn that is sent again in its session is played alike", async () => {
    await using practice = await startTokenPractice({ error_rate: 0.5 });
    const body = { input_ids: prompt, sampling_params: { max_new_tokens: 1000 } };
    for (let call = 0; call < 4; call += 1) {
      await practice.post("/generate", { ...body, session_id: call < 2 ? "a" : "b" });
    }
    const [first, again, other, otherAgain] = practice.entries;
    expect([again!.errs, again!.text]).toEqual([first!.errs, first!.text]);
    expect(other!.errs).toBe(otherAgain!.errs);
    expect(other!.errs).not.toBe(first!.errs);
  });

  test("temperature 0 and a seed give the same answer again, other seeds others", async () => {
    await using practice = await startTokenPractice({ drift_rate: 0.5, thinking_rate: 0.5 });
    const ids = async (params: object) => {
      const sampling_params = { max_tokens: 1000, ...params };
      await practice.post("/inference/v1/generate", { token_ids: prompt, sampling_params });
      return practice.entries.at(-1)!.ids;
    };
    expect(await ids({ temperature: 0 })).toEqual(await ids({ temperature: 0 }));
    expect(await ids({ seed: 5 })).toEqual(await ids({ seed: 5 }));
    const seeds = Array.from({ length: 8 }, (_, seed) => seed);
    const answers = [];
    for (const seed of seeds) answers.push((await ids({ seed })).join());
    expect(new Set(answers).size).toBeGreaterThan(2);
  });

  test("the tools of the prompt are what the teacher may call", async () => {
    await using practice = await startTokenPractice();
    await practice.post("/generate/", { prompts: [promptOf(ask, [])], max_tokens: 500 });
    expect(practice.entries[0]!.text).toContain("\\boxed{79}");
    await practice.post("/generate/", { prompts: [promptOf(ask, [python])], max_tokens: 500 });
    expect(practice.entries[1]!.text).toContain('<tool_call>\n{"name": "python", "arguments": {"code": "');
  });
});

describe("chat with a tokenizer", () => {
  const messages: ChatMessage[] = [{ role: "system", content: "Be exact." }, ...ask];
  const chat = { messages, tools: [python], n: 2 };

  test("tells the ids and log-probabilities that were sampled, and parses the calls from them", async () => {
    await using practice = await startTokenPractice({ thinking_rate: 1, drift_rate: 1 });
    const { body } = await practice.post("/v1/chat/completions", {
      ...chat,
      logprobs: true,
      return_token_ids: true,
    });
    expect(body.prompt_token_ids).toEqual(promptOf(messages));
    expect(body.choices).toHaveLength(2);
    for (const [index, choice] of body.choices.entries()) {
      const { ids, logprobs, text } = practice.entries[index]!;
      expect(choice).toMatchObject({ token_ids: ids, stop_reason: null, finish_reason: "tool_calls" });
      expect(choice.logprobs.content.map((one: { logprob: number }) => one.logprob)).toEqual(logprobs);
      expect(choice.message.tool_calls[0].id).toMatch(/^call_[0-9a-f]{8}_0_0$/);
      expect(text).toContain(choice.message.tool_calls[0].function.arguments);
      expect(text.startsWith(`<think>\n${choice.message.reasoning}\n</think>`)).toBe(true);
    }
    const sampled = practice.entries.reduce((sum, { ids }) => sum + ids.length, 0);
    expect(body.usage).toMatchObject({
      prompt_tokens: body.prompt_token_ids.length,
      completion_tokens: sampled,
    });
  });

  test("tells neither when it isn't asked, and cuts by tokens", async () => {
    await using practice = await startTokenPractice();
    const { body } = await practice.post("/v1/chat/completions", { ...chat, max_tokens: 4 });
    expect(body).not.toHaveProperty("prompt_token_ids");
    expect(body.choices[0]).not.toHaveProperty("token_ids");
    expect(body.choices[0]).toMatchObject({ finish_reason: "length", logprobs: null });
    expect(body.choices[0].message.content).toBe("Let me compute this");
  });

  test("a rollout ends right or wrong as a whole here too", async () => {
    await using practice = await startTokenPractice({ error_rate: 1, thinking_rate: 0.5 });
    const said: ChatMessage[] = [{ role: "user", content: question }];
    for (let turn = 0; turn < 10 && said.at(-1)!.role !== "assistant"; turn += 1) {
      const { message } = (await practice.post("/v1/chat/completions", { messages: said, tools: [python] }))
        .body.choices[0];
      said.push(message);
      for (const { id } of message.tool_calls ?? []) {
        said.push({ role: "tool", tool_call_id: id, content: "84\n79\n" });
      }
    }
    expect(said.at(-1)!.content).toMatch(/\\boxed\{(?!79\})/);
    expect(practice.entries.every(({ errs }) => errs === true)).toBe(true);
  });

  test("without a template there are no ids to tell", async () => {
    await using practice = await startTokenPractice({}, { model: { tokenizer: qwen3.tokenizer } });
    expect((await practice.post("/v1/chat/completions", chat)).status).toBe(200);
    const refused = await practice.post("/v1/chat/completions", { ...chat, return_token_ids: true });
    expect([refused.status, refused.body.error.message]).toEqual([
      400,
      "return_token_ids: there is no chat template",
    ]);
  });
});
