/**
 * Plays a list of held-out items, a bounded number at a time, and sums them up. A failure of the machinery
 * has its own column and stays out of every mean: it says nothing about the model.
 */
import type { ChatMessage, JsonObject } from "../contracts/chat.ts";
import { LachesisError, toLachesisError } from "../contracts/errors.ts";
import type { Outcome } from "../contracts/outcome.ts";
import type { EventBus } from "../telemetry/events.ts";
import type { EvaluateOptions, Evaluation } from "./evaluation.ts";
import type { PlayedRollout } from "./run-rollout.ts";

export type EvaluateItemsOptions<Item> = EvaluateOptions & {
  /** More fields for an item's line in samples.jsonl, e.g. the gold answer. */
  describe?(item: Item, rollout: PlayedRollout): JsonObject;
  /** A reward from here on counts as correct. Default 1. */
  correctFrom?: number;
  taskName?: string;
};

type Engine<Item> = {
  concurrency: number;
  /** Failures in a row that end the evaluation; 0 = never. */
  maxFailures: number;
  events: EventBus;
  generationParameters: JsonObject;
  /** A rejection is the environment's own mistake: it ends the evaluation and calls off the other rollouts. */
  play(item: Item, index: number, signal: AbortSignal): Promise<PlayedRollout>;
};

/**
 * Rejects with the signal's reason, with ROLLOUTS_KEEP_FAILING when nothing could be scored, or with ENV_FAILED
 * when the environment's own code threw. Nothing is played any more by then.
 */
export async function evaluateItems<Item>(
  items: readonly Item[],
  options: EvaluateItemsOptions<Item> & Engine<Item>,
): Promise<Evaluation> {
  const { concurrency, maxFailures, events, play, signal, drain, describe, correctFrom = 1 } = options;
  const played = new Map<number, { item: Item; rollout: PlayedRollout }>();
  let failuresInARow = 0;
  let lastFailure: { message: string; error?: LachesisError } | undefined;
  const isHopeless = () => maxFailures > 0 && failuresInARow >= maxFailures;
  const giveUp = new AbortController();
  const either = AbortSignal.any([signal, giveUp.signal]);

  events.emit("eval-start", { items: items.length });
  const remaining = items.entries();
  const playOnAndOn = async () => {
    while (drain?.aborted !== true && !isHopeless() && !either.aborted) {
      const next = remaining.next();
      if (next.done === true) return;
      const [index, item] = next.value;
      let rollout: PlayedRollout;
      try {
        rollout = await play(item, index, either);
      } catch (thrown) {
        giveUp.abort(toLachesisError(thrown, "ENV_FAILED", `evaluation item ${index}`));
        return;
      }
      if (either.aborted) return;
      played.set(index, { item, rollout });
      const { outcome } = rollout;
      const failure = failureOf(outcome);
      lastFailure = failure ?? lastFailure;
      failuresInARow = failure === undefined ? 0 : failuresInARow + 1;
      events.emit("eval-item", { score: outcome.kind === "scored" ? outcome.reward : null });
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, playOnAndOn));
  either.throwIfAborted();

  const inOrder = [...played].sort(([a], [b]) => a - b);
  const scored = inOrder.flatMap(([, { rollout }]) =>
    rollout.outcome.kind === "scored" ? [rollout.outcome] : [],
  );
  if (lastFailure !== undefined && (isHopeless() || scored.length === 0)) {
    const { message, error } = lastFailure;
    throw new LachesisError(
      "ROLLOUTS_KEEP_FAILING",
      `${inOrder.length - scored.length} of ${inOrder.length} evaluation rollouts failed; the last: ${message}`,
      { ...(error?.hint !== undefined && { hint: error.hint }), cause: error },
    );
  }

  const rewards = scored.map(({ reward }) => reward);
  const isCorrect = (reward: number) => reward >= correctFrom;
  const accuracy = mean(rewards.map((reward) => (isCorrect(reward) ? 1 : 0)));
  const countOf = (kind: PlayedRollout["outcome"]["kind"]) =>
    inOrder.filter(([, { rollout }]) => rollout.outcome.kind === kind).length;
  return {
    ...(options.taskName === undefined ? {} : { taskName: options.taskName }),
    generationParameters: options.generationParameters,
    metrics: {
      ...(rewards.length > 0 && {
        "eval/accuracy": accuracy,
        "eval/accuracy_stderr": Math.sqrt((accuracy * (1 - accuracy)) / rewards.length),
        "eval/mean_reward": mean(rewards),
        "eval/mean_turns": mean(
          inOrder.flatMap(([, { rollout }]) =>
            rollout.outcome.kind === "scored" ? [rollout.result?.turnsUsed ?? 0] : [],
          ),
        ),
      }),
      "eval/items": items.length,
      "eval/scored": scored.length,
      "eval/infra_failed": countOf("infra-failed"),
      "eval/cancelled": countOf("cancelled"),
      "eval/not_played": items.length - inOrder.length,
    },
    samples: inOrder.map(([index, { item, rollout }]) => ({
      index,
      ...sampleOf(rollout, isCorrect),
      ...describe?.(item, rollout),
    })),
  };
}

/** What was wrong with a rollout that is neither scored nor called off; running out of time counts. */
function failureOf(outcome: Outcome): { message: string; error?: LachesisError } | undefined {
  if (outcome.kind === "infra-failed") return { message: outcome.error.message, error: outcome.error };
  const isTimeout = outcome.kind === "cancelled" && outcome.by === "timeout";
  return isTimeout ? { message: "not done within env.worker_timeout" } : undefined;
}

function sampleOf(
  { outcome, result, durationMs }: PlayedRollout,
  isCorrect: (reward: number) => boolean,
): JsonObject {
  const common = {
    outcome: outcome.kind,
    turns: result?.turnsUsed ?? 0,
    duration_ms: Math.round(durationMs),
    messages: result === null ? null : result.messages.map(toJson),
  };
  switch (outcome.kind) {
    case "scored":
      return { score: outcome.reward, correct: isCorrect(outcome.reward), stop: outcome.stop, ...common };
    case "infra-failed": {
      const { stage, error } = outcome;
      return { score: null, correct: null, stage, error: `${error.code}: ${error.message}`, ...common };
    }
    case "cancelled":
      return { score: null, correct: null, cancelled_by: outcome.by, ...common };
    default:
      return outcome satisfies never;
  }
}

/** A message as plain JSON: keys that are absent stay away. */
function toJson(message: ChatMessage): JsonObject {
  return JSON.parse(JSON.stringify(message));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
