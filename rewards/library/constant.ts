/** `constant`: the same for every rollout, for where something else than the reward teaches. */
import { z } from "zod";
import { defineReward } from "../reward.ts";

export const constantReward = defineReward({
  name: "constant",
  description: "The same value for every rollout, whatever was said.",
  parameters: z.strictObject({ value: z.number().default(1) }),
  create:
    ({ value }) =>
    () =>
      value,
});
