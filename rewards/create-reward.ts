/**
 * Rewards by name, as a configuration gives them:
 *
 *     reward: accuracy
 *     reward: { type: accuracy, weight: 2, params: { answer_field: solution } }
 *     reward:                       # several: their weighted sum
 *       - accuracy
 *       - { type: format, weight: 0.2, params: { tags: [think, answer] } }
 *
 * `name` gives a part a label of its own; parts of one name get numbers.
 */
import { z } from "zod";
import { closestNames } from "../src/contracts/closest-names.ts";
import { LachesisError } from "../src/contracts/errors.ts";
import { rewardDefinitions } from "./definitions.ts";
import type { Reward, RewardDefinition, RewardServices } from "./reward.ts";

const oneReward = z.strictObject({
  type: z.string(),
  /** Label of its part; the type where there is none. */
  name: z.string().min(1).optional(),
  weight: z.number().default(1),
  params: z.record(z.string(), z.json()).default({}),
});

/** The shape of a `reward:` key. What the names and parameters mean is checked by `createReward`. */
export const rewardSpec = z.union([z.string(), oneReward, z.array(z.union([z.string(), oneReward])).min(1)]);
export type RewardSpec = z.input<typeof rewardSpec>;

export type CreateRewardOptions = {
  services?: RewardServices;
  definitions?: readonly RewardDefinition[];
};

/** Throws REWARD_UNKNOWN and REWARD_INVALID with the place in the configuration. */
export function createReward(spec: RewardSpec, options: CreateRewardOptions = {}): Reward {
  const { services = { trainingStep: () => 0 }, definitions = rewardDefinitions } = options;
  const byName = new Map(definitions.map((definition) => [definition.name, definition]));

  const make = (given: unknown, path: string): Reward => {
    const parsed = rewardSpec.safeParse(given);
    if (!parsed.success) {
      throw new LachesisError(
        "REWARD_INVALID",
        `${path}: expected a reward's name, or { type, name, weight, params }, or a list of them: ${z.prettifyError(parsed.error)}`,
      );
    }
    if (Array.isArray(parsed.data)) {
      const combined = { type: "combined", params: { rewards: parsed.data } };
      return make(combined, path);
    }
    const one = typeof parsed.data === "string" ? oneReward.parse({ type: parsed.data }) : parsed.data;
    const definition = byName.get(one.type);
    if (definition === undefined) throw unknownReward(one.type, path, [...byName.keys()]);
    return definition.create(one.params, {
      services,
      label: one.name ?? one.type,
      weight: one.weight,
      path,
      createNested: make,
    });
  };
  return make(spec, "reward");
}

/** Every reward that a configuration may name. */
export const rewardNames: readonly string[] = rewardDefinitions.map(({ name }) => name);

function unknownReward(name: string, path: string, known: readonly string[]): LachesisError {
  const [nearest] = closestNames(name, known, 1);
  const all = `Known: ${known.toSorted().join(", ")}.`;
  return new LachesisError("REWARD_UNKNOWN", `${path}: no reward is named "${name}".`, {
    hint: nearest === undefined ? all : `Did you mean "${nearest}"? ${all}`,
  });
}
