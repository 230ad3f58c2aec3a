import { beforeEach, expect, test } from "vitest";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { Outcome } from "../../src/contracts/outcome.ts";
import { EventBus } from "../../src/telemetry/events.ts";
import { RunProgress } from "../../src/telemetry/run-progress.ts";

let now = 0;
let events: EventBus;
let progress: RunProgress;

beforeEach(() => {
  now = 1_000_000;
  events = new EventBus();
  progress = new RunProgress({ events, clock: () => now });
});

function playRollout(
  outcome: Outcome,
  { split = "train", turns = 2 }: { split?: "train" | "eval"; turns?: number } = {},
) {
  const ids = { rolloutId: "r", groupId: "g", split };
  events.emit("rollout-start", ids);
  events.emit("rollout-end", { ...ids, outcome, turns, durationMs: 5 });
}

const scored = (reward: number): Outcome => ({ kind: "scored", reward, stop: "finished" });
const failed: Outcome = {
  kind: "infra-failed",
  stage: "inference",
  error: new LachesisError("INFERENCE_UNREACHABLE", "down"),
  retryable: true,
};

test("failures and cancellations are counted and stay out of every mean; so do evaluations", () => {
  playRollout(scored(1));
  playRollout(scored(0), { turns: 4 });
  playRollout(failed);
  playRollout({ kind: "cancelled", by: "shutdown" });
  playRollout(scored(0), { split: "eval", turns: 3 });
  events.emit("rollout-start", { rolloutId: "r", groupId: "g", split: "train" });
  const snapshot = progress.snapshot();
  expect(snapshot.rollouts).toEqual({ running: 1, scored: 3, failed: 1, cancelled: 1 });
  expect([snapshot.meanReward, snapshot.rewarded]).toEqual([0.5, 2]);
  expect(snapshot.meanTurns).toBe(3);
  expect(snapshot.failures).toEqual(new Map([["INFERENCE_UNREACHABLE", 1]]));
});

test("rates and recent means look back thirty seconds", () => {
  playRollout(scored(0));
  events.emit("group-end", { groupId: "g", scores: [0], result: "sent" });
  now += 20_000;
  playRollout(scored(1));
  expect(progress.snapshot()).toMatchObject({
    rolloutsPerSecond: 0.1,
    groupsPerSecond: 0.05,
    recentMeanReward: 0.5,
  });
  now += 20_000;
  expect(progress.snapshot()).toMatchObject({
    rolloutsPerSecond: 1 / 30,
    groupsPerSecond: 0,
    recentMeanReward: 1,
  });
  now += 20_000;
  expect(progress.snapshot()).toMatchObject({
    rolloutsPerSecond: 0,
    recentMeanReward: undefined,
    meanReward: 0.5,
  });
});

test("groups say why they were not used; a new evaluation starts from zero", () => {
  events.emit("group-end", { groupId: "a", scores: [1, 1], result: "skipped", reason: "same scores" });
  events.emit("group-end", { groupId: "b", scores: [], result: "dropped", reason: "timeout" });
  events.emit("group-end", { groupId: "c", scores: [0, 1], result: "written" });
  for (const scores of [[1, null], [0]]) {
    events.emit("eval-start", { items: scores.length });
    for (const score of scores) events.emit("eval-item", { score });
  }
  const snapshot = progress.snapshot();
  expect(snapshot.groups).toEqual({ sent: 0, written: 1, skipped: 1, dropped: 1 });
  expect([...snapshot.groupReasons.keys()]).toEqual(["same scores", "timeout"]);
  expect(snapshot.evaluation).toMatchObject({ items: 1, total: 1, meanScore: 0 });
});

test("the trainer's speed is that of the steps seen, not of those before", () => {
  events.emit("server-status", { step: 100, queueSize: 0 });
  now += 10_000;
  events.emit("server-status", { step: 105, queueSize: 7 });
  expect(progress.snapshot().server).toEqual({ step: 105, queueSize: 7, stepsPerSecond: 0.5 });
});

test("a disposed progress listens no more", () => {
  progress[Symbol.dispose]();
  playRollout(scored(1));
  expect(progress.snapshot().rollouts.scored).toBe(0);
});
