/** The policy engine over its real threads. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, test, vi } from "vitest";
import type { Sampling } from "../../src/contracts/token-server.ts";
import { PolicyEngine, type PolicyEngineOptions } from "../../src/tiny-policy/policy-engine.ts";
import { forwardLogprobs, policyConfig, randomPolicy } from "../support/tiny-policy.ts";

const never = new AbortController().signal;
const weights = randomPolicy();
const start = (options: Partial<PolicyEngineOptions> = {}) =>
  PolicyEngine.start({ weights, slots: 4, ...options }, { signal: never });

const sampling: Sampling = {
  temperature: 1,
  top_p: 1,
  top_k: 0,
  min_p: 0,
  repetition_penalty: 1,
  max_tokens: 10,
  stop: [],
  stop_token_ids: [],
  seed: null,
  n: 1,
  extra: {},
};
const request = (changes: Partial<Sampling> = {}, sessionId = "one", inputIds = [300, 301]) => ({
  inputIds,
  sampling: { ...sampling, ...changes },
  sessionId,
});
const ids = (generations: readonly { ids: number[] }[]) => generations.map((generation) => generation.ids);

describe("a policy engine", () => {
  test("samples the same for the same seed and order, however many threads and slots there are", async () => {
    const play = async (options: Partial<PolicyEngineOptions>) => {
      await using engine = await start(options);
      const asked = Array.from({ length: 12 }, (_, index) =>
        engine.generate(request({ n: 2 }, `session-${index}`), { signal: never }),
      );
      return (await Promise.all(asked)).map(ids);
    };
    const first = await play({ seed: 5 });
    expect(await play({ seed: 5, threads: 2, slots: 3 })).toEqual(first);
    expect(await play({ seed: 6 })).not.toEqual(first);
    expect(new Set(first.flat().map(String)).size).toBeGreaterThan(20);
  });

  test("samples a request with a seed the same whatever else runs", async () => {
    await using engine = await start();
    const seeded = () => engine.generate(request({ seed: 2 ** 40 + 1, n: 3 }), { signal: never });
    const alone = await seeded();
    const others = Array.from({ length: 9 }, () => engine.generate(request({}, "two"), { signal: never }));
    expect(await seeded()).toEqual(alone);
    await Promise.all(others);
    const [far] = await engine.generate(request({ seed: 1 }), { signal: never });
    expect(far?.ids).not.toEqual(alone[0]?.ids);
  });

  test("swaps weights under load: every sequence is of one version, and of that alone", async () => {
    await using engine = await start({ slots: 3 });
    const policies = [weights, randomPolicy(2, 1), randomPolicy(3, 2)];
    const asked = [];
    for (const policy of policies) {
      if (policy !== weights) asked.push(engine.updateWeights(policy.weights, policy.version));
      for (let index = 0; index < 8; index += 1) {
        asked.push(engine.generate(request({ n: 2 }, `session-${index % 3}`), { signal: never }));
      }
      // Some are sampled, the others are under way or wait.
      await asked.at(-8);
    }
    const answers = (await Promise.all(asked)).flatMap((answer) => answer ?? []);
    expect(new Set(answers.flatMap(({ versions }) => versions))).toEqual(new Set([0, 1, 2]));
    for (const { ids, logprobs, versions = [] } of answers) {
      expect(new Set(versions)).toHaveProperty("size", 1);
      expect(logprobs).toEqual(forwardLogprobs(policies[versions[0]!]!, [300, 301], ids));
    }
    expect(engine.version).toBe(2);
  });

  test("rejects with the reason when it is aborted, and goes on with the rest", async () => {
    await using engine = await start({ slots: 1 });
    const gone = new AbortController();
    const reason = new Error("changed my mind");
    const dropped = engine.generate(request({ n: 50 }), { signal: gone.signal });
    const kept = engine.generate(request(), { signal: never });
    gone.abort(reason);
    await expect(dropped).rejects.toBe(reason);
    expect(await kept).toHaveLength(1);
    await expect(engine.generate(request(), { signal: gone.signal })).rejects.toBe(reason);
    expect(engine.statistics()).toMatchObject({ running: 0, waiting: 0 });
  });

  test.each<[string, Partial<Sampling>, number[], string]>([
    ["an id beyond the vocabulary", {}, [512], "INFERENCE_REJECTED"],
    ["an id that is none", {}, [1.5], "INFERENCE_REJECTED"],
    ["no prompt", {}, [], "INFERENCE_REJECTED"],
    [
      "a prompt as long as the context",
      {},
      Array(policyConfig.context_length).fill(1),
      "INFERENCE_CONTEXT_FULL",
    ],
    ["no tokens at all", { max_tokens: 0 }, [1], "INFERENCE_REJECTED"],
    ["a temperature that is no number", { temperature: Number.NaN }, [1], "INFERENCE_REJECTED"],
  ])("refuses %s", async (_name, changes, inputIds, code) => {
    await using engine = await start();
    await expect(engine.generate(request(changes, "one", inputIds), { signal: never })).rejects.toMatchObject(
      {
        code,
      },
    );
  });

  test("refuses weights of another count, and those that don't fit the tokenizer", async () => {
    await using engine = await start();
    await expect(engine.updateWeights(new Float32Array(3), 1)).rejects.toMatchObject({
      code: "WEIGHTS_INVALID",
    });
    expect(engine.version).toBe(0);
    const other = randomPolicy(1, 0, { ...policyConfig, vocabulary_size: 100 });
    await expect(start({ weights: other })).rejects.toMatchObject({
      code: "WEIGHTS_INVALID",
      message: "The weights are for 100 ids, the tokenizer tiny-policy has 512.",
    });
  });

  test("says so when its thread has died, to those who wait and to those who come", async () => {
    const spy = vi.spyOn(Worker.prototype, "postMessage");
    await using engine = await start();
    const waiting = engine.generate(request({ n: 1000 }), { signal: never });
    const settled = waiting.catch((error: unknown) => error);
    const worker = spy.mock.contexts[0] as Worker;
    spy.mockRestore();
    const exit = once(worker, "exit");
    await worker.terminate();
    await exit;
    expect(await settled).toMatchObject({ code: "POLICY_ENGINE_ENDED" });
    await expect(engine.generate(request(), { signal: never })).rejects.toMatchObject({
      code: "POLICY_ENGINE_ENDED",
    });
    await expect(engine.updateWeights(weights.weights, 1)).rejects.toMatchObject({
      code: "POLICY_ENGINE_ENDED",
    });
    expect(engine.failure).toMatchObject({ code: "POLICY_ENGINE_ENDED" });
  });

  test("can be closed twice, and lets go of those who wait", async () => {
    const engine = await start();
    const waiting = engine.generate(request({ n: 1000 }), { signal: never }).catch((error: unknown) => error);
    await Promise.all([engine.close(), engine.close()]);
    expect(await waiting).toMatchObject({ code: "POLICY_ENGINE_ENDED" });
  });
});
