import { describe, expect, test } from "vitest";
import { practiceConfig } from "../../src/practice/practice-config.ts";
import { startPracticeServer } from "../../src/practice/practice-server.ts";
import { ask, promptOf, qwen3, startTokenPractice, teacher } from "./token-practice.ts";

const { tokenizer } = qwen3;
const prompt = promptOf(ask);
const second = promptOf([{ role: "user", content: "There are 3 cats and 1,200 dogs. How many?" }], []);
const eosId = tokenizer.addedTokens.get("<|im_end|>")!;
const textOf = (ids: readonly number[]) => tokenizer.decode(ids.at(-1) === eosId ? ids.slice(0, -1) : ids);
const tokenIds = (ids: readonly number[]) => ids.map((id) => `token_id:${id}`);

/** Every API asked for two answers of at most 9 tokens. */
const requests = {
  "vllm-generate": [
    "/inference/v1/generate",
    { token_ids: prompt, sampling_params: { n: 2, max_tokens: 9, logprobs: 0 } },
  ],
  "vllm-completions": [
    "/v1/completions",
    { prompt, n: 2, max_tokens: 9, logprobs: 0, return_token_ids: true, return_tokens_as_token_ids: true },
  ],
  sglang: [
    "/generate",
    { input_ids: prompt, sampling_params: { n: 2, max_new_tokens: 9 }, return_logprob: true },
  ],
  llamacpp: ["/completion", { prompt, n: 2, n_predict: 9, n_probs: 1, return_tokens: true }],
  trl: ["/generate/", { prompts: [prompt], n: 2, max_tokens: 9, logprobs: 0 }],
  atropos: ["/generate", { prompt: { prompt_token_ids: prompt }, n: 2, max_tokens: 9, logprobs: 0 }],
} as const satisfies Record<string, [string, object]>;

describe("what each API answers equals the log, id for id", () => {
  const answerOf = async (shape: keyof typeof requests) => {
    await using practice = await startTokenPractice({ drift_rate: 0.5, thinking_rate: 1 });
    const [path, body] = requests[shape];
    const answer = await practice.post(path, body, { "x-session-id": "traj-7" });
    expect(answer.status).toBe(200);
    const [first, other] = practice.entries;
    expect(practice.entries).toHaveLength(2);
    for (const [index, entry] of practice.entries.entries()) {
      expect(entry).toMatchObject({ shape, session_id: "traj-7", task: 0, errs: false, fault: null, index });
      expect(entry).toMatchObject({ prompt_ids: prompt, finish_reason: "length", weight_version: "default" });
      expect(entry.ids).toHaveLength(9);
      expect(entry.logprobs?.every((value) => value < 0)).toBe(true);
    }
    return { body: answer.body, entries: [first!, other!] as const };
  };
  const usage = {
    prompt_tokens: prompt.length,
    completion_tokens: 18,
    total_tokens: prompt.length + 18,
  };

  test("vLLM's generate", async () => {
    const { body, entries } = await answerOf("vllm-generate");
    expect(body).toEqual({
      request_id: expect.stringMatching(/^generate-tokens-/),
      model: "practice",
      created: expect.any(Number),
      choices: entries.map(({ ids, logprobs }, index) => ({
        index,
        finish_reason: "length",
        token_ids: ids,
        logprobs: {
          content: tokenIds(ids).map((token, place) => {
            const logprob = logprobs![place]!;
            return { token, logprob, bytes: null, top_logprobs: [{ token, logprob, bytes: null }] };
          }),
        },
        routed_experts: null,
      })),
      usage,
      prompt_logprobs: null,
      kv_transfer_params: null,
    });
  });

  test("vLLM's completions", async () => {
    const { body, entries } = await answerOf("vllm-completions");
    expect(body).toEqual({
      id: expect.stringMatching(/^cmpl-/),
      object: "text_completion",
      created: expect.any(Number),
      model: "practice",
      choices: entries.map(({ ids, logprobs }, index) => ({
        index,
        text: textOf(ids),
        finish_reason: "length",
        stop_reason: null,
        logprobs: {
          text_offset: expect.any(Array),
          token_logprobs: logprobs,
          tokens: tokenIds(ids),
          top_logprobs: tokenIds(ids).map((token, place) => ({ [token]: logprobs![place] })),
        },
        token_ids: ids,
        prompt_token_ids: prompt,
        prompt_logprobs: null,
        routed_experts: null,
      })),
      usage,
    });
  });

  test("SGLang", async () => {
    const { body, entries } = await answerOf("sglang");
    expect(body).toEqual(
      entries.map(({ ids, logprobs }) => ({
        text: textOf(ids),
        output_ids: ids,
        prompt_token_ids: null,
        meta_info: {
          id: expect.any(String),
          finish_reason: { type: "length", length: 9 },
          prompt_tokens: prompt.length,
          completion_tokens: 9,
          cached_tokens: 0,
          reasoning_tokens: 0,
          weight_version: "default",
          num_retractions: 0,
          dp_rank: 0,
          e2e_latency: expect.any(Number),
          input_token_logprobs: [],
          output_token_logprobs: ids.map((id, place) => [logprobs![place], id, null]),
          output_token_logprobs_length: 9,
        },
      })),
    );
  });

  test("llama.cpp", async () => {
    const { body, entries } = await answerOf("llamacpp");
    expect(body).toMatchObject(
      entries.map(({ ids, logprobs }) => ({
        content: textOf(ids),
        tokens: ids,
        stop: true,
        stop_type: "limit",
        stopping_word: "",
        tokens_evaluated: prompt.length,
        tokens_predicted: 9,
        truncated: false,
        completion_probabilities: ids.map((id, place) => ({
          id,
          token: tokenizer.decode([id]),
          logprob: logprobs![place],
          top_logprobs: [expect.objectContaining({ id: expect.any(Number) })],
        })),
      })),
    );
  });

  test("TRL", async () => {
    const { body, entries } = await answerOf("trl");
    expect(body).toEqual({
      prompt_ids: [prompt],
      completion_ids: entries.map(({ ids }) => ids),
      logprobs: entries.map(({ logprobs }) => logprobs!.map((logprob) => [logprob])),
      logprob_token_ids: entries.map(({ ids }) => ids.map((id) => [id])),
    });
  });

  test("Atropos", async () => {
    const { body, entries } = await answerOf("atropos");
    expect(body).toEqual({
      text: entries.map(({ ids }) => textOf(ids)),
      prompt: tokenizer.decode(prompt),
      finish_reasons: ["length", "length"],
      logprobs: entries.map(({ ids, logprobs }) =>
        ids.map((id, place) => [{ [String(id)]: logprobs![place] }]),
      ),
      prompt_token_ids: prompt,
      token_ids: entries.map(({ ids }) => ids),
    });
  });
});

describe("how each API says why an answer ended", () => {
  const callId = tokenizer.addedTokens.get("<tool_call>")!;
  const ends = async (path: string, bodies: Record<"eos" | "word" | "token" | "limit", object>) => {
    await using practice = await startTokenPractice();
    const answers = [];
    for (const body of Object.values(bodies)) answers.push((await practice.post(path, body)).body);
    return answers;
  };

  test("vLLM's completions: stop_reason", async () => {
    const common = { prompt, max_tokens: 500 };
    const answers = await ends("/v1/completions", {
      eos: common,
      word: { ...common, stop: "step" },
      token: { ...common, stop_token_ids: [callId] },
      limit: { prompt },
    });
    expect(answers.map(({ choices: [one] }) => [one.finish_reason, one.stop_reason])).toEqual([
      ["stop", null],
      ["stop", "step"],
      ["stop", callId],
      // vLLM's own default of 16 tokens.
      ["length", null],
    ]);
    // Nothing is told that wasn't asked for.
    expect(answers[0].choices[0]).toMatchObject({ logprobs: null, token_ids: null, prompt_token_ids: null });
    expect(answers[1].choices[0].text).not.toContain("step");
  });

  test("vLLM's generate: finish_reason alone", async () => {
    const withParams = (sampling_params: object) => ({ token_ids: prompt, sampling_params });
    const answers = await ends("/inference/v1/generate", {
      eos: withParams({}),
      word: withParams({ stop: ["step"] }),
      token: withParams({ stop_token_ids: [callId] }),
      limit: withParams({ max_tokens: 3 }),
    });
    expect(answers.map(({ choices: [one] }) => [one.finish_reason, one.token_ids.at(-1)])).toEqual([
      ["stop", eosId],
      ["stop", tokenizer.encode(" step")[0]],
      ["stop", callId],
      ["length", expect.any(Number)],
    ]);
    expect(answers[0].choices[0].logprobs).toBeNull();
  });

  test("SGLang: an object, EOS matched by its id", async () => {
    const withParams = (params: object) => ({
      input_ids: prompt,
      sampling_params: { max_new_tokens: 500, ...params },
    });
    const answers = await ends("/generate", {
      eos: withParams({}),
      word: withParams({ stop: "step" }),
      token: withParams({ stop_token_ids: [callId] }),
      limit: withParams({ max_new_tokens: 3 }),
    });
    expect(answers.map(({ meta_info }) => meta_info.finish_reason)).toEqual([
      { type: "stop", matched: eosId },
      { type: "stop", matched: "step" },
      { type: "stop", matched: callId },
      { type: "length", length: 3 },
    ]);
    expect(answers[0].meta_info).not.toHaveProperty("output_token_logprobs");
  });

  test("llama.cpp: stop_type, and a stop string costs the last probabilities", async () => {
    const common = { prompt, n_probs: 1, return_tokens: true };
    const answers = await ends("/completion", {
      eos: common,
      word: { ...common, stop: ["step"] },
      token: { prompt },
      limit: { ...common, n_predict: 3 },
    });
    expect(answers.map((one) => [one.stop_type, one.stopping_word])).toEqual([
      ["eos", ""],
      ["word", "step"],
      ["eos", ""],
      ["limit", ""],
    ]);
    expect(answers[0].tokens.at(-1)).toBe(eosId);
    expect(answers[0].completion_probabilities).toHaveLength(answers[0].tokens.length);
    expect(answers[1].completion_probabilities).toHaveLength(answers[1].tokens.length - 1);
    expect(answers[2]).toMatchObject({ tokens: [] });
  });
});

describe("prompts", () => {
  test("in batches are answered prompt by prompt", async () => {
    await using practice = await startTokenPractice();
    const prompts = [prompt, second];
    const { choices } = (
      await practice.post("/v1/completions", {
        prompt: prompts,
        n: 2,
        max_tokens: 40,
        return_token_ids: true,
      })
    ).body;
    expect(choices.map((one: { prompt_token_ids: number[] }) => one.prompt_token_ids)).toEqual([
      prompt,
      prompt,
      second,
      second,
    ]);
    const trl = (await practice.post("/generate/", { prompts, n: 2 })).body;
    expect([trl.prompt_ids, trl.completion_ids.length]).toEqual([prompts, 4]);
    const sglang = (await practice.post("/generate", { input_ids: prompts })).body;
    expect(sglang[1].text).toContain("don't know");
    expect(practice.entries.map(({ task }) => task)).toEqual([0, 0, null, null, 0, 0, null, null, 0, null]);
  });

  test("may be texts", async () => {
    await using practice = await startTokenPractice();
    const text = tokenizer.decode(prompt);
    await practice.post("/v1/completions", { prompt: text });
    await practice.post("/generate", { text });
    await practice.post("/generate", { prompt: text });
    await practice.post("/generate/", { prompts: [text] });
    await practice.post("/completion", { prompt: text });
    expect(practice.entries.map(({ prompt_ids }) => prompt_ids)).toEqual(Array(5).fill(prompt));
  });

  test.each([
    [
      "/inference/v1/generate",
      { token_ids: [], sampling_params: {} },
      { error: { type: "BadRequestError" } },
    ],
    [
      "/v1/completions",
      { prompt: [1e9] },
      { error: { message: expect.stringMatching(/out of vocabulary/) } },
    ],
    [
      "/v1/completions",
      { prompt: Array(70).fill(1) },
      { error: { message: expect.stringMatching(/64 tokens/) } },
    ],
    ["/v1/completions", { prompt, stream: true }, { error: { code: 400 } }],
    ["/generate", {}, { error: { message: expect.stringMatching(/input_ids/) } }],
    ["/generate", { prompt: 5 }, { detail: expect.stringMatching(/^prompt: /) }],
    ["/generate/", { prompts: prompt, n: 0 }, { detail: expect.stringMatching(/^n: /) }],
    ["/completion", { prompt: -1 }, { error: { code: 400, type: "invalid_request_error" } }],
  ])("%s refuses a bad one in its own words", async (path, body, error) => {
    await using practice = await startTokenPractice({ max_model_len: 64 });
    const answer = await practice.post(path, body);
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject(error);
    expect(practice.entries).toEqual([]);
  });
});

describe("what clients ask besides", () => {
  test("tokenizing, in every server's words", async () => {
    await using practice = await startTokenPractice();
    const text = "12*7 数<|im_end|>";
    const tokens = tokenizer.encode(text);
    for (const path of ["/tokenize", "/v1/tokenize"]) {
      expect((await practice.post(path, { prompt: text })).body).toMatchObject({
        tokens,
        count: tokens.length,
      });
    }
    expect((await practice.post("/tokenize", { content: text })).body).toMatchObject({ tokens });
    expect((await practice.post("/detokenize", { tokens })).body).toEqual({
      prompt: text,
      text,
      content: text,
    });
    expect((await practice.post("/tokenize", { words: text })).status).toBe(400);
  });

  test("health, and what the model is", async () => {
    await using practice = await startTokenPractice({ max_model_len: 2048, model_name: "teacher-1" });
    for (const path of ["/health", "/health/", "/health_generate", "/ping"]) {
      expect(await practice.get(path)).toEqual({ status: "ok" });
    }
    expect((await practice.get("/v1/models")).data).toMatchObject([{ id: "teacher-1", max_model_len: 2048 }]);
    expect(await practice.get("/model_info")).toMatchObject({
      model_path: "teacher-1",
      weight_version: "default",
    });
    expect((await practice.get("/props")).default_generation_settings.n_ctx).toBe(2048);
  });

  test("a server may have some of the APIs only", async () => {
    await using practice = await startTokenPractice({}, { shapes: ["vllm-completions", "atropos"] });
    const statuses = await Promise.all(
      Object.values(requests).map(async ([path, body]) => (await practice.post(path, body)).status),
    );
    // SGLang's body meets Atropos' route, which doesn't understand it.
    expect(statuses).toEqual([404, 200, 400, 404, 404, 200]);
  });

  test("without a tokenizer there is the chat API alone", async () => {
    await using server = await startPracticeServer({ teacher, config: practiceConfig.parse({}) });
    const response = await fetch(`${server.url}/completions`, { method: "POST" });
    expect(response.status).toBe(404);
  });
});
