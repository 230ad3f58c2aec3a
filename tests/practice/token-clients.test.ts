/** Our own token servers against the practice server: what they hand on is what was sampled, or an error. */
import pino from "pino";
import { describe, expect, test } from "vitest";
import type { Sampling } from "../../src/contracts/token-server.ts";
import { createTokenServer } from "../../src/inference/create-inference-server.ts";
import { serverConfig } from "../../src/inference/server-config.ts";
import { TokenServerManager } from "../../src/inference/token-server-manager.ts";
import type { WireName } from "../../src/practice/wire/token-wire.ts";
import { InstantClock } from "../support/instant-clock.ts";
import { ask, never, promptOf, startTokenPractice } from "./token-practice.ts";

const inputIds = promptOf(ask);
const sampling: Sampling = {
  temperature: 1,
  top_p: 1,
  top_k: 0,
  min_p: 0,
  repetition_penalty: 1,
  max_tokens: 1000,
  stop: [],
  stop_token_ids: [],
  seed: null,
  n: 3,
  extra: {},
};

const clients: [serverType: string, shape: WireName][] = [
  ["vllm", "vllm-generate"],
  ["vllm", "vllm-completions"],
  ["sglang", "sglang"],
  ["llamacpp", "llamacpp"],
  ["trl", "trl"],
  ["atropos", "atropos"],
];

const createManager = (server_type: string, base_url: string) =>
  new TokenServerManager({
    servers: [serverConfig.parse({ server_type, base_url, model_name: "practice" })],
    logger: pino({ level: "silent" }),
    clock: new InstantClock(),
    random: () => 1,
  });

const request = (changes: Partial<Sampling>) => ({
  inputIds,
  sampling: { ...sampling, ...changes },
  sessionId: "rollout-7",
});

describe.each(clients)("server_type %s over %s", (server_type, shape) => {
  test.each([
    ["ended by the model", {}],
    ["ended by the limit", { max_tokens: 5 }],
    ["from a seed", { seed: 7, n: 1 }],
  ])("generations %s are the log's, id for id", async (_name, changes) => {
    await using practice = await startTokenPractice({ drift_rate: 0.5 }, { shapes: [shape] });
    await using manager = createManager(server_type, practice.url);
    const generations = await manager.generate(request(changes), { signal: never });
    expect(generations).toHaveLength("n" in changes ? changes.n : sampling.n);
    expect(
      inAnyOrder(generations.map(({ ids, logprobs, finishReason }) => [ids, logprobs, finishReason])),
    ).toEqual(
      inAnyOrder(practice.entries.map(({ ids, logprobs, finish_reason }) => [ids, logprobs, finish_reason])),
    );
    for (const entry of practice.entries) expect(entry).toMatchObject({ shape, prompt_ids: inputIds });
    if (shape !== "llamacpp")
      expect(practice.entries.map(({ index }) => index)).toEqual(generations.map((_, i) => i));
  });

  test.each([
    "drop_logprobs_rate",
    "unequal_rate",
    "floor_logprobs_rate",
    // TRL has no word for it: such an answer looks like one that the model ended.
    ...(shape === "trl" ? [] : ["abort_rate"]),
    "malformed_rate",
    "die_rate",
    "fail_rate",
  ])("%s is an error, not a generation", async (fault) => {
    await using practice = await startTokenPractice({ [fault]: 1 }, { shapes: [shape] });
    const config = serverConfig.parse({ server_type, base_url: practice.url, model_name: "practice" });
    await using server = createTokenServer(config);
    const failure = await server.generate(request({}), { signal: never }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: expect.stringMatching(/^INFERENCE_|^TOKEN_AUDIT_/) });
  });

  test("log-probabilities are of the kind that the generation says", async () => {
    await using practice = await startTokenPractice({}, { shapes: [shape] });
    await using manager = createManager(server_type, practice.url);
    const at = (temperature: number) =>
      manager.generate(request({ temperature, seed: 7, n: 1 }), { signal: never });
    const [[warm], [cold]] = [await at(1), await at(0.5)];
    expect(cold?.ids).toEqual(warm?.ids);
    const kind = JSON.stringify(cold?.logprobs) === JSON.stringify(warm?.logprobs) ? "raw" : "processed";
    expect(cold?.logprobKind).toBe(kind);
  });

  test("among faults of all kinds, nothing is handed on that was not sampled so", async () => {
    const rates = {
      drop_logprobs_rate: 0.1,
      unequal_rate: 0.1,
      floor_logprobs_rate: 0.1,
      wrong_count_rate: 0.1,
    };
    const config = { ...rates, malformed_rate: 0.1, die_rate: 0.1, fail_rate: 0.1, seed: 5 };
    await using practice = await startTokenPractice(config, { shapes: [shape] });
    await using manager = createManager(server_type, practice.url);
    let whole = 0;
    for (let call = 0; call < 12; call += 1) {
      const answer = await manager
        .generate(request({ n: 1 }), { signal: never })
        .catch((error: unknown) => error);
      if (!Array.isArray(answer)) {
        expect(answer).toMatchObject({ code: expect.stringMatching(/^INFERENCE_|^TOKEN_AUDIT_/) });
        continue;
      }
      whole += 1;
      const last = practice.entries.at(-1);
      expect(answer).toMatchObject([{ ids: last?.ids, logprobs: last?.logprobs }]);
      expect(last?.fault).toBeNull();
    }
    expect(whole).toBeGreaterThan(3);
  });
});

const inAnyOrder = (generations: unknown[]): string[] =>
  generations.map((generation) => JSON.stringify(generation)).toSorted();
