/** What is true of one stock server only; what holds for all of them: token-servers.test.ts. */
import { describe, expect, test } from "vitest";
import type { Sampling } from "../../src/contracts/token-server.ts";
import { createInferenceServer, createTokenServer } from "../../src/inference/create-inference-server.ts";
import { resolveTokenizerName, serverConfig } from "../../src/inference/server-config.ts";
import { type ChatScript, ScriptedChatServer, sendError, sendJson } from "../support/scripted-chat-server.ts";
import { openTokenServer, tokenRequest } from "../support/token-server-contract.ts";
import { routeMissing, type TokenWire, tokenWires } from "../support/token-wires.ts";

const never = new AbortController().signal;
const wireOf = (name: string): TokenWire => tokenWires.find((wire) => wire.name === name)!;
const [generate, completions] = [wireOf("vllm"), wireOf("vllm without /inference/v1/generate")];
const sample = { ids: [5, 2], logprobs: [-1, -2], finish: "stop" } as const;

async function generations(wire: TokenWire, answer: unknown, sampling: Partial<Sampling> = {}) {
  await using scripted = await ScriptedChatServer.start((_call, response) => sendJson(response, 200, answer));
  await using server = openTokenServer(wire, scripted.url);
  return await server.generate(tokenRequest(sampling), { signal: never });
}

describe("vllm", () => {
  const vllm =
    (generateAnswer: ChatScript): ChatScript =>
    (call, response) =>
      call.path === generate.path
        ? generateAnswer(call, response)
        : sendJson(response, 200, completions.answer([sample], [1, 2, 3]));

  test.each([404, 405])("without the generate route (%i) is asked there once only", async (status) => {
    const script = vllm((_call, response) => sendJson(response, status, routeMissing.body));
    await using scripted = await ScriptedChatServer.start(script);
    await using server = openTokenServer(generate, scripted.url);
    for (let call = 0; call < 3; call += 1) await server.generate(tokenRequest(), { signal: never });
    const [generatePath, path] = [generate.path, completions.path];
    expect(scripted.calls.map((call) => call.path)).toEqual([generatePath, path, path, path]);
  });

  test("that has the route is not asked elsewhere when it fails there", async () => {
    const script = vllm((_call, response) => sendError(response, 500, "boom"));
    await using scripted = await ScriptedChatServer.start(script);
    await using server = openTokenServer(generate, scripted.url);
    await expect(server.generate(tokenRequest(), { signal: never })).rejects.toThrow("500 boom");
    expect(scripted.calls.map((call) => call.path)).toEqual([generate.path]);
  });

  test("that does not know the model yet is asked at the generate route again", async () => {
    let known = false;
    await using scripted = await ScriptedChatServer.start((_call, response) => {
      if (known) sendJson(response, 200, generate.answer([sample], [1, 2, 3]));
      else sendError(response, 404, "The model `m-7b` does not exist.");
    });
    await using server = openTokenServer(generate, scripted.url);
    await expect(server.generate(tokenRequest(), { signal: never })).rejects.toThrow("does not exist");
    known = true;
    await server.generate(tokenRequest(), { signal: never });
    expect(scripted.calls.map((call) => call.path)).toEqual([generate.path, completions.path, generate.path]);
  });

  test("too old for return_token_ids is refused with a word about versions", async () => {
    const choice = { index: 0, text: "x", finish_reason: "stop", logprobs: { token_logprobs: [-1] } };
    const script: ChatScript = (call, response) =>
      call.path === generate.path
        ? sendJson(response, 404, routeMissing.body)
        : sendJson(response, 200, { choices: [choice] });
    await using scripted = await ScriptedChatServer.start(script);
    await using server = openTokenServer(generate, scripted.url);
    await expect(server.generate(tokenRequest(), { signal: never })).rejects.toMatchObject({
      code: "TOKEN_AUDIT_FAILED",
      message: expect.stringContaining("no token ids"),
      hint: expect.stringContaining("0.10.2"),
    });
  });

  test("whose log-probabilities belong to other ids is refused", async () => {
    const text = JSON.stringify(generate.answer([sample], [1, 2, 3]));
    const shifted = JSON.parse(text.replace("token_id:5", "token_id:6"));
    await expect(generations(generate, shifted)).rejects.toThrow("log-probability of id 6 for id 5");
  });

  test("that says it was given other prompt ids is refused", async () => {
    await using scripted = await ScriptedChatServer.start((call, response) =>
      call.path === generate.path
        ? sendJson(response, 404, routeMissing.body)
        : sendJson(response, 200, completions.answer([sample], [1, 9, 3])),
    );
    await using server = openTokenServer(completions, scripted.url);
    await expect(server.generate(tokenRequest(), { signal: never })).rejects.toMatchObject({
      code: "TOKEN_AUDIT_FAILED",
      message: expect.stringContaining("id 9 at 1 where 2 was sent"),
    });
  });
});

describe("sglang", () => {
  const sglang = wireOf("sglang");
  const meta = (rest: object) => ({
    output_ids: [5, 2],
    meta_info: {
      finish_reason: { type: "stop", matched: 2 },
      output_token_logprobs: [
        [-1, 5, null],
        [-2, 2, null],
      ],
      ...rest,
    },
  });

  test.each([
    ["12", [12, 12]],
    [12, [12, 12]],
    ["default", undefined],
    [null, undefined],
  ])("of weight version %j gives versions %j", async (weight_version, versions) => {
    const [generation] = await generations(sglang, meta({ weight_version }));
    expect(generation?.versions).toEqual(versions);
  });

  test("without output_ids is read by the ids of its log-probabilities", async () => {
    const answer = { ...meta({}), output_ids: undefined };
    expect(await generations(sglang, answer)).toMatchObject([{ ids: [5, 2], logprobs: [-1, -2] }]);
  });

  test("with a finish reason as a plain word is understood", async () => {
    const [generation] = await generations(sglang, meta({ finish_reason: "length" }));
    expect(generation).toMatchObject({ finishReason: "length", stopReason: null });
  });

  test.each([
    [400, "The input is longer than the model's context length (4096 tokens).", "context-full"],
    [503, "The request queue is full.", "server-error"],
  ])("that aborts with status %i under HTTP 200 failed as with that status", async (status, words, kind) => {
    const finish_reason = { type: "abort", message: words, status_code: status, err_type: "X" };
    await expect(generations(sglang, meta({ finish_reason }))).rejects.toMatchObject({ kind });
  });

  test("is told which request was given up", async () => {
    const called = Promise.withResolvers<void>();
    await using scripted = await ScriptedChatServer.start((call, response) => {
      if (call.path === "/generate") called.resolve();
      else sendJson(response, 200, {});
    });
    const abort = new AbortController();
    {
      await using server = openTokenServer(sglang, scripted.url);
      const answer = server.generate(tokenRequest(), { signal: abort.signal });
      const ended = expect(answer).rejects.toThrow("enough");
      await called.promise;
      abort.abort(new Error("enough"));
      await ended;
    }
    const [given, up] = scripted.calls;
    expect(up).toMatchObject({ path: "/abort_request", body: { rid: given?.body.rid } });
    expect(given?.body.rid).toMatch(/^[0-9a-f]{32}$/);
  });

  test("that does not answer to that word is not waited for long", async () => {
    const called = Promise.withResolvers<void>();
    await using scripted = await ScriptedChatServer.start(() => called.resolve());
    const abort = new AbortController();
    const server = openTokenServer(sglang, scripted.url);
    const ended = expect(server.generate(tokenRequest(), { signal: abort.signal })).rejects.toThrow("enough");
    await called.promise;
    abort.abort(new Error("enough"));
    await ended;
    await server[Symbol.asyncDispose]();
    await expect.poll(() => scripted.openConnections).toBe(0);
  });
});

describe("llamacpp", () => {
  const llamacpp = wireOf("llamacpp");
  const answer = (rest: object) => ({
    ...(llamacpp.answer([{ ...sample, ids: [5, 2, 6], logprobs: [-1, -2, -3] }], [1, 2, 3]) as object),
    ...rest,
  });

  test("knows no stop tokens: what it sampled after one is cut off", async () => {
    const [generation] = await generations(llamacpp, answer({ stop_type: "limit" }));
    expect(generation).toMatchObject({
      ids: [5, 2],
      logprobs: [-1, -2],
      finishReason: "stop",
      stopReason: 2,
    });
  });

  test.each([
    ["that ran out of context is cut", "limit", 64, "length"],
    ["that shifted its context and went on is refused", "eos", 64, null],
    ["that shifted its context up to the limit is refused", "limit", 3, null],
  ])("%s", async (_name, stop_type, max_tokens, finishReason) => {
    const sampling = { stop_token_ids: [], max_tokens };
    const asked = generations(llamacpp, answer({ truncated: true, stop_type }), sampling);
    if (finishReason) expect(await asked).toMatchObject([{ finishReason }]);
    else {
      const refusal = { code: "TOKEN_AUDIT_FAILED", message: expect.stringContaining("shifted") };
      await expect(asked).rejects.toMatchObject(refusal);
    }
  });

  test("that left out the log-probabilities of its stop string is refused with advice", async () => {
    const completion_probabilities = [{ id: 5, logprob: -1 }];
    const word = answer({ stop_type: "word", stopping_word: "</a>", completion_probabilities });
    await expect(generations(llamacpp, word)).rejects.toMatchObject({
      code: "TOKEN_AUDIT_FAILED",
      hint: expect.stringContaining("stop_token_ids"),
    });
  });
});

describe("trl", () => {
  const trl = wireOf("trl");
  const answer = (ids: number[], rest: object = {}) => ({
    prompt_ids: [[1, 2, 3]],
    completion_ids: [ids],
    logprobs: [ids.map(() => [-1])],
    ...rest,
  });

  test.each<[string, Partial<Sampling>, number[], string, number | null]>([
    ["a stop token at the end", {}, [5, 2], "stop", 2],
    ["a stop token at the very limit", { max_tokens: 2 }, [5, 2], "stop", 2],
    ["max_tokens reached", { max_tokens: 2 }, [5, 6], "length", null],
    ["fewer, with stop tokens alone", { stop: [] }, [5, 6], "length", null],
    ["fewer, where a stop string may have ended it", {}, [5, 6], "stop", null],
    ["fewer, with nothing to stop at but EOS", { stop: [], stop_token_ids: [] }, [5, 6], "stop", null],
  ])("says not how it ended: %s", async (_name, sampling, ids, finishReason, stopReason) => {
    const [generation] = await generations(trl, answer(ids), sampling);
    expect(generation).toMatchObject({ finishReason, stopReason });
  });

  test("of older versions writes plain numbers", async () => {
    const [generation] = await generations(trl, answer([5, 2], { logprobs: [[-0.5, -0.25]] }));
    expect(generation?.logprobs).toEqual([-0.5, -0.25]);
  });

  test("may put the sampled token anywhere in a row", async () => {
    const rows = {
      logprobs: [
        [
          [-0.1, -3],
          [-0.2, -4],
        ],
      ],
      logprob_token_ids: [
        [
          [9, 5],
          [2, 8],
        ],
      ],
    };
    const [generation] = await generations(trl, answer([5, 2], rows));
    expect(generation?.logprobs).toEqual([-3, -0.2]);
    const ids = [
      [9, 8],
      [2, 8],
    ];
    const without = { ...rows, logprob_token_ids: [ids] };
    await expect(generations(trl, answer([5, 2], without))).rejects.toThrow("of id 9 for id 5");
  });
});

test("atropos: a log-probability is found by its id, not by its place", async () => {
  const body = {
    text: ["x"],
    finish_reasons: ["stop"],
    prompt_token_ids: [1, 2, 3],
    token_ids: [[50, 2]],
    logprobs: [[[{ "7": -9, "50": -0.5 }], [{ "2": -0.25, "3": -1 }]]],
  };
  const [generation] = await generations(wireOf("atropos"), body);
  expect(generation).toMatchObject({ ids: [50, 2], logprobs: [-0.5, -0.25] });
});

describe("server_type", () => {
  const base = { base_url: "http://127.0.0.1:1/v1", model_name: "m-7b" };

  test("openai gives no tokens, and the others no chat", () => {
    expect(() => createTokenServer(serverConfig.parse(base))).toThrow(/"openai" gives no exact tokens/);
    const vllm = serverConfig.parse({ ...base, server_type: "vllm" });
    expect(() =>
      createInferenceServer(vllm, { clock: { now: Date.now, sleep: async () => undefined } }),
    ).toThrow(/"vllm" speaks token ids, not chat/);
  });

  test("a tokenizer has the model's name unless it is given one", () => {
    expect(resolveTokenizerName(serverConfig.parse(base))).toBe("m-7b");
    expect(resolveTokenizerName(serverConfig.parse({ ...base, tokenizer_name: "Qwen/Qwen3-8B" }))).toBe(
      "Qwen/Qwen3-8B",
    );
  });
});
