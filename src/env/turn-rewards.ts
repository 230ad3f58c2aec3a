/**
 * Rewards of single turns: what an environment may give in place of one number, and the advantages that they become.
 */
import { LachesisError } from "../contracts/errors.ts";
import { inspected } from "./own-code.ts";

/** One reward per model call, in order; the rollout's score is their sum. */
export type TurnRewards = { turnRewards: readonly number[] };

/** What `computeReward` gives. */
export type RolloutReward = number | TurnRewards;

export type CheckedReward = { reward: number; turnRewards?: readonly number[] };

/** A sum of tenths is a sum of tenths: 0.1 + 0.2 is 0.3. */
const scoreDecimals = 12;
/** Below this, rewards that should be equal differ by rounding. */
const smallestDeviation = 1e-8;

/** Throws REWARD_NOT_FINITE, or REWARD_TURNS_MISMATCH unless there is one reward for each of `turns` turns. */
export function checkReward(
  given: RolloutReward,
  { turns, rolloutId }: { turns: number; rolloutId: string },
): CheckedReward {
  const isNumber = typeof given === "number";
  const rewards: readonly unknown[] | null = isNumber ? [given] : turnRewardsOf(given);
  if (rewards === null) {
    const message = `computeReward of rollout ${rolloutId}: expected a number or { turnRewards: [numbers] }, got ${inspected(given)}`;
    throw new LachesisError("REWARD_NOT_FINITE", message, { retryable: true });
  }
  if (!isNumber && rewards.length !== turns) {
    throw new LachesisError(
      "REWARD_TURNS_MISMATCH",
      `computeReward of rollout ${rolloutId}: expected a reward for each of its ${turns} turns, got ${rewards.length}`,
      { retryable: true },
    );
  }
  const numbers = rewards.map((reward, turn) => {
    if (typeof reward === "number" && Number.isFinite(reward)) return reward;
    const where = isNumber ? "" : ` for turn ${turn + 1}`;
    const message = `computeReward of rollout ${rolloutId}: expected a finite number${where}, got ${inspected(reward)}`;
    throw new LachesisError("REWARD_NOT_FINITE", message, { retryable: true });
  });
  if (isNumber) return { reward: given };
  const sum = numbers.reduce((total, reward) => total + reward, 0);
  return { reward: Number(sum.toFixed(scoreDecimals)), turnRewards: numbers };
}

/** Environments may be plain JavaScript, or cast: what they give is looked at. */
function turnRewardsOf(given: unknown): readonly unknown[] | null {
  if (typeof given !== "object" || given === null || !("turnRewards" in given)) return null;
  return Array.isArray(given.turnRewards) ? given.turnRewards : null;
}

/**
 * Advantages `[rollout][turn]`: the rewards less their mean over all turns of the group, by their standard deviation,
 * then each turn's own and, by `discount`, those that came after it (process supervision in GRPO). Equal rewards
 * give zeros.
 */
export function turnAdvantages(rewards: readonly (readonly number[])[], discount: number): number[][] {
  const all = rewards.flat();
  const mean = all.reduce((sum, reward) => sum + reward, 0) / Math.max(1, all.length);
  const variance = all.reduce((sum, reward) => sum + (reward - mean) ** 2, 0) / Math.max(1, all.length);
  const deviation = Math.sqrt(variance);
  const scale = deviation < smallestDeviation ? 0 : 1 / deviation;
  return rewards.map((turns) => {
    let later = 0;
    const returns = turns.toReversed().map((reward) => {
      later = (reward - mean) * scale + discount * later;
      return later;
    });
    return returns.reverse();
  });
}
