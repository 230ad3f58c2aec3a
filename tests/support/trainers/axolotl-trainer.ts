/**
 * What axolotl's `plugin-atropos` makes of a batch. It reads neither masks nor logprobs: what all sequences
 * of a group begin with is the prompt, and everything behind it is trained. It cuts the batch into rows of
 * `num_generations` and stacks the prompts of each cut, which must therefore have one length.
 */
import {
  type Collated,
  evenly,
  standardized,
  TrainerFailure,
  type WireItem,
  withZeroed,
} from "./wire-item.ts";

export type AxolotlBatch = Collated & {
  promptLengthByGroup: number[];
  /** Sequences at the end of the batch that don't fill a cut: never trained on. */
  dropped: number;
};

export function collateForAxolotl(items: readonly WireItem[], numGenerations: number): AxolotlBatch {
  const groups = items.map((item) => {
    const tokens = item.rows("tokens");
    const promptLength = commonPrefixLength(tokens);
    const overrides = item.overrides(item.at("overrides"));
    const advantages = withZeroed(standardized(item.numbers("scores")), overrides);
    const sequences = tokens.map((sequence, index) =>
      evenly(
        sequence.map((_, position) => position >= promptLength),
        advantages[index] ?? 0,
      ),
    );
    return { promptLength, sequences };
  });
  const promptLengths = groups.flatMap(({ promptLength, sequences }) => sequences.map(() => promptLength));
  const cuts = Math.floor(promptLengths.length / numGenerations);
  for (let cut = 0; cut < cuts; cut++) {
    const inCut = promptLengths.slice(cut * numGenerations, (cut + 1) * numGenerations);
    if (new Set(inCut).size > 1) {
      throw new TrainerFailure("ValueError: all input arrays must have the same shape");
    }
  }
  return {
    sequencesByGroup: groups.map(({ sequences }) => sequences),
    promptLengthByGroup: groups.map(({ promptLength }) => promptLength),
    dropped: promptLengths.length - cuts * numGenerations,
  };
}

/** Tokens that every sequence shares with the first one; a sequence alone has no prompt. */
function commonPrefixLength([first = [], ...others]: readonly number[][]): number {
  if (others.length === 0) return 0;
  return Math.min(
    ...others.map((other) => {
      const differs = first.findIndex((token, position) => token !== other[position]);
      return differs === -1 ? first.length : differs;
    }),
  );
}
