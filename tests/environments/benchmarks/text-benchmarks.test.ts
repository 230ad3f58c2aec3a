import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { AimeBenchmark } from "../../../environments/benchmarks/aime.ts";
import { benchmarkConfig } from "../../../environments/benchmarks/benchmark-env.ts";
import { Gsm8kBenchmark } from "../../../environments/benchmarks/gsm8k.ts";
import { IfevalBenchmark } from "../../../environments/benchmarks/ifeval.ts";
import { benchmarks } from "../../../environments/benchmarks/index.ts";
import { Math500Benchmark } from "../../../environments/benchmarks/math500.ts";
import { MmluBenchmark } from "../../../environments/benchmarks/mmlu.ts";
import { MmluTeacher, readOwnQuestions } from "../../../environments/benchmarks/mmlu-teacher.ts";
import { PolicyServer } from "../../../src/env/policies.ts";
import { validateEnvironment } from "../../../src/env/validate.ts";
import { recordEvents, type TestServices, testServices } from "../../support/env-services.ts";
import { ScriptedModel, says } from "../../support/scripted-model.ts";

const signal = new AbortController().signal;
const textBenchmarks = [AimeBenchmark, Gsm8kBenchmark, IfevalBenchmark, Math500Benchmark, MmluBenchmark];

type TextBenchmark = (typeof textBenchmarks)[number];

function make(envClass: TextBenchmark, services: TestServices, config: Record<string, unknown> = {}) {
  return new envClass({
    services,
    config: benchmarkConfig.parse({ ...envClass.defaults.env, dataset_name: null, ...config }),
  });
}

async function rowsFile(services: TestServices, rows: readonly unknown[]): Promise<string> {
  const path = join(services.runDirectory, "rows.jsonl");
  await writeFile(path, rows.map((row) => JSON.stringify(row)).join("\n"));
  return path;
}

test.each(textBenchmarks)(
  "$envName: its reward tells gold from nothing and from cheats",
  async (envClass) => {
    const server = new PolicyServer();
    await using services = await testServices((request) => server.chatCompletion(request));
    const report = await validateEnvironment({ env: make(envClass, services), server, items: 20, signal });
    expect(report.policies.filter(({ passes }) => !passes)).toEqual([]);
    expect(report.items).toBeGreaterThanOrEqual(6);
  },
);

test.each(benchmarks)(
  "$envName refuses to be trained on, and says what to train on instead",
  async (envClass) => {
    await using services = await testServices();
    const config = envClass.configSchema.parse({ ...envClass.defaults?.env });
    const env = new envClass({ services, config } as never);
    await expect(env.prepare({ signal, purpose: "serve" })).rejects.toMatchObject({
      code: "BENCHMARK_NOT_FOR_TRAINING",
      hint: expect.stringContaining("math-agent"),
    });
    await env.cleanup();
  },
);

test("an evaluation counts by categories, and says that rows of our own mean nothing", async () => {
  await using services = await testServices((...call) =>
    new ScriptedModel(says("Answer: B")).chatCompletion(...call),
  );
  const notices = recordEvents(services.events, "notice");
  const env = make(MmluBenchmark, services, { categories: ["logic", "astronomy"] });
  await env.setup({ signal });
  const evaluation = await env.evaluate({ signal });
  expect(evaluation.metrics).toMatchObject({ "eval/scored": 2, "eval/accuracy": 1 });
  expect(evaluation.samples.map(({ category }) => category)).toEqual(["astronomy", "logic"]);
  expect(notices[0]?.message).toMatch(/mean nothing/);
  await env.cleanup();
});

test.each([
  ["knows the right letters", false, 1],
  ["that errs knows none", true, 0],
])("the teacher of choices %s", async (_what, errs, accuracy) => {
  const teacher = new MmluTeacher(readOwnQuestions());
  await using services = await testServices(async (request, options) => {
    const { messages, tools = [] } = request;
    const turn = teacher.recognise(messages)?.nextTurn({ messages, tools, seed: 1, errs });
    return new ScriptedModel(says(turn?.content ?? "")).chatCompletion(request, options);
  });
  const env = make(MmluBenchmark, services);
  await env.setup({ signal });
  expect((await env.evaluate({ signal })).metrics).toMatchObject({
    "eval/scored": 8,
    "eval/accuracy": accuracy,
  });
  await env.cleanup();
});

describe("published columns", () => {
  test("mmlu: cais/mmlu and MMLU-Pro; a row whose answer is no choice is left out", async () => {
    await using services = await testServices();
    const dataset_path = await rowsFile(services, [
      { question: "Q1", choices: ["a", "b"], answer: 1, subject: "s" },
      { question: "Q2", options: ["a", "b", "c"], answer: "C", answer_index: 2, category: "c" },
      { question: "Q3", choices: ["a", "b"], answer: 2, subject: "s" },
    ]);
    const notices = recordEvents(services.events, "notice");
    const env = make(MmluBenchmark, services, { dataset_path });
    await env.setup({ signal });
    expect([await env.getNextItem(), await env.getNextItem(), await env.getNextItem()]).toEqual([
      { question: "Q1", choices: ["a", "b"], answer: "B", category: "s" },
      { question: "Q2", choices: ["a", "b", "c"], answer: "C", category: "c" },
      null,
    ]);
    expect(notices[0]?.message).toMatch(/1 of 3 rows .*names no choice/);
    await env.cleanup();
  });

  test("aime: answers with leading zeros, as texts or numbers", async () => {
    await using services = await testServices();
    const rows = [
      { id: 60, problem: "P", solution: "S", answer: "025", year: "2024" },
      { problem: "P", answer: 7 },
      { problem: "P", answer: "1/2" },
    ];
    const env = make(AimeBenchmark, services, { dataset_path: await rowsFile(services, rows) });
    await env.setup({ signal });
    expect(await env.getNextItem()).toEqual({ problem: "P", answer: "25", category: "2024" });
    expect(await env.getNextItem()).toEqual({ problem: "P", answer: "7" });
    expect(await env.getNextItem()).toBeNull();
    await env.cleanup();
  });

  test("ifeval: nulls among the arguments; an instruction that nobody can check is left out", async () => {
    await using services = await testServices();
    const nulls = { num_words: null, relation: null, keywords: null };
    const rows = [
      { key: 1, prompt: "P", instruction_id_list: ["punctuation:no_comma"], kwargs: [nulls] },
      { key: 2, prompt: "P", instruction_id_list: ["no:such"], kwargs: [nulls] },
      { key: 3, prompt: "P", instruction_id_list: ["length_constraints:number_words"], kwargs: [nulls] },
    ];
    const env = make(IfevalBenchmark, services, { dataset_path: await rowsFile(services, rows) });
    await env.setup({ signal });
    expect(await env.getNextItem()).toMatchObject({
      prompt: "P",
      instruction_id_list: ["punctuation:no_comma"],
    });
    expect(await env.getNextItem()).toBeNull();
    await env.cleanup();
  });
});
