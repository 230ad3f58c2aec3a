/** Several samples of an item: their seeds, what is owed after a stop, what stands in the files. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ChatRequest, JsonObject } from "../../src/contracts/chat.ts";
import { LachesisError } from "../../src/contracts/errors.ts";
import { evaluateEnvironment } from "../../src/env/evaluate.ts";
import { neverStopped, recordEvents, testServices } from "../support/env-services.ts";
import { answer, rightAnswer, SumsEnv } from "../support/sums-env.ts";

const sums = (count: number) => Array.from({ length: count }, (_, a) => ({ a, b: 1 }));

/** Right or wrong by the request's seed alone, as a model that heeds seeds. */
const bySeed = async (request: ChatRequest) =>
  answer((request.seed ?? 0) % 2 === 0 ? rightAnswer(request) : `wrong, ${request.seed}`);

const untimed = (samples: readonly JsonObject[]) => samples.map((sample) => ({ ...sample, timing: null }));

async function evaluated(
  options: { workers?: number; items?: number; more?: object } = {},
  chat: Parameters<typeof testServices>[0] = bySeed,
) {
  await using services = await testServices(chat);
  const env = SumsEnv.make(services, {
    eval_samples: 4,
    eval_temperature: 1,
    max_eval_workers: options.workers ?? 3,
    rollout_retries: 1,
  });
  env.evalItems = sums(options.items ?? 3);
  const { evaluation } = await evaluateEnvironment({ env, ...neverStopped(), ...options.more });
  return evaluation;
}

test("each sample has a seed of its own, the same in whatever order they are played", async () => {
  const one = await evaluated({ workers: 1 });
  const many = await evaluated({ workers: 12 });
  expect(untimed(many.samples)).toEqual(untimed(one.samples));
  expect(one.samples.map(({ item_id, sample }) => `${item_id}.${sample}`).slice(0, 5)).toEqual([
    "0.0",
    "0.1",
    "0.2",
    "0.3",
    "1.0",
  ]);
  const wrong = one.samples.flatMap(({ messages, correct }) => (correct ? [] : [JSON.stringify(messages)]));
  expect(wrong.length).toBeGreaterThan(1);
  expect(new Set(wrong).size).toBe(wrong.length);
  expect(one.metrics).toMatchObject({ "eval/samples_per_item": 4, "eval/scored": 12 });
  expect(Object.keys(one.metrics)).toEqual(expect.arrayContaining(["eval/pass@2", "eval/pass^4"]));
});

test("an item keeps its samples when other items are chosen", async () => {
  const all = await evaluated();
  const some = await evaluated({ more: { selection: { items: "2" } } });
  expect(untimed(some.samples)).toEqual(untimed(all.samples.filter(({ index }) => index === 2)));
});

test("where single turns are rewarded, a sample says how its score came about", async () => {
  await using services = await testServices(async (request) => answer(rightAnswer(request)));
  const env = SumsEnv.make(services);
  env.evalItems = sums(2);
  env.reward = async ({ a }) => (a === 0 ? { turnRewards: [0.25] } : 1);
  const { evaluation } = await evaluateEnvironment({ env, ...neverStopped() });
  expect(evaluation.samples).toMatchObject([{ score: 0.25, turn_rewards: [0.25] }, { score: 1 }]);
  expect(evaluation.samples[1]).not.toHaveProperty("turn_rewards");
});

test("a failed attempt changes nothing about the sample, but what it cost", async () => {
  const calls = new Map<number | undefined, number>();
  const shaky = async (request: ChatRequest) => {
    const before = calls.get(request.seed) ?? 0;
    calls.set(request.seed, before + 1);
    if (before === 0) throw new LachesisError("INFERENCE_FAILED", "overloaded", { retryable: true });
    return bySeed(request);
  };
  const [steady, retried] = [await evaluated(), await evaluated({}, shaky)];
  expect(untimed(retried.samples)).toEqual(untimed(steady.samples));
  expect(retried.samples[0]?.timing).toMatchObject({ attempts: 2 });
});

test("resuming plays what is owed, and comes to the samples of an undisturbed evaluation", async () => {
  const undisturbed = await evaluated();
  await using services = await testServices(async (request) => {
    if (broken && rightAnswer(request) === "2") throw new LachesisError("INFERENCE_FAILED", "down");
    return bySeed(request);
  });
  const env = SumsEnv.make(services, { eval_samples: 4, eval_temperature: 1, max_eval_workers: 3 });
  env.evalItems = sums(3);
  const drain = new AbortController();
  const stop = services.events.on("eval-item", () => drain.abort());
  let broken = true;
  const first = await evaluateEnvironment({ env, drain: drain.signal, abort: neverStopped().abort });
  stop();
  expect(first.evaluation.metrics["eval/not_played"]).toBeGreaterThan(0);

  broken = false;
  const played = recordEvents(services.events, "rollout-end");
  const { evaluation, paths } = await evaluateEnvironment({ env, ...neverStopped(), resume: true });
  expect(untimed(evaluation.samples)).toEqual(untimed(undisturbed.samples));
  expect(played).toHaveLength(12 - Number(first.evaluation.metrics["eval/scored"]));
  const lines = (await readFile(paths.samples ?? "", "utf8")).trimEnd().split("\n");
  expect(untimed(lines.map((line) => JSON.parse(line)))).toEqual(untimed(undisturbed.samples));
  const metrics = JSON.parse(await readFile(join(services.runDirectory, "metrics.json"), "utf8"));
  expect(metrics.results.all["eval/accuracy"]).toBe(undisturbed.metrics["eval/accuracy"]);
});

test("an evaluation that is whole plays nothing when resumed", async () => {
  let calls = 0;
  await using services = await testServices((request) => {
    calls += 1;
    return bySeed(request);
  });
  const env = SumsEnv.make(services, { eval_samples: 2, eval_temperature: 1 });
  env.evalItems = sums(3);
  const first = await evaluateEnvironment({ env, ...neverStopped() });
  expect(calls).toBe(6);
  const again = await evaluateEnvironment({ env, ...neverStopped(), resume: true });
  expect(calls).toBe(6);
  expect(again.evaluation.samples).toEqual(first.evaluation.samples);
  expect(again.evaluation.metrics).toEqual(first.evaluation.metrics);
});

test("no seed is sent where the configuration says so, and none in training", async () => {
  const seeds: unknown[] = [];
  await using services = await testServices(async (request) => {
    seeds.push(request.seed);
    return answer(rightAnswer(request));
  });
  const env = SumsEnv.make(services, { eval_seeded: false });
  env.evalItems = sums(2);
  await evaluateEnvironment({ env, ...neverStopped() });
  expect(seeds).toEqual([undefined, undefined]);
});

test("k above n is refused before anything is played", async () => {
  await using services = await testServices();
  const env = SumsEnv.make(services, { eval_samples: 4, eval_pass_k: [1, 8] });
  env.evalItems = sums(2);
  await expect(evaluateEnvironment({ env, ...neverStopped() })).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringContaining("pass@8 needs 8 samples"),
  });
});

test("samples carry tokens, times and a category; a description can't pass for a score", async () => {
  await using services = await testServices(bySeed);
  const env = SumsEnv.make(services, { eval_temperature: 1 });
  env.evalItems = sums(2);
  env.evaluate = (options) =>
    env.evaluateItems(env.evalItems, {
      ...options,
      price: { in: 100, out: 1000 },
      describe: ({ a }) => ({ category: a === 0 ? "nought" : "one", score: 7, item_id: "x" }),
    });
  const { evaluation } = await evaluateEnvironment({ env, ...neverStopped() });
  const [first] = evaluation.samples;
  expect(first).toMatchObject({ item_id: "0", prompt_tokens: 10, completion_tokens: 5, category: "nought" });
  expect(first?.score).not.toBe(7);
  expect(Object.keys(first?.timing ?? {})).toEqual(
    expect.arrayContaining(["duration_ms", "model_ms", "tool_ms", "sandbox_ms", "reward_ms"]),
  );
  expect(evaluation.metrics["eval/cost"]).toBeCloseTo((20 * 100 + 10 * 1000) / 1e6, 12);
  expect(evaluation.metrics).toHaveProperty(["eval/category/nought/accuracy"]);
});
