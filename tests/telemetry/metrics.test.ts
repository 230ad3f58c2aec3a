import fc from "fast-check";
import { expect, test } from "vitest";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { Outcome } from "../../src/contracts/outcome.ts";
import { EventBus } from "../../src/telemetry/events.ts";
import { RunMetrics } from "../../src/telemetry/metrics.ts";
import { RunningStatistics } from "../../src/telemetry/running-statistics.ts";

function playRollout(
  events: EventBus,
  rolloutId: string,
  outcome: Outcome,
  split: "train" | "eval" = "train",
) {
  events.emit("rollout-start", { rolloutId, groupId: "g", split });
  events.emit("turn-end", { rolloutId, turn: 1, toolCalls: 1, completionTokens: 10 });
  events.emit("tool-end", { rolloutId, tool: "python", ok: false, durationMs: 1 });
  events.emit("turn-end", { rolloutId, turn: 2, toolCalls: 0, completionTokens: 5 });
  events.emit("rollout-end", { rolloutId, groupId: "g", split, outcome, turns: 2, durationMs: 1500 });
}

const scored = (reward: number): Outcome => ({ kind: "scored", reward, stop: "finished" });

test("sums a step up under Atropos' names, and starts anew after take", () => {
  const events = new EventBus();
  using metrics = new RunMetrics({ events });
  playRollout(events, "a", scored(1));
  playRollout(events, "b", scored(0));
  events.emit("group-end", { groupId: "g", scores: [1, 0], result: "sent" });
  events.emit("group-end", { groupId: "h", scores: [1, 1], result: "skipped", reason: "same-scores" });
  expect(metrics.take()).toMatchObject({
    "train/reward_mean": 0.5,
    "train/completion_lengths": 15,
    "train/completion_lengths_max": 15,
    "train/turns_mean": 2,
    "train/tool_calls": 2,
    "train/tool_errors_count": 2,
    "train/rollouts_scored": 2,
    "train/items_sent_to_api": 1,
    "train/items_rejected": 1,
    "train/groups_skipped/same-scores": 1,
    "train_perf/task_duration_mean": 1.5,
  });
  expect(metrics.take()).toEqual({});
});

test("failures and cancellations are counted and never enter the reward", () => {
  const events = new EventBus();
  using metrics = new RunMetrics({ events });
  playRollout(events, "a", scored(1));
  const error = new LachesisError("INTERNAL", "gone");
  playRollout(events, "b", { kind: "infra-failed", stage: "sandbox", error, retryable: true });
  playRollout(events, "c", { kind: "cancelled", by: "timeout" });
  expect(metrics.take()).toMatchObject({
    "train/reward_mean": 1,
    "train/rollouts_infra_failed/sandbox": 1,
    "train/rollouts_cancelled/timeout": 1,
  });
});

test("evaluation rollouts are left out", () => {
  const events = new EventBus();
  using metrics = new RunMetrics({ events });
  playRollout(events, "a", scored(1), "eval");
  expect(metrics.take()).toEqual({});
});

test("running statistics agree with the textbook", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1 }), (values) => {
      const statistics = new RunningStatistics();
      for (const value of values) statistics.add(value);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      const summary = statistics.summary();
      expect(summary?.mean).toBeCloseTo(mean, 4);
      expect(summary?.std).toBeCloseTo(Math.sqrt(variance), 3);
      expect([summary?.min, summary?.max]).toEqual([Math.min(...values), Math.max(...values)]);
    }),
  );
});
