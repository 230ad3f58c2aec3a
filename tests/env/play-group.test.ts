import { describe, expect, test } from "vitest";
import type { AgentResult } from "../../src/agent/agent-result.ts";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { Outcome } from "../../src/contracts/outcome.ts";
import { Cancellation } from "../../src/env/cancellation.ts";
import { type GroupPlay, playGroup } from "../../src/env/play-group.ts";
import type { PlayedRollout } from "../../src/env/run-rollout.ts";

const result: AgentResult = {
  messages: [],
  stop: "finished",
  turnsUsed: 1,
  finishedNaturally: true,
  reasoningPerTurn: [],
  toolErrors: [],
  toolCalls: { attempted: 0, schemaValid: 0, executedOk: 0, executionErrors: 0 },
  usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
  finishReasons: ["stop"],
};

const played = (rolloutId: string, outcome: Outcome): PlayedRollout => ({
  rolloutId,
  outcome,
  result,
  tokens: null,
  durationMs: 1,
});
const scored = (reward: number): Outcome => ({ kind: "scored", reward, stop: "finished" });
const failed = (retryable: boolean): Outcome => ({
  kind: "infra-failed",
  stage: "sandbox",
  error: new LachesisError("INTERNAL", "the sandbox is gone", { retryable }),
  retryable,
});
const never = new AbortController().signal;
const group = (play: GroupPlay["play"], more: Partial<GroupPlay> = {}) =>
  playGroup({ size: 3, retries: 2, signal: never, play, ...more });

describe("playGroup", () => {
  test("gives the rewards in the order of the rollouts, not of their ends", async () => {
    const gates = [
      Promise.withResolvers<void>(),
      Promise.withResolvers<void>(),
      Promise.withResolvers<void>(),
    ];
    const playing = group(async ({ index }) => {
      await gates[index]?.promise;
      gates[index - 1]?.resolve();
      return played(`r${index}`, scored(index));
    });
    gates[2]?.resolve();
    expect(await playing).toMatchObject([{ reward: 0 }, { reward: 1 }, { reward: 2 }]);
  });

  test("plays a failed rollout afresh, and only that one", async () => {
    const attempts: string[] = [];
    const rollouts = await group(async ({ index, attempt }) => {
      attempts.push(`${index}:${attempt}`);
      return played("r", index === 1 && attempt < 2 ? failed(true) : scored(1));
    });
    expect(rollouts).toHaveLength(3);
    expect(attempts.sort()).toEqual(["0:0", "1:0", "1:1", "1:2", "2:0"]);
  });

  test.each([
    ["when its tries are used up", true, 3],
    ["at once when another try is of no use", false, 1],
  ])("fails the group %s, never scoring it", async (_title, retryable, tries) => {
    let attempts = 0;
    const outcome = await group(async ({ index }) => {
      if (index !== 0) return played("r", scored(1));
      attempts += 1;
      return played("r", failed(retryable));
    });
    expect(outcome).toMatchObject({ kind: "failed", stage: "sandbox", retryable });
    expect(attempts).toBe(tries);
  });

  test("calls the others off when one has failed for good", async () => {
    const reasons: unknown[] = [];
    await group(async ({ index, signal }) => {
      if (index === 0) return played("r", failed(false));
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      reasons.push(signal.reason);
      return played("r", { kind: "cancelled", by: "group-dropped" });
    });
    expect(reasons).toEqual([new Cancellation("group-dropped"), new Cancellation("group-dropped")]);
  });

  test("what a rollout throws is thrown once the others, called off, have ended", async () => {
    let ended = 0;
    const playing = group(({ index, signal }) => {
      if (index === 0) throw new TypeError("no prompt for this item");
      return new Promise((resolve) =>
        signal.addEventListener("abort", () =>
          setImmediate(() => {
            ended += 1;
            resolve(played("r", { kind: "cancelled", by: "group-dropped" }));
          }),
        ),
      );
    });
    await expect(playing).rejects.toThrow("no prompt for this item");
    expect(ended).toBe(2);
  });

  test("rejects with the reason it was cancelled for", async () => {
    const cancel = new AbortController();
    const playing = group(
      async ({ signal }) => {
        cancel.abort(new Cancellation("timeout"));
        return played("r", { kind: "cancelled", by: signal.reason.by });
      },
      { signal: cancel.signal },
    );
    await expect(playing).rejects.toBe(cancel.signal.reason);
  });
});
