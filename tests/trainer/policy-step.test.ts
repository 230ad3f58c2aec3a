import { afterAll, describe, expect, test } from "vitest";
import type { ScoredGroup } from "../../src/contracts/scored-group.ts";
import { seededRandom } from "../../src/practice/seeded-random.ts";
import { loadCheckpoint, saveCheckpoint } from "../../src/trainer/checkpoint.ts";
import { GradientPool } from "../../src/trainer/gradient-pool.ts";
import { Learner } from "../../src/trainer/learner.ts";
import { PolicyStepper } from "../../src/trainer/policy-step.ts";
import { type GrpoConfig, grpoConfig } from "../../src/trainer/trainer-config.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";
import { toyConfig, toyGroup, toyPolicy } from "../support/toy-policy.ts";

const signal = new AbortController().signal;
const call = { waitSeconds: 0, signal };
const pool = new GradientPool({ config: toyConfig, shards: 2, threads: 1, tokensPerPass: 4096 });
afterAll(() => pool[Symbol.asyncDispose]());
const script = [1, 2, "sample", "sample", 8, 9, "sample"] as const;

function setUp(given: Partial<GrpoConfig> = {}) {
  const config = grpoConfig.parse({ max_drift: 1e-4, on_drift: "stop", learning_rate: 0.01, ...given });
  const learner = new Learner(toyPolicy(), { pool });
  const notices: string[] = [];
  const stepper = new PolicyStepper({
    learner,
    pool,
    config,
    reference: toyPolicy().weights,
    onNotice: (message) => notices.push(message),
  });
  stepper.keepForDrift();
  return { learner, stepper, notices };
}

const sampledGroup = (seed = 4, size = 8) => {
  const group = toyGroup(toyPolicy(), { script, size, random: seededRandom(seed) });
  return { ...group, scores: group.tokens.map((_, index) => index % 2) };
};

function spoilt(spoil: (group: ScoredGroup) => void): ScoredGroup {
  const group = structuredClone(sampledGroup());
  spoil(group);
  return group;
}

describe("drift", () => {
  test("of what was really sampled is rounding, and the step is taken", async () => {
    const run = setUp();
    const step = await run.stepper.step([sampledGroup()], call);
    expect(step).toMatchObject({
      step: 1,
      sequences: 8,
      trainedTokens: 24,
      clipFraction: 0,
      stalenessMax: 0,
    });
    expect(step.drift).toBeLessThan(1e-5);
    expect(run.learner.policy().weights).not.toEqual(toyPolicy().weights);
  });

  test.each<[string, (group: ScoredGroup) => void]>([
    [
      "log-probabilities shifted by one",
      (group) => {
        const [first = []] = group.inference_logprobs ?? [];
        [first[2], first[3], first[6]] = [first[3]!, first[6]!, first[2]!];
      },
    ],
    ["log-probabilities of another sequence", (group) => void group.inference_logprobs!.reverse()],
    [
      "a tool's tokens trained, under log-probabilities made up for them",
      (group) => {
        group.overrides = null;
        group.masks[0]![4] = group.tokens[0]![4]!;
        group.inference_logprobs![0]![4] = -0.01;
      },
    ],
    [
      "a prompt that the model never saw",
      (group) => {
        group.tokens[3]![1] = 7;
      },
    ],
  ])("catches %s, and nothing is trained", async (_, spoil) => {
    const run = setUp();
    await expect(run.stepper.step([spoilt(spoil)], call)).rejects.toMatchObject({ code: "TRAINING_DRIFT" });
    expect(run.learner.state()).toMatchObject({ policy: toyPolicy(), adam: { steps: 0 } });
  });

  test("is measured with the weights that sampled, also when they are some steps old", async () => {
    const run = setUp();
    const [first, second] = [sampledGroup(5), sampledGroup(6)];
    await run.stepper.step([first], call);
    run.stepper.keepForDrift();
    const step = await run.stepper.step([second], call);
    expect(step).toMatchObject({ stalenessMax: 1 });
    expect(step.drift).toBeLessThan(1e-5);
    expect(step.divergence).toBeGreaterThan(1e-5);
  });

  test("is a notice where it shall not stop the run", async () => {
    const run = setUp({ on_drift: "warn" });
    const spoiltGroup = spoilt((group) => void group.inference_logprobs!.reverse());
    const step = await run.stepper.step([spoiltGroup], call);
    expect(step.drift).toBeGreaterThan(0.01);
    expect(run.notices).toEqual([expect.stringContaining("Drift: log-probabilities differ by up to")]);
  });
});

test("a batch that teaches nothing is a step that changes no weight", async () => {
  const run = setUp();
  const equal = { ...sampledGroup(), scores: Array(8).fill(1) };
  expect(await run.stepper.step([equal], call)).toMatchObject({
    step: 1,
    gradientNorm: 0,
    reward: 1,
    sequences: 0,
  });
  expect(run.learner.policy()).toEqual({ ...toyPolicy(), version: 1 });
});

test("the KL term holds the policy near its reference", async () => {
  const distances = [];
  for (const kl_coefficient of [0, 1]) {
    const run = setUp({ kl_coefficient, max_staleness: null, learning_rate: 0.003 });
    for (let round = 0; round < 8; round++) {
      await run.stepper.step([sampledGroup(5)], call);
      run.stepper.keepForDrift();
    }
    distances.push((await run.stepper.step([sampledGroup(5)], call)).divergence ?? 0);
  }
  expect(distances[1]).toBeLessThan(distances[0]! * 0.8);
});

test("a run that goes on from a checkpoint is the run that never stopped, to the bit", async () => {
  await using directory = await TemporaryDirectory.make();
  const batches = [1, 2, 3, 4, 5, 6].map((seed) => [sampledGroup(seed), sampledGroup(seed + 10)]);
  const given = { max_staleness: null, on_drift: "warn" } as const;
  const whole = setUp(given);
  for (const batch of batches) await whole.stepper.step(batch, call);

  const first = setUp(given);
  for (const batch of batches.slice(0, 3)) await first.stepper.step(batch, call);
  await saveCheckpoint(directory.path, { mode: "grpo", learner: first.learner.state() });
  const second = setUp(given);
  second.learner.restore((await loadCheckpoint(directory.path)).learner);
  for (const batch of batches.slice(3)) await second.stepper.step(batch, call);
  expect(second.learner.state()).toEqual(whole.learner.state());
});
