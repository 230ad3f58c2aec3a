/**
 * Plays the rollouts of one item at the same time. A rollout that failed for no fault of the model is played
 * afresh; when one has failed for good the group can't be completed, so its other rollouts are called off.
 */
import type { AgentResult } from "../agent/agent-result.ts";
import type { Outcome } from "../contracts/outcome.ts";
import { Cancellation } from "./cancellation.ts";
import type { GroupFailure } from "./group.ts";
import type { RolloutTokens } from "./rollout-tokens.ts";
import type { PlayedRollout } from "./run-rollout.ts";

export type ScoredRollout = {
  rolloutId: string;
  result: AgentResult;
  reward: number;
  turnRewards?: readonly number[] | undefined;
  tokens: RolloutTokens | null;
};

export type GroupPlay = {
  size: number;
  /** How often one rollout is played afresh. */
  retries: number;
  signal: AbortSignal;
  /** Plays rollout `index` of the group; `attempt` counts from 0. */
  play(place: { index: number; attempt: number; signal: AbortSignal }): Promise<PlayedRollout>;
};

/**
 * Rejects with a Cancellation (the signal's reason, or "timeout" when a rollout ran out of time), or with
 * what `play` threw. Never before the last rollout has ended.
 */
export async function playGroup({
  size,
  retries,
  signal,
  play,
}: GroupPlay): Promise<ScoredRollout[] | GroupFailure> {
  const giveUp = new AbortController();
  const either = AbortSignal.any([signal, giveUp.signal]);
  const outcomes: Outcome[] = [];
  const thrown: unknown[] = [];

  const playToItsEnd = async (index: number): Promise<ScoredRollout | null> => {
    try {
      const { rolloutId, outcome, result, tokens } = await playUntilScored(retries, async (attempt) =>
        play({ index, attempt, signal: either }),
      );
      if (outcome.kind === "scored" && result !== null) {
        const { reward, turnRewards } = outcome;
        return { rolloutId, result, reward, turnRewards, tokens };
      }
      outcomes.push(outcome);
    } catch (error) {
      thrown.push(error);
    }
    giveUp.abort(new Cancellation("group-dropped"));
    return null;
  };
  const scored = await Promise.all(Array.from({ length: size }, (_, index) => playToItsEnd(index)));

  signal.throwIfAborted();
  if (thrown.length > 0) throw thrown[0];
  // The first to end badly is the cause; the others were called off because of it.
  const [cause] = outcomes;
  if (cause?.kind === "cancelled") throw new Cancellation(cause.by);
  if (cause?.kind === "infra-failed") return { ...cause, kind: "failed" };
  return scored.filter((rollout) => rollout !== null);
}

/** Plays afresh while the failure is the machinery's and worth another try. */
export async function playUntilScored(
  retries: number,
  play: (attempt: number) => Promise<PlayedRollout>,
): Promise<PlayedRollout> {
  for (let attempt = 0; ; attempt++) {
    const played = await play(attempt);
    const again = played.outcome.kind === "infra-failed" && played.outcome.retryable && attempt < retries;
    if (!again) return played;
  }
}
