import { expect, test } from "vitest";
import type { z } from "zod";
import { RewardedEnv, rewardFields } from "../../environments/rewarded-env.ts";
import { hermesAgentEnvConfig } from "../../src/env/env-config.ts";
import { type TestServices, testServices } from "../support/env-services.ts";
import { ScriptedModel, says } from "../support/scripted-model.ts";

const schema = hermesAgentEnvConfig.extend(rewardFields);
type Config = z.output<typeof schema>;
type Row = { question: string; answer: string };

class Rows extends RewardedEnv<Row, Config> {
  override async getNextItem(): Promise<Row> {
    return { question: "2 + 6?", answer: "8" };
  }
  formatPrompt({ question }: Row): string {
    return question;
  }
}

const signal = new AbortController().signal;

function open(services: TestServices, reward: unknown): Rows {
  return new Rows({ services, config: schema.parse({ reward, enabled_toolsets: [] }) });
}

async function play(env: Rows, split: "train" | "eval" = "train") {
  return env.playRollout(await env.getNextItem(), {
    rolloutId: "r",
    groupId: "g",
    seed: 0,
    split,
    tools: [],
    signal,
    deadlineMs: Number.POSITIVE_INFINITY,
  });
}

const answering = (text: string) =>
  testServices((...call) => new ScriptedModel(says(text)).chatCompletion(...call));

test("the configured rewards score the rollout, and their parts are logged", async () => {
  await using services = await answering("\\boxed{8}");
  const env = open(services, ["accuracy", { type: "boxed", weight: 0.5 }]);
  const rollout = await play(env);
  expect(rollout.outcome).toMatchObject({ kind: "scored", reward: 1.5 });
  expect(env.rewardOf(rollout)?.parts.boxed).toEqual({ raw: 1, weighted: 0.5 });
  expect(env.takeMetrics()).toMatchObject({
    "reward/accuracy/mean_raw": 1,
    "reward/boxed/mean_weighted": 0.5,
  });
  await env.cleanup();
});

test("evaluation rollouts don't enter the metrics of training", async () => {
  await using services = await answering("8");
  const env = open(services, "accuracy");
  await play(env, "eval");
  expect(env.takeMetrics()).toEqual({});
  await env.cleanup();
});

test("a reward that can't be made ends the run before the first rollout", async () => {
  await using services = await answering("8");
  const env = open(services, "acuracy");
  await expect(env.prepare({ signal })).rejects.toMatchObject({ code: "REWARD_UNKNOWN" });
  await env.cleanup();
});

test("an item without the column is a failure of the machinery, not a score", async () => {
  await using services = await answering("8");
  const env = open(services, { type: "accuracy", params: { answer_field: "solution" } });
  const { outcome } = await play(env);
  expect(outcome).toMatchObject({ kind: "infra-failed", stage: "reward" });
  await env.cleanup();
});

test("a curriculum follows the steps that the rollout server tells", async () => {
  await using services = await answering("8");
  const stages = [
    { from_step: 0, reward: "boxed" },
    { from_step: 3, reward: "accuracy" },
  ];
  const env = open(services, { type: "curriculum", params: { stages } });
  expect((await play(env)).outcome).toMatchObject({ reward: 0 });
  services.events.emit("server-status", { step: 3, queueSize: 0 });
  expect((await play(env)).outcome).toMatchObject({ reward: 1 });
  await env.cleanup();
});
