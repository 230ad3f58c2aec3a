/** Played rollouts as the sequences of their group: segments with their rollout's score, and nothing made up. */

import type { AgentResult } from "../agent/agent-result.ts";
import { LachesisError } from "../contracts/errors.ts";
import { trainedTokens } from "../tokens/trained-tokens.ts";
import { advantagesOf } from "./advantages.ts";
import type { ScoredSequence } from "./build-group.ts";
import type { RolloutTokens } from "./rollout-tokens.ts";
import type { TokenSettings } from "./token-fields.ts";
import { turnAdvantages } from "./turn-rewards.ts";

/** A scored rollout with its tokens, whoever played it. */
export type TokenRollout = {
  reward: number;
  /** One per model call, where single turns are rewarded. */
  turnRewards?: readonly number[] | undefined;
  result: Pick<AgentResult, "stop">;
  tokens: RolloutTokens;
};

export type SequenceSettings = Pick<TokenSettings, "segments" | "mask_truncated" | "advantage"> & {
  /** null or absent: rewards of turns don't become advantages. */
  turn_discount?: TokenSettings["turn_discount"];
  include_messages: boolean;
  /** Sequences that the group may have at most. */
  maxSequences: number;
};

/** `counts`: sequences of each rollout. `leftOut`: segments not put in because the group would have become too large. */
export function rolloutSequences(
  rollouts: readonly TokenRollout[],
  settings: SequenceSettings,
): { sequences: ScoredSequence[]; counts: number[]; leftOut: number } {
  const scores = rollouts.map(({ reward }) => reward);
  const advantages: readonly Advantage[] | null =
    advantagesOfTurns(rollouts, settings.turn_discount ?? null) ?? advantagesOf(scores, settings.advantage);
  const total = rollouts.reduce((count, { tokens }) => count + trainable(tokens).length, 0);
  const takesAll = settings.segments === "all" && total <= settings.maxSequences;
  const parts = rollouts.map((rollout, index) => {
    const segments = trainable(rollout.tokens);
    const advantage = advantages?.[index];
    return (takesAll ? segments : segments.slice(-1)).map((segment) =>
      toSequence(segment, rollout, advantage, settings),
    );
  });
  const sequences = parts.flat();
  const leftOut = settings.segments === "all" ? total - sequences.length : 0;
  return { sequences, counts: parts.map(({ length }) => length), leftOut };
}

type Segment = RolloutTokens["segments"][number];

/** A rollout's one, or one for each of its turns. */
type Advantage = number | readonly number[];

/** null where no turns are rewarded. A rollout among such that was rewarded as a whole gets it for its last turn. */
function advantagesOfTurns(rollouts: readonly TokenRollout[], discount: number | null): number[][] | null {
  if (discount === null || !rollouts.some(({ turnRewards }) => turnRewards !== undefined)) return null;
  const rewards = rollouts.map(({ turnRewards, reward, tokens }) => {
    if (turnRewards !== undefined) return turnRewards;
    const calls = tokens.segments.flatMap(({ answers }) => answers.map(({ call }) => call));
    return [...Array.from({ length: Math.max(0, ...calls) }, () => 0), reward];
  });
  return turnAdvantages(rewards, discount);
}

/** Along the tokens. A turn's stands at the ids that were sampled in it, and 0 elsewhere. */
function spread(advantage: Advantage, { tokens, sampled, answers }: Segment): number[] {
  if (typeof advantage === "number") return tokens.map(() => advantage);
  const values = tokens.map(() => 0);
  for (const { start, end, call } of answers) {
    const ofTurn = advantage[call];
    if (ofTurn === undefined) {
      throw new LachesisError("INTERNAL", `Turn ${call + 1} was sampled; ${advantage.length} have rewards.`);
    }
    for (let at = start; at < end; at += 1) if (sampled[at]) values[at] = ofTurn;
  }
  return values;
}

/** A branch whose every sampled id stands in another segment has nothing to train on. */
function trainable({ segments }: RolloutTokens): readonly Segment[] {
  const sampled = segments.filter((segment) => segment.sampled.includes(true));
  return sampled.length > 0 ? sampled : segments.slice(-1);
}

function toSequence(
  segment: Segment,
  { reward, result }: TokenRollout,
  advantage: Advantage | undefined,
  { mask_truncated, include_messages }: SequenceSettings,
): ScoredSequence {
  const isCut =
    mask_truncated === "rollout" ? result.stop === "max-tokens" : segment.finishReason === "length";
  const kept = mask_truncated !== "none" && isCut ? withoutCut(segment, mask_truncated) : segment;
  const weightVersion = weightVersionOf(segment);
  return {
    ...trainedTokens(kept),
    score: reward,
    ...(advantage !== undefined && { advantages: spread(advantage, kept) }),
    ...(include_messages && { messages: segment.messages }),
    ...(weightVersion !== null && { overrides: { weight_version: weightVersion } }),
  };
}

/** The segment with nothing, or all but its last turn, to train on. The turn's own ids are the last ones. */
function withoutCut(segment: Segment, part: "turn" | "rollout"): Segment {
  const turnStart = segment.sampled.lastIndexOf(false) + 1;
  const keptUpTo = part === "turn" ? turnStart : 0;
  return { ...segment, sampled: segment.sampled.map((sampled, index) => sampled && index < keptUpTo) };
}

/** One number where one version sampled all, else one a token, null where nothing was sampled; null when unknown. */
function weightVersionOf({ sampled, versions }: Segment): number | (number | null)[] | null {
  if (versions === undefined) return null;
  const known = new Set(versions.filter((_, index) => sampled[index]));
  const [first] = known;
  if (first === undefined) return null;
  return known.size === 1 ? first : versions.map((version, index) => (sampled[index] ? version : null));
}

/** The oldest weights that sampled any of it; null when unknown. */
export function oldestVersion(rollouts: readonly TokenRollout[]): number | null {
  const segments = rollouts.flatMap(({ tokens }) => tokens.segments);
  if (segments.some(({ versions }) => versions === undefined)) return null;
  const known = segments.flatMap(({ sampled, versions = [] }) =>
    versions.filter((_, index) => sampled[index]),
  );
  return known.length === 0 ? null : known.reduce((oldest, version) => Math.min(oldest, version));
}
