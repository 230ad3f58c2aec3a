/**
 * What a trainer should be told about itself. Trainers read the same batch in different ways (docs/trainers.md
 * has the table, tests/trainers draws it), and some can't train a multi-turn group rightly, or stop at a null.
 * A trainer that says at POST /register which one it is hears of that once, before a GPU hour is spent.
 */

type TrainerHabits = {
  /** Stops with an error at a group whose `inference_logprobs` is null. */
  needsLogprobs: boolean;
  warnings: readonly string[];
};

const habitsByKind = new Map<string, TrainerHabits>([
  ["example", { needsLogprobs: true, warnings: [] }],
  [
    "axolotl",
    {
      needsLogprobs: false,
      warnings: [
        "plugin-atropos ignores masks: it takes what all sequences of a group begin with as the prompt and " +
          "trains on everything behind it, in multi-turn groups also on tool results. Use it with single-turn " +
          "environments, or use another trainer.",
        "plugin-atropos takes num_generations sequences at a time and needs their prompts to be of one length: " +
          "set num_generations to the environments' group_size.",
      ],
    },
  ],
  [
    "tinker",
    {
      needsLogprobs: true,
      warnings: [
        "tinker-atropos ignores masks: it trains every token whose logprob is not 1.0. Environments must send " +
          "1.0 for each token that was not sampled.",
      ],
    },
  ],
]);

function habitsOf(trainerKind: string): TrainerHabits | undefined {
  return habitsByKind.get(trainerKind.trim().toLowerCase());
}

/** What to answer a trainer that names itself; nothing for a name that is not known. */
export function adviceFor(trainerKind: string): readonly string[] {
  return habitsOf(trainerKind)?.warnings ?? [];
}

/** Whether a group without logprobs does harm. A trainer that did not say who it is counts as one it harms. */
export function needsLogprobs(trainerKind: string | null): boolean {
  if (trainerKind === null) return true;
  return habitsOf(trainerKind)?.needsLogprobs ?? true;
}
