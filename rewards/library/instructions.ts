/** The reward of instructions that a program can check (IFEval's). */
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import { checksOf, judgedText, judgeLoosely, judgeStrictly } from "../instructions/instructions.ts";
import { defineReward, lastText } from "../reward.ts";

const share = (followed: readonly boolean[]) =>
  followed.filter(Boolean).length / Math.max(1, followed.length);

export const instructionsReward = defineReward({
  name: "instructions",
  description: "1 when the answer follows every instruction of the item that a program can check, else 0.",
  parameters: z.strictObject({
    mode: z
      .enum(["strict", "loose"])
      .default("strict")
      .describe("loose: also where it follows without its first or last line, or without asterisks."),
    partial: z
      .boolean()
      .default(false)
      .describe("The share of the instructions that it follows, instead of all or nothing."),
    ids_field: z
      .string()
      .default("instruction_id_list")
      .describe("The item's field with the instructions' names."),
    kwargs_field: z.string().default("kwargs").describe("The item's field with the arguments of each."),
  }),
  create:
    ({ mode, partial, ids_field, kwargs_field }) =>
    ({ rollout, item }) => {
      const checks = readChecks(item[ids_field], item[kwargs_field]);
      const answer = judgedText(lastText(rollout));
      const [strict, loose] = [judgeStrictly(answer, checks), judgeLoosely(answer, checks)];
      const { followed, all } = mode === "strict" ? strict : loose;
      return {
        score: partial ? share(followed) : Number(all),
        metrics: {
          "instructions/prompt_strict": Number(strict.all),
          "instructions/prompt_loose": Number(loose.all),
          "instructions/instruction_strict": share(strict.followed),
          "instructions/instruction_loose": share(loose.followed),
        },
      };
    },
});

function readChecks(ids: unknown, kwargs: unknown) {
  try {
    return checksOf(z.array(z.string()).min(1).parse(ids), z.array(z.unknown()).parse(kwargs));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new LachesisError(
      "REWARD_ITEM_INVALID",
      `The reward instructions can't read the item's instructions: ${why}`,
      {
        cause: error,
      },
    );
  }
}
