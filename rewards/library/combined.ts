/** Rewards made of rewards: sums, gates, extremes, and rewards that change with the trainer's step. */
import { z } from "zod";
import {
  parseParameters,
  type Reward,
  type RewardDefinition,
  type RewardPart,
  type RewardResult,
} from "../reward.ts";

const combinedParameters = z.strictObject({
  rewards: z.array(z.json()).min(1).describe("The parts, each as a `reward:` key has it."),
  how: z
    .enum(["sum", "mean", "product", "min", "max"])
    .default("sum")
    .describe(
      "sum: of weight × score. mean: that, by the sum of the weights. product: a gate, where one 0 makes all 0. min, max: of weight × score.",
    ),
});

export const combinedReward: RewardDefinition = {
  name: "combined",
  description: "Several rewards as one: their weighted sum, mean, product, least or greatest.",
  parameters: combinedParameters,
  create(parameters, context) {
    const { rewards, how } = parseParameters(combinedParameters, parameters, context);
    const weights = rewards.map(weightOf);
    const total = weights.reduce((sum, weight) => sum + Math.abs(weight), 0);
    const parts = rewards.map((spec, index) =>
      context.createNested(spec, `${context.path}.rewards.${index}`),
    );
    return async (call) => {
      const results = await Promise.all(parts.map((part) => part(call)));
      const joined = joinScores(
        results.map(({ score }) => score),
        how,
        total,
      );
      return { ...weighted(joinResults(results), context.weight), score: joined * context.weight };
    };
  },
};

const curriculumParameters = z.strictObject({
  stages: z
    .array(z.strictObject({ from_step: z.int().min(0), reward: z.json() }))
    .min(1)
    .refine(
      (stages) =>
        stages[0]?.from_step === 0 &&
        stages.every(({ from_step }, index) => from_step > (stages[index - 1]?.from_step ?? -1)),
      "the first stage begins at step 0, and each later one at a later step",
    )
    .describe("Which reward counts from which of the trainer's steps on."),
});

export const curriculumReward: RewardDefinition = {
  name: "curriculum",
  description: "Another reward from certain steps of the trainer on.",
  parameters: curriculumParameters,
  create(parameters, context) {
    const { stages } = parseParameters(curriculumParameters, parameters, context);
    const made = stages.map(({ from_step: fromStep, reward }, index) => ({
      fromStep,
      reward: context.createNested(reward, `${context.path}.stages.${index}.reward`),
    }));
    return async (call) => {
      const step = context.services.trainingStep();
      const stage: { reward: Reward } | undefined =
        made.findLast(({ fromStep }) => fromStep <= step) ?? made[0];
      if (stage === undefined) throw new Error("a curriculum has at least one stage");
      const result = await stage.reward(call);
      return { ...weighted(result, context.weight), score: result.score * context.weight };
    };
  },
};

function joinScores(
  scores: readonly number[],
  how: z.output<typeof combinedParameters>["how"],
  totalWeight: number,
) {
  const sum = scores.reduce((all, score) => all + score, 0);
  switch (how) {
    case "sum":
      return sum;
    case "mean":
      return totalWeight === 0 ? 0 : sum / totalWeight;
    case "product":
      return scores.reduce((all, score) => all * score, 1);
    case "min":
      return Math.min(...scores);
    case "max":
      return Math.max(...scores);
    default:
      return how satisfies never;
  }
}

/** Parts under their names; a second one of a name is `name_2`. */
function joinResults(results: readonly RewardResult[]): Omit<RewardResult, "score"> {
  const parts: Record<string, RewardPart> = {};
  const metrics: Record<string, number> = {};
  for (const result of results) {
    for (const [name, part] of Object.entries(result.parts)) {
      let free = name;
      for (let number = 2; free in parts; number += 1) free = `${name}_${number}`;
      parts[free] = part;
    }
    Object.assign(metrics, result.metrics);
  }
  return { parts, metrics };
}

/** With the weight that the whole has, each part counts so much more or less. */
function weighted<Result extends Omit<RewardResult, "score">>(result: Result, weight: number): Result {
  const parts = Object.entries(result.parts).map(([name, part]): [string, RewardPart] => [
    name,
    { raw: part.raw, weighted: part.weighted * weight },
  ]);
  return { ...result, parts: Object.fromEntries(parts) };
}

function weightOf(spec: unknown): number {
  const weight = typeof spec === "object" && spec !== null && "weight" in spec ? spec.weight : 1;
  return typeof weight === "number" ? weight : 1;
}
