import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LachesisError } from "../../src/contracts/errors.ts";
import { evaluateEnvironment } from "../../src/env/evaluate.ts";
import { neverStopped, recordEvents, testServices } from "../support/env-services.ts";
import { NumbersEnv } from "../support/numbers-env.ts";
import { answer, rightAnswer, SumsEnv } from "../support/sums-env.ts";

const sums = (count: number) => Array.from({ length: count }, (_, a) => ({ a, b: 1 }));

test("plays every item through the same loop and writes metrics.json and samples.jsonl", async () => {
  const splits = new Set<unknown>();
  const temperatures = new Set<unknown>();
  await using services = await testServices(async (request, { split }) => {
    splits.add(split);
    temperatures.add(request.temperature);
    const right = rightAnswer(request);
    return answer(Number(right) <= 3 ? right : "no idea");
  });
  const items = recordEvents(services.events, "eval-item");
  const env = SumsEnv.make(services, { max_eval_workers: 2 });
  env.evalItems = sums(4);
  const { evaluation, paths } = await evaluateEnvironment({ env, ...neverStopped() });
  expect(evaluation.metrics).toMatchObject({
    "eval/accuracy": 0.75,
    "eval/mean_reward": 0.75,
    "eval/items": 4,
    "eval/scored": 4,
    "eval/infra_failed": 0,
  });
  expect([...splits]).toEqual(["eval"]);
  expect([...temperatures]).toEqual([0]);
  expect(items.map(({ score }) => score).toSorted()).toEqual([0, 1, 1, 1]);

  const written = JSON.parse(await readFile(join(services.runDirectory, "metrics.json"), "utf8"));
  expect(written).toMatchObject({
    config_general: {
      model_name: "scripted",
      generation_parameters: { max_new_tokens: 2048, temperature: 0 },
    },
    results: { "atropos|sums_eval|0": { "eval/accuracy": 0.75 }, all: { "eval/accuracy": 0.75 } },
  });
  const samples = (await readFile(paths.samples ?? "", "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(samples.map(({ index, score, correct, gold }) => ({ index, score, correct, gold }))).toEqual([
    { index: 0, score: 1, correct: true, gold: 1 },
    { index: 1, score: 1, correct: true, gold: 2 },
    { index: 2, score: 1, correct: true, gold: 3 },
    { index: 3, score: 0, correct: false, gold: 4 },
  ]);
});

test("failures of the machinery have their own column and stay out of the accuracy", async () => {
  await using services = await testServices(async (request) => {
    const right = rightAnswer(request);
    if (right === "2") throw new LachesisError("INFERENCE_FAILED", "overloaded");
    return answer(right);
  });
  const env = SumsEnv.make(services);
  env.evalItems = sums(4);
  const { evaluation } = await evaluateEnvironment({ env, ...neverStopped() });
  expect(evaluation.metrics).toMatchObject({ "eval/accuracy": 1, "eval/scored": 3, "eval/infra_failed": 1 });
  expect(evaluation.samples[1]).toMatchObject({ score: null, correct: null, stage: "inference" });
});

test("an evaluation in which nothing could be scored is an error, not an accuracy of 0", async () => {
  await using services = await testServices(() =>
    Promise.reject(new LachesisError("INFERENCE_FAILED", "down")),
  );
  const env = SumsEnv.make(services);
  env.evalItems = sums(3);
  await expect(evaluateEnvironment({ env, ...neverStopped() })).rejects.toMatchObject({
    code: "ROLLOUTS_KEEP_FAILING",
    message: expect.stringMatching(/3 of 3 evaluation rollouts failed.*down/),
  });
});

test.each([
  [{ recordedConfig: {} }, 1],
  [{}, 0],
])("an evaluation that fails says how it goes on, where it can be resumed (%j)", async (options, count) => {
  await using services = await testServices(() =>
    Promise.reject(new LachesisError("INFERENCE_FAILED", "down")),
  );
  const notices: string[] = [];
  services.events.on("notice", ({ message }) => notices.push(message));
  const env = SumsEnv.make(services);
  env.evalItems = sums(3);
  await expect(evaluateEnvironment({ env, ...options, ...neverStopped() })).rejects.toThrow();
  const said = notices.filter((message) =>
    message.includes(`evaluate ${env.name} --resume ${services.runDirectory}`),
  );
  expect(said).toHaveLength(count);
});

test("a directory that can't be written is told before anything is played, and earlier results stay", async () => {
  let calls = 0;
  await using services = await testServices(async (request) => {
    calls += 1;
    return answer(rightAnswer(request));
  });
  const file = join(services.runDirectory, "a-file");
  await writeFile(file, "earlier");
  const env = SumsEnv.make(services, { data_dir_to_save_evals: join(file, "evaluation") });
  env.evalItems = sums(3);
  await expect(evaluateEnvironment({ env, ...neverStopped() })).rejects.toMatchObject({
    code: "OUTPUT_UNWRITABLE",
  });
  expect(calls).toBe(0);
  expect(await readFile(file, "utf8")).toBe("earlier");
});

test("gives up early after max_failed_groups failures in a row", async () => {
  let calls = 0;
  await using services = await testServices(() => {
    calls += 1;
    return Promise.reject(new LachesisError("INFERENCE_FAILED", "down"));
  });
  const env = SumsEnv.make(services, { max_failed_groups: 2, max_eval_workers: 1 });
  env.evalItems = sums(100);
  await expect(evaluateEnvironment({ env, ...neverStopped() })).rejects.toThrow(/2 of 2/);
  expect(calls).toBe(2);
});

test("an item whose prompt can't be made ends the evaluation, and nothing is played behind its back", async () => {
  let calls = 0;
  const ended: string[] = [];
  await using services = await testServices((_request, { signal }) => {
    calls += 1;
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  services.events.on("rollout-end", ({ outcome }) => ended.push(outcome.kind));
  const env = SumsEnv.make(services, { max_eval_workers: 3 });
  env.evalItems = sums(50);
  env.formatPrompt = ({ a }) => {
    if (a === 2) throw new TypeError("no such column");
    return `What is ${a} + 1?`;
  };
  await expect(evaluateEnvironment({ env, ...neverStopped() })).rejects.toMatchObject({
    code: "ENV_FAILED",
    message: expect.stringContaining("item 2: formatPrompt: no such column"),
  });
  expect(ended).toEqual(["cancelled", "cancelled"]);
  expect(calls).toBeLessThanOrEqual(2);
});

test("rollouts that only ever run out of time end the evaluation with an error", async () => {
  await using services = await testServices(
    (_request, { signal }) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  );
  const env = SumsEnv.make(services, { worker_timeout: 0.01, max_failed_groups: 2, max_eval_workers: 1 });
  env.evalItems = sums(100);
  await expect(evaluateEnvironment({ env, ...neverStopped() })).rejects.toMatchObject({
    code: "ROLLOUTS_KEEP_FAILING",
    message: expect.stringContaining("2 of 2 evaluation rollouts failed; the last: not done within"),
  });
});

test("plays no more than max_eval_workers at once", async () => {
  let running = 0;
  let peak = 0;
  await using services = await testServices(async (request) => {
    peak = Math.max(peak, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    return answer(rightAnswer(request));
  });
  const env = SumsEnv.make(services, { max_eval_workers: 3 });
  env.evalItems = sums(12);
  await evaluateEnvironment({ env, ...neverStopped() });
  expect(peak).toBe(3);
});

test("draining reports what was played by then", async () => {
  const drain = new AbortController();
  const { promise: bothStarted, resolve: start } = Promise.withResolvers<void>();
  let started = 0;
  await using services = await testServices(async (request) => {
    started += 1;
    if (started === 2) start();
    await bothStarted;
    drain.abort();
    return answer(rightAnswer(request));
  });
  const env = SumsEnv.make(services, { max_eval_workers: 2 });
  env.evalItems = sums(10);
  const { evaluation } = await evaluateEnvironment({
    env,
    drain: drain.signal,
    abort: new AbortController().signal,
  });
  expect(evaluation.metrics).toMatchObject({ "eval/scored": 2, "eval/not_played": 8, "eval/items": 10 });
});

test("aborting rejects with the reason and cleans up", async () => {
  const abort = new AbortController();
  await using services = await testServices();
  const env = NumbersEnv.make(
    services,
    {},
    { evaluate: () => new Promise(() => abort.abort(new Error("enough"))) },
  );
  await expect(
    evaluateEnvironment({ env, drain: new AbortController().signal, abort: abort.signal }),
  ).rejects.toThrow("enough");
  expect(env.cleanups).toBe(1);
});

test("an environment without an evaluation says so", async () => {
  await using services = await testServices();
  const env = NumbersEnv.make(services, {});
  await expect(evaluateEnvironment({ env, ...neverStopped() })).rejects.toMatchObject({
    code: "EVALUATION_MISSING",
  });
});
