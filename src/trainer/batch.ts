/**
 * What a trainer makes of the groups of a batch: sequences with positions to train, advantages, and the
 * log-probabilities of sampling time. Nothing is repaired here: a group whose parts contradict each other would
 * teach the wrong thing without anybody noticing, so it is an error that names the place.
 */
import type { JsonObject } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import { groupAdvantages } from "./losses.ts";
import { requirePositions, requireShape, type SequencePlace } from "./sequence-checks.ts";
import type { ShardSequence } from "./shard.ts";
import { versionsOf } from "./weight-versions.ts";

export type BatchRules = {
  vocabularySize: number;
  /** Longest sequence that the model can read, in tokens. */
  contextLength: number;
  /** Steps done, which is the version of the weights that are to be trained. */
  step: number;
  /** Steps that sampling weights may lie behind; null = any. */
  maxStaleness: number | null;
};

/** A sequence ready for the policy loss. */
export type PolicySequence = ShardSequence & {
  sampledLogprobs: Float32Array;
  /** Version of the weights that sampled each trained id; null = the environment didn't say. */
  versions: Int32Array | null;
};

export type BatchCounts = {
  /** Groups whose scores are all equal, or whose advantages are all 0: they teach nothing. */
  equalScoreGroups: number;
  tooLongSequences: number;
  staleSequences: number;
  /** Without a single position to train. */
  untrainedSequences: number;
};

export type GroupSequences = BatchCounts & { sequences: PolicySequence[] };

/**
 * The sequences of one group; `index` is its number in the batch, for messages. Throws TRAINING_GROUP_INVALID,
 * naming group, sequence and position, or PLACEHOLDER_TOKENS_REFUSED.
 */
export function readGroup(group: ScoredGroup, index: number, rules: BatchRules): GroupSequences {
  refusePlaceholders(group, index);
  requireShape(group, index);
  const read: GroupSequences = {
    sequences: [],
    equalScoreGroups: 0,
    tooLongSequences: 0,
    staleSequences: 0,
    untrainedSequences: 0,
  };
  const ownAdvantages = group.advantages;
  const scoreAdvantages = ownAdvantages === null ? groupAdvantages(group.scores) : null;
  if (ownAdvantages === null && scoreAdvantages === null) return { ...read, equalScoreGroups: 1 };

  for (const [sequence, tokens] of group.tokens.entries()) {
    if (tokens.length > rules.contextLength) {
      read.tooLongSequences += 1;
      continue;
    }
    const place = { group: index, sequence };
    const trained = trainedPart(group, place, rules);
    const isZeroed = group.overrides?.[sequence]?.set_advantage_to_zero === true;
    const advantageAt = (position: number) => {
      if (isZeroed) return 0;
      return ownAdvantages?.[sequence]?.[position] ?? scoreAdvantages?.[sequence] ?? 0;
    };
    if (trained.positions.length === 0) read.untrainedSequences += 1;
    else if (isStale(trained.versions, rules)) read.staleSequences += 1;
    else read.sequences.push({ ...trained, pulls: Float32Array.from(trained.positions, advantageAt) });
  }
  const teaches = read.sequences.some(({ pulls }) => pulls.some((pull) => pull !== 0));
  if (teaches || read.sequences.length === 0) return read;
  return { ...read, sequences: [], equalScoreGroups: 1 };
}

function trainedPart(
  group: ScoredGroup,
  place: SequencePlace,
  { vocabularySize }: BatchRules,
): Omit<PolicySequence, "pulls"> {
  const { sequence } = place;
  const tokens = group.tokens[sequence] ?? [];
  const logprobs = group.inference_logprobs?.[sequence] ?? [];
  const versions = versionsOf(group, sequence);
  const trained = requirePositions(group, place, { vocabularySize, versions });
  return {
    tokens: Int32Array.from(tokens),
    positions: Int32Array.from(trained),
    sampledLogprobs: Float32Array.from(trained, (position) => logprobs[position] ?? 0),
    versions: versions === null ? null : Int32Array.from(trained, (position) => versions(position) ?? 0),
  };
}

function isStale(versions: Int32Array | null, { step, maxStaleness }: BatchRules): boolean {
  return maxStaleness !== null && versions !== null && Math.min(...versions) < step - maxStaleness;
}

function refusePlaceholders({ group_overrides: overrides }: ScoredGroup, index: number): void {
  if (!isSet(overrides, "placeholder_tokens")) return;
  throw new LachesisError(
    "PLACEHOLDER_TOKENS_REFUSED",
    `group ${index}: its tokens only stand in for the text (group_overrides.placeholder_tokens): there is nothing to train on`,
  );
}

const isSet = (overrides: JsonObject | null, key: string): boolean => overrides?.[key] === true;
