/** The policy server on a real socket, mostly through our own client of vLLM. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Sampling } from "../../src/contracts/token-server.ts";
import { createTokenServer } from "../../src/inference/create-inference-server.ts";
import { serverConfig } from "../../src/inference/server-config.ts";
import { PolicyEngine } from "../../src/tiny-policy/policy-engine.ts";
import { type RunningPolicyServer, startPolicyServer } from "../../src/tiny-policy/policy-server.ts";
import { encodeWeights } from "../../src/tiny-policy/weights-file.ts";
import { type LoadedTokenizer, loadTokenizer } from "../../src/tokens/load-tokenizer.ts";
import { pythonTool } from "../../src/tools/python-tool.ts";
import { forwardLogprobs, policyConfig, randomPolicy } from "../support/tiny-policy.ts";

const never = new AbortController().signal;
const policy = randomPolicy();
let model: LoadedTokenizer;
let engine: PolicyEngine;
let server: RunningPolicyServer;
let root: string;

beforeAll(async () => {
  model = await loadTokenizer("tiny-policy", { signal: never });
  engine = await PolicyEngine.start({ weights: policy, slots: 8 }, { signal: never });
  server = await startPolicyServer({ engine, model });
  root = server.url.replace(/\/v1$/, "");
});

afterAll(async () => {
  await server.close();
  await engine.close();
  await model[Symbol.asyncDispose]();
});

const sampling: Sampling = {
  temperature: 1,
  top_p: 1,
  top_k: 0,
  min_p: 0,
  repetition_penalty: 1,
  max_tokens: 20,
  stop: [],
  stop_token_ids: [],
  seed: 3,
  n: 1,
  extra: {},
};
const prompt = () =>
  model.tokenizer.encode("<|im_start|>user\nAnn has 3 eggs.<|im_end|>\n<|im_start|>assistant\n");
const client = (base_url = server.url) =>
  createTokenServer(serverConfig.parse({ server_type: "vllm", base_url, model_name: "tiny-policy" }));
const generate = async (changes: Partial<Sampling> = {}, inputIds = prompt()) => {
  await using vllm = client();
  const request = { inputIds, sampling: { ...sampling, ...changes }, sessionId: "rollout-1" };
  return await vllm.generate(request, { signal: never });
};

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at as a foreign client would
type Json = any;
const send = async (path: string, init: RequestInit = {}): Promise<{ status: number; body: Json }> => {
  const response = await fetch(root + path, init);
  return { status: response.status, body: await response.json() };
};
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  send(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

describe("our own client of vLLM", () => {
  test("gets log-probabilities that are a trainer's to the bit, and the version that sampled", async () => {
    const generations = await generate({ n: 4, temperature: 0.8, top_p: 0.9 });
    expect(generations).toHaveLength(4);
    for (const { ids, logprobs, logprobKind, versions } of generations) {
      expect(logprobKind).toBe("raw");
      expect(logprobs).toEqual(forwardLogprobs(policy, prompt(), ids));
      expect(versions).toEqual(ids.map(() => 0));
    }
    expect(new Set(generations.map(({ ids }) => ids.join()))).toHaveProperty("size", 4);
  });

  test("gets the same again for the same seed, and something else for another", async () => {
    const [[first], [again], [other]] = [await generate(), await generate(), await generate({ seed: 4 })];
    expect(again).toEqual(first);
    expect(other?.ids).not.toEqual(first?.ids);
  });

  test("is told how a sequence ended", async () => {
    const [cut] = await generate({ max_tokens: 3 });
    expect(cut).toMatchObject({ finishReason: "length", stopReason: null });
    expect(cut?.ids).toHaveLength(3);
    const [stopped] = await generate({ stop_token_ids: [cut!.ids[1]!] });
    expect(stopped).toMatchObject({ finishReason: "stop", ids: cut?.ids.slice(0, 2) });
  });

  test("is told of a prompt that fills the context as vLLM tells it", async () => {
    const long = Array.from({ length: policyConfig.context_length }, () => 5);
    await expect(generate({}, long)).rejects.toMatchObject({ code: "INFERENCE_CONTEXT_FULL" });
    const [full] = await generate({}, long.slice(1));
    expect(full).toMatchObject({ finishReason: "length", ids: [expect.any(Number)] });
  });

  test("is refused ids that the model has not", async () => {
    await expect(generate({}, [1, 512])).rejects.toMatchObject({
      code: "INFERENCE_REJECTED",
      message: expect.stringContaining("Token id 512 is out of vocabulary"),
    });
  });
});

test("/v1/completions tells text beside ids", async () => {
  const { status, body } = await post("/v1/completions", {
    prompt: prompt(),
    max_tokens: 8,
    logprobs: 0,
    seed: 3,
    return_token_ids: true,
    skip_special_tokens: false,
    add_special_tokens: false,
  });
  expect(status).toBe(200);
  const [{ token_ids, text, logprobs }] = body.choices;
  expect(token_ids).toEqual((await generate({ max_tokens: 8 }))[0]?.ids);
  expect(text).toBe(model.tokenizer.decode(token_ids));
  expect(logprobs.token_logprobs).toEqual(forwardLogprobs(policy, prompt(), token_ids));
});

describe("/v1/chat/completions", () => {
  const messages = [{ role: "user", content: "What is 2+3?" }];
  const tools = [pythonTool().schema];

  test("samples behind what the chat template writes", async () => {
    const { status, body } = await post("/v1/chat/completions", {
      messages,
      tools,
      max_tokens: 6,
      seed: 1,
      logprobs: true,
      top_logprobs: 2,
      return_token_ids: true,
    });
    expect(status).toBe(200);
    expect(body.prompt_token_ids).toEqual(
      model.tokenizer.encode(
        model.chatTemplate!.render({ messages, tools, addGenerationPrompt: true } as never),
      ),
    );
    const [choice] = body.choices;
    const told = choice.logprobs.content.map(({ logprob }: { logprob: number }) => logprob);
    expect(told).toEqual(forwardLogprobs(policy, body.prompt_token_ids, choice.token_ids));
    for (const { top_logprobs } of choice.logprobs.content) expect(top_logprobs.length).toBeGreaterThan(1);
    expect(body.usage).toEqual({
      prompt_tokens: body.prompt_token_ids.length,
      completion_tokens: 6,
      total_tokens: body.prompt_token_ids.length + 6,
    });
  });
});

describe("requests that are refused", () => {
  const good = { token_ids: [1, 2], sampling_params: { max_tokens: 2, temperature: 1 } };
  const withParams = (changes: object) => ({
    ...good,
    sampling_params: { ...good.sampling_params, ...changes },
  });

  test.each<[string, unknown, string]>([
    ["no JSON", "{", "JSON"],
    ["no ids", { ...good, token_ids: [] }, "at least one token"],
    ["a negative id", { ...good, token_ids: [-1] }, "token_ids"],
    ["a negative temperature", withParams({ temperature: -1 }), "temperature"],
    ["top_p of 0", withParams({ top_p: 0 }), "top_p"],
    ["a penalty that it doesn't have", withParams({ presence_penalty: 1 }), "presence_penalty"],
    ["too many sequences", withParams({ n: 1000 }), "n"],
    ["a stream", { ...good, stream: true }, "stream"],
    ["an empty stop string", withParams({ stop: [""] }), "stop"],
  ])("%s", async (_name, body, words) => {
    const answer = await post("/inference/v1/generate", body);
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({ type: "BadRequestError", code: 400 });
    expect(answer.body.error.message).toContain(words);
  });

  test("of web pages", async () => {
    const answer = await post("/inference/v1/generate", good, { origin: "http://evil.example" });
    expect(answer.status).toBe(403);
    expect((await post("/inference/v1/generate", good)).status).toBe(200);
  });

  test("to routes that there are not", async () => {
    expect((await send("/nowhere")).status).toBe(404);
  });
});

describe("weights", () => {
  const upload = (body: Uint8Array, url = root, headers: Record<string, string> = {}) =>
    fetch(`${url}/weights`, {
      method: "POST",
      headers: { "content-type": "application/octet-stream", ...headers },
      body: Buffer.from(body),
    });

  test("are changed between requests, and what follows is sampled from them", async () => {
    await using own = await PolicyEngine.start({ weights: policy, slots: 4 }, { signal: never });
    await using running = await startPolicyServer({ engine: own, model });
    await using vllm = client(running.url);
    const url = running.url.replace(/\/v1$/, "");
    const ask = async () => {
      const request = { inputIds: prompt(), sampling, sessionId: "one" };
      return (await vllm.generate(request, { signal: never }))[0]!;
    };
    const before = await ask();
    const next = randomPolicy(2, 7);
    const response = await upload(encodeWeights(next), url);
    expect([response.status, await response.json()]).toEqual([200, { version: 7, weight_version: 7 }]);
    const after = await ask();
    expect(before.logprobs).toEqual(forwardLogprobs(policy, prompt(), before.ids));
    expect(after.logprobs).toEqual(forwardLogprobs(next, prompt(), after.ids));
    expect(after.versions).toEqual(after.ids.map(() => 7));
    expect(await (await fetch(`${url}/weight_info`)).json()).toEqual({ version: 7, weight_version: 7 });
  });

  test("of another shape are refused, and nothing changes", async () => {
    const other = randomPolicy(1, 5, { ...policyConfig, layers: 1 });
    const response = await upload(encodeWeights(other));
    expect(response.status).toBe(400);
    expect(((await response.json()) as Json).error.message).toContain("this server has layers 2");
    expect((await send("/weight_info")).body.version).toBe(0);
  });

  test.each<[string, Uint8Array, number]>([
    ["no safetensors", new Uint8Array([1, 2, 3]), 400],
    ["far too long", new Uint8Array(8_000_000), 413],
  ])("that are %s are refused", async (_name, body, status) => {
    expect((await upload(body)).status).toBe(status);
  });

  test("take the admin token where there is one", async () => {
    await using running = await startPolicyServer({ engine, model, adminToken: "s3cret" });
    const url = running.url.replace(/\/v1$/, "");
    const body = encodeWeights(policy);
    expect((await upload(body, url)).status).toBe(401);
    expect((await upload(body, url, { authorization: "Bearer wrong" })).status).toBe(401);
    expect((await fetch(`${url}/pause`, { method: "POST" })).status).toBe(401);
    expect((await upload(body, url, { authorization: "Bearer s3cret" })).status).toBe(200);
  });
});

test("a pause holds requests back until it ends", async () => {
  expect((await send("/pause", { method: "POST" })).body).toEqual({ is_paused: true });
  let isAnswered = false;
  const answer = generate().then((generations) => {
    isAnswered = true;
    return generations;
  });
  expect((await send("/weight_info")).status).toBe(200);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(isAnswered).toBe(false);
  await send("/resume", { method: "POST" });
  expect(await answer).toHaveLength(1);
});

test("/metrics counts tokens in Prometheus' format", async () => {
  await generate();
  const text = await (await fetch(`${root}/metrics`)).text();
  const sampled = Number(/^lachesis_policy_sampled_tokens_total (\d+)$/m.exec(text)?.[1]);
  expect(sampled).toBeGreaterThan(0);
  expect(text).toContain("# TYPE lachesis_policy_weight_version gauge");
});

test("a server whose engine has ended says so", async () => {
  const own = await PolicyEngine.start({ weights: policy, slots: 1 }, { signal: never });
  await using running = await startPolicyServer({ engine: own, model });
  await own.close();
  const url = running.url.replace(/\/v1$/, "");
  expect((await fetch(`${url}/health`)).status).toBe(503);
  await using vllm = client(running.url);
  const request = { inputIds: [1], sampling, sessionId: "one" };
  await expect(vllm.generate(request, { signal: never })).rejects.toMatchObject({
    code: "INFERENCE_FAILED",
    retryable: true,
  });
});
