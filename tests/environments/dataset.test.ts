import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DatasetEnv, datasetConfig } from "../../environments/dataset.ts";
import { recordEvents, type TestServices, testServices } from "../support/env-services.ts";
import { ScriptedModel, says } from "../support/scripted-model.ts";

const signal = new AbortController().signal;

async function open(services: TestServices, rows: readonly unknown[], config: Record<string, unknown> = {}) {
  const path = join(services.runDirectory, "rows.jsonl");
  await writeFile(path, rows.map((row) => JSON.stringify(row)).join("\n"));
  const env = new DatasetEnv({
    services,
    config: datasetConfig.parse({ ...DatasetEnv.defaults.env, dataset_path: path, ...config }),
  });
  await env.setup({ signal });
  return env;
}

const answering = (text: string) =>
  testServices((...call) => new ScriptedModel(says(text)).chatCompletion(...call));

describe("the prompt", () => {
  test("is a column", async () => {
    await using services = await testServices();
    const env = await open(services, [{ question: "2 + 6?" }], {
      prompt_field: "question",
      system_prompt: "Be short.",
    });
    expect(env.initialMessages((await env.getNextItem())!)).toEqual([
      { role: "system", content: "Be short." },
      { role: "user", content: "2 + 6?" },
    ]);
    await env.cleanup();
  });

  test("is a template over columns, whatever stands in them", async () => {
    await using services = await testServices();
    const rows = [{ a: "{b} $& {c}", b: 7 }];
    const env = await open(services, rows, { prompt_template: "{a} and {b}, {not a column}" });
    expect(env.formatPrompt((await env.getNextItem())!)).toBe("{b} $& {c} and 7, {not a column}");
    await env.cleanup();
  });

  test("is a conversation, whose own system message wins", async () => {
    await using services = await testServices();
    const talk = [
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Hello" },
      { role: "user", content: "2 + 6?" },
    ];
    const withSystem = [{ role: "system", content: "Own." }, ...talk];
    const env = await open(services, [{ prompt: talk }], { system_prompt: "Be short." });
    expect(env.initialMessages((await env.getNextItem())!)).toEqual([
      { role: "system", content: "Be short." },
      ...talk,
    ]);
    expect(env.initialMessages({ prompt: withSystem })).toEqual(withSystem);
    await env.cleanup();
  });
});

test("rows without a prompt are left out and told once", async () => {
  await using services = await testServices();
  const notices = recordEvents(services.events, "notice");
  const rows = [
    { prompt: " " },
    { other: 1 },
    { prompt: [{ role: "assistant", content: "x" }] },
    { prompt: "ok" },
  ];
  const env = await open(services, rows);
  expect(await env.getNextItem()).toEqual({ prompt: "ok" });
  expect(notices.map(({ message }) => message)).toEqual([
    expect.stringMatching(/3 of 4 rows .*rows\.jsonl:1: prompt/),
  ]);
  await env.cleanup();
});

test("no dataset at all is an error that names the flags", async () => {
  await using services = await testServices();
  const env = new DatasetEnv({ services, config: datasetConfig.parse({}) });
  await expect(env.setup({ signal })).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    hint: expect.stringContaining("--env.dataset_path"),
  });
  await env.cleanup();
});

test("an evaluation tells the row and the parts of the reward, and that it plays training rows", async () => {
  await using services = await answering("8");
  const notices = recordEvents(services.events, "notice");
  const rows = [
    { prompt: "2 + 6?", answer: "8", level: 1 },
    { prompt: "2 + 7?", answer: "9" },
  ];
  const env = await open(services, rows, {
    reward: ["accuracy", { type: "boxed", weight: 0.5 }],
    category_field: "level",
  });
  const evaluation = await env.evaluate({ signal });
  expect(evaluation?.metrics).toMatchObject({ "eval/mean_reward": 0.5, "eval/category/1/accuracy": 1 });
  expect(evaluation?.samples[1]).not.toHaveProperty("category");
  expect(evaluation?.samples[1]).toMatchObject({
    item: { prompt: "2 + 7?", answer: "9" },
    reward_parts: { accuracy: { raw: 0, weighted: 0 }, boxed: { raw: 0, weighted: 0 } },
  });
  expect(notices.at(-1)?.message).toMatch(/training rows/);
  await env.cleanup();
});

test("a checkpoint goes on where it was", async () => {
  await using services = await testServices();
  const rows = Array.from({ length: 9 }, (_, number) => ({ prompt: `number ${number}` }));
  const first = await open(services, rows);
  for (let count = 0; count < 5; count += 1) await first.getNextItem();
  const second = await open(services, rows);
  await second.restoreState(JSON.parse(JSON.stringify(first.checkpointState())));
  for (let count = 0; count < 9; count += 1) {
    expect(await second.getNextItem()).toEqual(await first.getNextItem());
  }
  await Promise.all([first.cleanup(), second.cleanup()]);
});
