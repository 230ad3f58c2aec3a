/** Which groups are fit to be sent or written. A group that isn't is skipped and counted, with its reason. */
import type { ScoredGroup } from "../contracts/scored-group.ts";

export type GroupRules = {
  groupSize: number;
  ensureScoresAreNotSame: boolean;
  /** Sequences must be shorter than this; Infinity = no limit. */
  maxTokenLength: number;
  /** Sequences that a group may have that sets its own size (`group_overrides.group_size`): larger ones would wait for ever. */
  maxSequences: number;
};

export type SkipReason = "malformed" | "wrong-size" | "same-scores" | "too-long";
export type GroupVerdict = { fit: true } | { fit: false; reason: SkipReason; detail: string };

/** What rounding leaves of advantages that are 0. */
const negligible = 1e-6;

/** Judges one group; `group_overrides.group_size` takes the place of the configured size. */
export function judgeGroup(group: ScoredGroup, rules: GroupRules): GroupVerdict {
  const malformed = findShapeFault(group);
  if (malformed !== null) return { fit: false, reason: "malformed", detail: malformed };

  const wanted = group.group_overrides?.group_size ?? rules.groupSize;
  if (group.tokens.length !== wanted) {
    return {
      fit: false,
      reason: "wrong-size",
      detail: `${group.tokens.length} sequences, expected ${wanted}`,
    };
  }
  if (group.tokens.length > Math.max(rules.groupSize, rules.maxSequences)) {
    const detail = `${group.tokens.length} sequences, the rollout server takes at most ${rules.maxSequences}`;
    return { fit: false, reason: "wrong-size", detail };
  }
  const [first] = group.scores;
  // Rollouts of equal sums may have turns of different worth.
  const hasAdvantages =
    group.advantages?.flat().some((advantage) => Math.abs(advantage) > negligible) === true;
  if (
    rules.ensureScoresAreNotSame &&
    !hasAdvantages &&
    group.scores.length > 1 &&
    group.scores.every((score) => score === first)
  ) {
    return { fit: false, reason: "same-scores", detail: `all ${group.scores.length} scores are ${first}` };
  }
  const longest = Math.max(...group.tokens.map((tokens) => tokens.length));
  if (longest >= rules.maxTokenLength) {
    return {
      fit: false,
      reason: "too-long",
      detail: `${longest} tokens, the limit is ${rules.maxTokenLength}`,
    };
  }
  return { fit: true };
}

function findShapeFault({ tokens, masks, scores, inference_logprobs: logprobs }: ScoredGroup): string | null {
  if (tokens.length === 0) return "no sequences";
  if (masks.length !== tokens.length || scores.length !== tokens.length) {
    return `${tokens.length} token lists, ${masks.length} masks, ${scores.length} scores`;
  }
  if (logprobs !== null && logprobs.length !== tokens.length) {
    return `${tokens.length} token lists, ${logprobs.length} lists of log-probabilities`;
  }
  for (const [index, sequence] of tokens.entries()) {
    if (masks[index]?.length !== sequence.length) {
      return `sequence ${index}: ${sequence.length} tokens, ${masks[index]?.length} mask entries`;
    }
    if (logprobs !== null && logprobs[index]?.length !== sequence.length) {
      return `sequence ${index}: ${sequence.length} tokens, ${logprobs[index]?.length} log-probabilities`;
    }
    if (!Number.isFinite(scores[index])) return `sequence ${index}: score ${scores[index]}`;
  }
  return null;
}
