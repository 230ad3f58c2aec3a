/**
 * What Atropos' own `example_trainer` (GRPO) makes of a batch. The loss counts a token where its mask is not
 * -100; the mask is shifted with the labels, so that a sequence's first token is never one. The logprobs at
 * sampling time are the old policy of the ratio: without them the loss refuses to be computed.
 */
import {
  type Collated,
  evenly,
  standardized,
  TrainerFailure,
  type WireItem,
  withZeroed,
} from "./wire-item.ts";

const IGNORED = -100;
/** Rows are padded to one more than a multiple of this. */
const PAD_MULTIPLE = 64;

export type ExampleBatch = Collated & {
  /** Tokens per row that the model is given, after padding and shift. */
  rowLength: number;
  temperaturesByGroup: number[][];
  /** The old policy's logprob at each position; 1.0 where the group had none. */
  logprobsByGroup: number[][][];
};

export function collateForExampleTrainer(items: readonly WireItem[]): ExampleBatch {
  const longest = Math.max(...items.flatMap((item) => item.rows("tokens").map(({ length }) => length)));
  const groups = items.map((item) => collateGroup(item));
  if (!groups.some(({ hasLogprobs }) => hasLogprobs)) {
    throw new TrainerFailure("ValueError: GRPO requires inference_logprobs");
  }
  return {
    rowLength: Math.ceil((longest - 1) / PAD_MULTIPLE) * PAD_MULTIPLE,
    sequencesByGroup: groups.map(({ sequences }) => sequences),
    temperaturesByGroup: groups.map(({ temperatures }) => temperatures),
    logprobsByGroup: groups.map(({ logprobs }) => logprobs),
  };
}

function collateGroup(item: WireItem) {
  const overrides = item.overrides(item.at("overrides"));
  const advantages = withZeroed(standardized(item.numbers("scores")), overrides);
  const masks = item.rows("masks");
  // A key with null in it gets past the trainer's check for the key, and then has no length.
  const known = item.has("inference_logprobs") ? item.rows("inference_logprobs") : [];
  const sequences = item.rows("tokens").map((tokens, index) =>
    evenly(
      tokens.map((_, position) => position > 0 && masks[index]?.[position] !== IGNORED),
      advantages[index] ?? 0,
    ),
  );
  const logprobs = item
    .rows("tokens")
    .map((tokens, index) => tokens.map((_, position) => known[index]?.[position] ?? 1));
  return {
    sequences,
    logprobs,
    hasLogprobs: known.length > 0,
    temperatures: sequences.map((_, index) => temperatureOf(item, overrides?.[index])),
  };
}

/** The sequence's own, else the sampling parameters', else the group's, else 1; none at or below 0. */
function temperatureOf(item: WireItem, override: Record<string, unknown> | undefined): number {
  const sources = [override, item.object("generation_params"), item.object("group_overrides")];
  const source = sources.find((fields) => fields !== null && fields !== undefined && "temperature" in fields);
  const temperature = Number(source?.temperature ?? 1);
  return temperature <= 0 ? 1 : temperature;
}
