import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { type TinyMathsConfig, TinyMathsEnv, tinyMathsConfig } from "../../environments/tiny-maths.ts";
import {
  compute,
  readTinyMaths,
  tinyMathsLevels,
  tinyMathsProblem,
} from "../../environments/tiny-maths-problems.ts";
import type { AssistantMessage, ChatCompletion, ChatRequest } from "../../src/contracts/chat.ts";
import type { ScoredGroup } from "../../src/contracts/scored-group.ts";
import { processEnvironment } from "../../src/env/process.ts";
import { neverStopped, type TestServices, testServices } from "../support/env-services.ts";

const signal = new AbortController().signal;

function makeEnv(services: TestServices, config: Partial<TinyMathsConfig> = {}): TinyMathsEnv {
  return new TinyMathsEnv({
    services,
    config: tinyMathsConfig.parse({ ...TinyMathsEnv.defaults.env, ...config }),
  });
}

function reply(message: Omit<AssistantMessage, "role">): ChatCompletion {
  const finish_reason = message.tool_calls === undefined ? "stop" : "tool_calls";
  return {
    id: "1",
    model: "scripted",
    choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason }],
  };
}

const call = (code: string) =>
  reply({
    content: null,
    tool_calls: [
      { id: "c", type: "function", function: { name: "python", arguments: JSON.stringify({ code }) } },
    ],
  });

/** Computes what the question asks for, but sums what should be multiplied by way of a syntax error. */
async function solve({ messages }: ChatRequest): Promise<ChatCompletion> {
  const result = messages.find(({ role }) => role === "tool")?.content ?? "";
  if (result !== "") return reply({ content: / "(-?\d+)"|:"(-?\d+)"/.exec(result)?.[2] ?? "no idea" });
  const question = messages.at(-1)?.content ?? "";
  const { first, steps } = readTinyMaths(question) ?? { first: 0, steps: [] };
  const isProduct = steps[0]?.operation === "*";
  return call(isProduct ? "(" : `${first}${steps.map((step) => step.operation + step.number).join("")}`);
}

describe("the problems", () => {
  test.each(tinyMathsLevels)("of level %d say themselves what solves them", (level) => {
    for (const split of ["train", "eval"] as const) {
      for (let index = 0; index < 200; index += 1) {
        const { question, expression, answer } = tinyMathsProblem(index, { seed: 3, level, split });
        const { first, steps } = readTinyMaths(question)!;
        expect(first + steps.map((step) => step.operation + step.number).join("")).toBe(expression);
        const value = steps.reduce((sum, { operation, number }) => compute(sum, operation, number), first);
        expect(value).toBe(answer);
        expect(answer).toBeGreaterThanOrEqual(0);
      }
    }
  });

  test("are the same for the same seed and number, and others for other seeds", () => {
    const stream = (seed: number) =>
      Array.from({ length: 20 }, (_, index) => tinyMathsProblem(index, { seed, level: 2, split: "train" }));
    expect(stream(1)).toEqual(stream(1));
    expect(stream(2)).not.toEqual(stream(1));
  });

  test("held out share no pair of numbers with any training problem, whatever the seeds", () => {
    const expressions = (split: "train" | "eval", seed: number) =>
      Array.from(
        { length: 1500 },
        (_, index) => tinyMathsProblem(index, { seed, level: 2, split }).expression,
      );
    const heldOut = new Set([...expressions("eval", 0), ...expressions("eval", 1)]);
    const trained = [...expressions("train", 0), ...expressions("train", 7)];
    expect(trained.filter((expression) => heldOut.has(expression))).toEqual([]);
    expect(heldOut.size).toBeGreaterThan(200);
  });

  test("other questions are not read", () => {
    expect(readTinyMaths("How many apples?")).toBeNull();
    expect(readTinyMaths("Ann has 3 apples and eats 2. How many apples?")).toBeNull();
  });
});

describe("the environment", () => {
  test("puts the question alone, with python as the only tool", async () => {
    await using services = await testServices();
    const env = makeEnv(services);
    const item = await env.getNextItem();
    expect(env.initialMessages(item)).toEqual([{ role: "user", content: item.question }]);
    expect(env.chooseTools(0).map(({ name }) => name)).toEqual(["python"]);
  });

  test.each([
    ["12", 1],
    [" 12\n", 1],
    ["The answer is 12", 0],
    ["12.0", 0],
    ["", 0],
  ])("%j for 12 earns %d", async (content, reward) => {
    await using services = await testServices();
    const env = makeEnv(services);
    const messages = [{ role: "assistant" as const, content }];
    const item = { question: "", expression: "", answer: 12 };
    expect(await env.computeReward(item, { messages } as never)).toBe(reward);
  });

  test("a call that was never answered earns nothing", async () => {
    await using services = await testServices();
    const messages = [
      { role: "assistant", content: "12" },
      { role: "tool", tool_call_id: "c", content: "" },
    ];
    const item = { question: "", expression: "", answer: 12 };
    expect(await makeEnv(services).computeReward(item, { messages } as never)).toBe(0);
  });

  test("a checkpoint goes on where the stream was", async () => {
    await using services = await testServices();
    const env = makeEnv(services, { seed: 4 });
    for (let index = 0; index < 3; index += 1) await env.getNextItem();
    const resumed = makeEnv(services, { seed: 4 });
    await resumed.restoreState(JSON.parse(JSON.stringify(env.checkpointState())));
    expect(await resumed.getNextItem()).toEqual(await env.getNextItem());
  });

  test("evaluates held-out problems in real Python, and tells in how many it ran", async () => {
    await using services = await testServices(solve);
    const env = makeEnv(services, { eval_items: 12, random_reward: true });
    const evaluation = await env.evaluate({ signal });
    const isProduct = ({ expression }: { expression?: unknown }) => String(expression).includes("*");
    const others = evaluation.samples.filter((sample) => !isProduct(sample));
    expect(others.length).toBeGreaterThan(0);
    expect(others.length).toBeLessThan(12);
    expect(evaluation.samples.map(({ score }) => score)).toEqual(
      evaluation.samples.map((sample) => (isProduct(sample) ? 0 : 1)),
    );
    expect(evaluation.metrics).toMatchObject({
      "eval/accuracy": others.length / 12,
      "eval/tool_success": others.length / 12,
    });
  });

  test("training rollouts leave the share of right answers and of Python that ran as metrics", async () => {
    await using services = await testServices(solve);
    const logged: string[] = [];
    const logger = pino({}, { write: (line) => logged.push(line) });
    const env = makeEnv(Object.assign(services, { logger }), {
      total_steps: 6,
      group_size: 2,
      ensure_scores_are_not_same: false,
      data_path_to_save_groups: `${services.runDirectory}/groups.jsonl`,
    });
    await processEnvironment({ env, ...neverStopped() });
    const { metrics } = JSON.parse(logged.find((line) => line.includes("process-metrics")) ?? "{}");
    expect(metrics["train/percent_correct"]).toBeGreaterThan(0);
    expect(metrics["train/tool_success"]).toBe(metrics["train/percent_correct"]);
  });

  test("shared_python plays all rollouts out of one sandbox", async () => {
    await using services = await testServices(solve);
    const env = makeEnv(services, { eval_items: 12, shared_python: true });
    const { metrics } = (await env.evaluate({ signal }))!;
    expect(metrics["eval/accuracy"]).toBeGreaterThan(0.3);
    expect(metrics["eval/tool_success"]).toBe(metrics["eval/accuracy"]);
    expect(services.sandboxes.opened).toBe(1);
    await env.cleanup();
    expect(services.sandboxes.closed).toBe(1);
  });

  test("random_reward scores by chance, the same rollouts alike, and keeps no advantages", async () => {
    await using services = await testServices();
    const group = (id: number) =>
      ({
        tokens: Array.from({ length: 8 }, () => [id]),
        scores: Array(8).fill(1),
        advantages: [[0]],
      }) as unknown as ScoredGroup;
    expect(await makeEnv(services).postprocessGroup(group(1))).toEqual(group(1));
    const env = makeEnv(services, { random_reward: true });
    const scores: number[] = [];
    for (let id = 0; id < 100; id += 1) {
      const thrown = await env.postprocessGroup(group(id));
      expect(thrown.advantages).toBeNull();
      expect(await env.postprocessGroup(group(id))).toEqual(thrown);
      scores.push(...thrown.scores);
    }
    expect(new Set(scores)).toEqual(new Set([0, 1]));
    const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.1);
  });
});
