/**
 * Adds a run's events up into the metrics of one training step, under Atropos' names where it has one.
 * `take` gives what came since the last `take`. Evaluation rollouts are left out: they report for themselves.
 */
import type { Outcome } from "../contracts/outcome.ts";
import type { EventBus } from "./events.ts";
import { RunningStatistics } from "./running-statistics.ts";

type Series =
  | "train/reward"
  | "train/completion_lengths"
  | "train/turns"
  | "train_perf/task_duration"
  | "train_perf/succeeded_task_duration"
  | "train_perf/failed_task_duration";

export class RunMetrics implements Disposable {
  readonly #stopListening: (() => void)[];
  /** Completion tokens so far of rollouts under way. */
  readonly #completionTokens = new Map<string, number>();
  #series = new Map<Series, RunningStatistics>();
  #counts = new Map<string, number>();
  #tools = { calls: 0, errors: 0 };

  constructor({ events }: { events: EventBus }) {
    this.#stopListening = [
      events.on("rollout-start", ({ rolloutId, split }) => {
        if (split === "train") this.#completionTokens.set(rolloutId, 0);
      }),
      events.on("turn-end", ({ rolloutId, completionTokens }) => {
        const before = this.#completionTokens.get(rolloutId);
        if (before !== undefined) this.#completionTokens.set(rolloutId, before + (completionTokens ?? 0));
      }),
      events.on("tool-end", ({ rolloutId, ok }) => {
        if (!this.#completionTokens.has(rolloutId)) return;
        this.#tools.calls += 1;
        if (!ok) this.#tools.errors += 1;
      }),
      events.on("rollout-end", ({ rolloutId, split, outcome, turns, durationMs }) => {
        if (split !== "train") return;
        const tokens = this.#completionTokens.get(rolloutId) ?? 0;
        this.#completionTokens.delete(rolloutId);
        this.#onRollout(outcome, { tokens, turns, seconds: durationMs / 1000 });
      }),
      events.on("group-end", ({ result, reason }) => {
        if (result === "sent" || result === "written") this.#count("train/items_sent_to_api");
        else this.#count("train/items_rejected");
        if (result === "skipped" || result === "dropped")
          this.#count(`train/groups_${result}/${reason ?? "other"}`);
      }),
    ];
  }

  /** The metrics since the last call, by name. */
  take(): Record<string, number> {
    const metrics: Record<string, number> = Object.fromEntries(this.#counts);
    for (const [name, statistics] of this.#series) {
      const summary = statistics.summary();
      if (summary === undefined) continue;
      // Atropos gives the plain name to the mean of completion lengths.
      metrics[name === "train/completion_lengths" ? name : `${name}_mean`] = summary.mean;
      metrics[`${name}_std`] = summary.std;
      metrics[`${name}_min`] = summary.min;
      metrics[`${name}_max`] = summary.max;
    }
    if (this.#tools.calls > 0) {
      metrics["train/tool_calls"] = this.#tools.calls;
      metrics["train/tool_errors_count"] = this.#tools.errors;
    }
    this.#series = new Map();
    this.#counts = new Map();
    this.#tools = { calls: 0, errors: 0 };
    return metrics;
  }

  [Symbol.dispose](): void {
    for (const stop of this.#stopListening) stop();
  }

  #onRollout(
    outcome: Outcome,
    { tokens, turns, seconds }: { tokens: number; turns: number; seconds: number },
  ): void {
    this.#add("train_perf/task_duration", seconds);
    switch (outcome.kind) {
      case "scored":
        this.#count("train/rollouts_scored");
        this.#add("train/reward", outcome.reward);
        this.#add("train/completion_lengths", tokens);
        this.#add("train/turns", turns);
        this.#add("train_perf/succeeded_task_duration", seconds);
        this.#count(`train/stops/${outcome.stop}`);
        return;
      case "infra-failed":
        this.#add("train_perf/failed_task_duration", seconds);
        this.#count(`train/rollouts_infra_failed/${outcome.stage}`);
        return;
      case "cancelled":
        this.#count(`train/rollouts_cancelled/${outcome.by}`);
        return;
      default:
        outcome satisfies never;
    }
  }

  #add(name: Series, value: number): void {
    const statistics = this.#series.get(name) ?? new RunningStatistics();
    statistics.add(value);
    this.#series.set(name, statistics);
  }

  #count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
}
