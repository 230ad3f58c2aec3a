/**
 * Plays held-out items, each a number of times, a bounded number of rollouts at once, and sums them up. A failure of
 * the machinery has its own column and stays out of every mean: it says nothing about the model.
 *
 * A sample's seed comes from its item's id and its number alone, so that it is the same in whatever order samples are
 * played, and when an evaluation is taken up again. What a recorder already has with a score isn't played again.
 */
import type { ChatMessage, JsonObject } from "../contracts/chat.ts";
import { LachesisError, toLachesisError } from "../contracts/errors.ts";
import type { Outcome } from "../contracts/outcome.ts";
import { inOrder, itemAsJson, sampleKey, sampleRecord } from "../data/evaluation-records.ts";
import type { EventBus } from "../telemetry/events.ts";
import { chooseItems } from "./evaluation/choose-items.ts";
import { summarise } from "./evaluation/summarise.ts";
import type { EvaluateOptions, Evaluation } from "./evaluation.ts";
import type { PlayedRollout } from "./run-rollout.ts";

export type EvaluateItemsOptions<Item> = EvaluateOptions & {
  /**
   * More fields for a sample's line in samples.jsonl, e.g. the gold answer. `category` (a text) gets a summary of its
   * own; the fields of the sample itself win over others of their names.
   */
  describe?(item: Item, rollout: PlayedRollout): JsonObject;
  /** A reward from here on counts as correct. Default 1. */
  correctFrom?: number;
  taskName?: string;
};

export type SamplePlace = { itemId: string; sample: number; signal: AbortSignal };

/** One sample as it was played, in the end; what failed before it counts only for its cost. */
export type PlayedSample = {
  rollout: PlayedRollout;
  /** Every attempt, that of `rollout` last. */
  attempts: readonly PlayedRollout[];
};

type Engine<Item> = {
  samplesPerItem: number;
  passK: readonly number[];
  concurrency: number;
  /** Failures in a row that end the evaluation; 0 = never. */
  maxFailures: number;
  events: EventBus;
  generationParameters: JsonObject;
  /** A rejection is the environment's own mistake: it ends the evaluation and calls off the other rollouts. */
  play(item: Item, place: SamplePlace): Promise<PlayedSample>;
};

/**
 * Rejects with the signal's reason, with ROLLOUTS_KEEP_FAILING when nothing could be scored, with ENV_FAILED
 * when the environment's own code threw, or with what the recorder says. Nothing is played any more by then.
 */
export async function evaluateItems<Item>(
  items: readonly Item[],
  options: EvaluateItemsOptions<Item> & Engine<Item>,
): Promise<Evaluation> {
  const { concurrency, maxFailures, events, play, signal, drain, describe, correctFrom = 1 } = options;
  const { samplesPerItem, passK, recorder, scope, selection = {}, generationParameters } = options;
  const chosen = chooseItems(items, selection, { scope });
  const earlier = await recorder?.begin(
    {
      samples_per_item: samplesPerItem,
      pass_k: [...passK],
      correct_from: correctFrom,
      generation_parameters: generationParameters,
      selection: {
        limit: selection.limit ?? null,
        items: selection.items ?? null,
        shuffle_seed: selection.shuffleSeed ?? null,
      },
    },
    chosen.map(({ id, index, item }) => ({ item_id: id, index, ...itemAsJson(item) })),
    { scope },
  );
  const samples = [...(earlier?.values() ?? [])];
  const owed = chosen.flatMap((each) =>
    Array.from({ length: samplesPerItem }, (_, sample) => ({ ...each, sample })).filter(
      ({ id, sample }) => !earlier?.has(sampleKey({ item_id: id, sample })),
    ),
  );

  let failuresInARow = 0;
  let [playedNow, scoredNow] = [0, 0];
  let lastFailure: { message: string; error?: LachesisError } | undefined;
  const isHopeless = () => maxFailures > 0 && failuresInARow >= maxFailures;
  const giveUp = new AbortController();
  const either = AbortSignal.any([signal, giveUp.signal]);

  events.emit("eval-start", { items: chosen.length * samplesPerItem });
  for (const sample of samples) events.emit("eval-item", { score: sampleRecord.parse(sample).score });
  const remaining = owed.values();
  const playOnAndOn = async () => {
    while (drain?.aborted !== true && !isHopeless() && !either.aborted) {
      const next = remaining.next();
      if (next.done === true) return;
      const { id, index, item, sample } = next.value;
      let record: JsonObject;
      let outcome: Outcome;
      try {
        const played = await play(item, { itemId: id, sample, signal: either });
        if (either.aborted) return;
        outcome = played.rollout.outcome;
        const place = { index, item_id: id, sample };
        record = {
          ...place,
          ...describe?.(item, played.rollout),
          ...place,
          ...sampleOf(played, correctFrom),
        };
      } catch (thrown) {
        giveUp.abort(toLachesisError(thrown, "ENV_FAILED", `evaluation item ${id}`));
        return;
      }
      try {
        await recorder?.add(record);
      } catch (thrown) {
        giveUp.abort(thrown);
        return;
      }
      samples.push(record);
      playedNow += 1;
      scoredNow += outcome.kind === "scored" ? 1 : 0;
      const failure = failureOf(outcome);
      lastFailure = failure ?? lastFailure;
      failuresInARow = failure === undefined ? 0 : failuresInARow + 1;
      events.emit("eval-item", { score: outcome.kind === "scored" ? outcome.reward : null });
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, owed.length) }, playOnAndOn));
  either.throwIfAborted();

  if (lastFailure !== undefined && (isHopeless() || samples.length === playedNow - scoredNow)) {
    const { message, error } = lastFailure;
    throw new LachesisError(
      "ROLLOUTS_KEEP_FAILING",
      `${playedNow - scoredNow} of ${playedNow} evaluation rollouts failed; the last: ${message}`,
      { ...(error?.hint !== undefined && { hint: error.hint }), cause: error },
    );
  }

  const inTheirOrder = inOrder(samples);
  return {
    ...(options.taskName === undefined ? {} : { taskName: options.taskName }),
    generationParameters,
    metrics: summarise(inTheirOrder, { items: chosen.length, samplesPerItem, passK, price: options.price }),
    samples: inTheirOrder,
  };
}

/** What was wrong with a rollout that is neither scored nor called off; running out of time counts. */
function failureOf(outcome: Outcome): { message: string; error?: LachesisError } | undefined {
  if (outcome.kind === "infra-failed") return { message: outcome.error.message, error: outcome.error };
  const isTimeout = outcome.kind === "cancelled" && outcome.by === "timeout";
  return isTimeout ? { message: "not done within env.worker_timeout" } : undefined;
}

/** What differs from run to run stands in `timing` alone. */
function sampleOf({ rollout, attempts }: PlayedSample, correctFrom: number): JsonObject {
  const { outcome, result, durationMs, times } = rollout;
  const spent = (of: "promptTokens" | "completionTokens" | "untold") =>
    attempts.reduce((sum, attempt) => sum + (attempt.spent?.[of] ?? 0), 0);
  const untold = spent("untold");
  const common = {
    outcome: outcome.kind,
    turns: result?.turnsUsed ?? 0,
    prompt_tokens: spent("promptTokens"),
    completion_tokens: spent("completionTokens"),
    ...(untold > 0 && { untold_usage: untold }),
    ...(result !== null && { stop: result.stop, tool_calls: { ...result.toolCalls } }),
    messages: result === null ? null : result.messages.map(toJson),
    timing: {
      attempts: attempts.length,
      duration_ms: Math.round(durationMs),
      ...(times !== undefined && {
        model_ms: Math.round(times.modelMs),
        tool_ms: Math.round(times.toolMs),
        sandbox_ms: Math.round(times.sandboxMs),
        reward_ms: Math.round(times.rewardMs),
      }),
    },
  };
  switch (outcome.kind) {
    case "scored":
      return {
        score: outcome.reward,
        correct: outcome.reward >= correctFrom,
        ...(outcome.turnRewards !== undefined && { turn_rewards: [...outcome.turnRewards] }),
        ...common,
        stop: outcome.stop,
      };
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
