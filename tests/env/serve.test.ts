import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { GroupResult } from "../../src/env/group.ts";
import { groupOf } from "../support/numbers-env.ts";
import { serveScenario } from "../support/serve-scenario.ts";
import { type TestTrainer, until } from "../support/test-trainer.ts";

const firstTokens = (groups: readonly { tokens: number[][] }[]) => groups.map(({ tokens }) => tokens[0]?.[0]);

/** Whether environment 0 is still part of the run: a disconnected one has no share of it. */
async function isConnected(trainer: TestTrainer): Promise<boolean> {
  await trainer.client.registerEnv(
    { max_token_length: 2048, desired_name: "other", weight: 1, group_size: 2, min_batch_allocation: null },
    { signal: trainer.signal },
  );
  const { env_weight: share } = await trainer.client.statusEnv(1, { signal: trainer.signal });
  return share < 1;
}

describe("serveEnvironment", () => {
  test("feeds the trainer until total_steps, every group once, then signs off and cleans up", async () => {
    await using t = await serveScenario({ config: { total_steps: 5 } });
    const serving = t.serve();
    const groups = [];
    for (let step = 0; step < 5; step++) groups.push(...(await t.trainer.nextBatch()));
    const summary = await serving;
    expect(summary).toMatchObject({ endedBy: "complete", step: 5, deadLetters: null });
    expect(groups).toHaveLength(20);
    expect(new Set(firstTokens(groups)).size).toBe(20);
    expect(groups[0]).toMatchObject({ scores: [0, 1], env_id: 0, messages: null, advantages: null });
    expect(t.env.cleanups).toBe(1);
    expect(await isConnected(t.trainer)).toBe(false);
  });

  test("calls off what is still in flight when others have brought the last step about", async () => {
    await using t = await serveScenario({
      config: { total_steps: 1, worker_timeout: 0 },
      script: { play: () => new Promise(() => {}) },
    });
    const serving = t.serve();
    await until(() => t.env.played.length > 0);
    const { trainer } = t;
    const others = [0, 1, 2, 3].map((item): GroupResult => groupOf(item));
    const groups = others.flatMap((result) => (result.kind === "collected" ? [result.group] : []));
    await trainer.client.submitGroups(groups, { signal: trainer.signal });
    await trainer.nextBatch();
    expect(await serving).toMatchObject({ endedBy: "complete", step: 1, groupsSent: 0 });
    expect(t.ends.map(({ reason }) => reason)).toEqual(t.env.played.map(() => "off-policy"));
  });

  test("takes the number of steps from the trainer when total_steps is -1", async () => {
    await using t = await serveScenario({ config: { total_steps: -1 }, registration: { num_steps: 2 } });
    const serving = t.serve();
    await t.trainer.nextBatch();
    await t.trainer.nextBatch();
    expect(await serving).toMatchObject({ endedBy: "complete", step: 2 });
  });

  test("refuses total_steps -1 when the trainer has no number either", async () => {
    await using t = await serveScenario({ config: { total_steps: -1 } });
    await expect(t.serve()).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    expect(t.env.cleanups).toBe(1);
    expect(await isConnected(t.trainer)).toBe(false);
  });

  test("refuses groups that never fit into a batch", async () => {
    await using t = await serveScenario({ config: { group_size: 16 } });
    await expect(t.serve()).rejects.toMatchObject({ code: "CONFIG_INVALID", message: /16.*8/ });
  });

  test("stops starting when the queue is full, and cancels nothing that is in flight", async () => {
    const signals: AbortSignal[] = [];
    await using t = await serveScenario({
      config: { max_batches_offpolicy: 2, max_num_workers: 3 },
      script: {
        play: async (item, { signal }) => {
          signals.push(signal);
          await new Promise((resolve) => setImmediate(resolve));
          return groupOf(item);
        },
      },
    });
    const serving = t.serve();
    // Two batches of four groups.
    await until(async () => (await t.trainer.queueSize()) === 8);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect([await t.trainer.queueSize(), t.env.played.length]).toEqual([8, 8]);
    await t.trainer.nextBatch();
    await until(() => t.env.played.length > 8);
    t.drain.abort();
    const summary = await serving;
    expect(signals.some((signal) => signal.aborted)).toBe(false);
    expect(summary.groupsSent).toBe(t.env.played.length);
  });

  test("skipped groups are not sent and others take their place", async () => {
    await using t = await serveScenario({
      config: { total_steps: 1 },
      script: { play: (item) => groupOf(item, item % 2 === 0 ? [1, 1] : [0, 1]) },
    });
    const serving = t.serve();
    const batch = await t.trainer.nextBatch();
    await serving;
    expect(firstTokens(batch).every((item) => Number(item) % 2 === 1)).toBe(true);
    expect(t.ends.filter(({ reason }) => reason === "same-scores").length).toBeGreaterThanOrEqual(4);
  });

  test("waits for the trainer, and says so once", async () => {
    await using t = await serveScenario({ registration: null, config: { total_steps: 1 } });
    const serving = t.serve();
    await until(() => t.notices.length > 0);
    expect(t.notices).toMatchObject([
      { level: "info", message: `Waiting for a trainer at ${t.trainer.url}/` },
    ]);
    await t.trainer.register();
    await t.trainer.nextBatch();
    expect(await serving).toMatchObject({ endedBy: "complete" });
    expect(t.notices).toHaveLength(1);
  });

  test("a stop while it waits for a trainer ends it", async () => {
    await using t = await serveScenario({ registration: null });
    const serving = t.serve();
    t.drain.abort(new Error("stop"));
    await expect(serving).rejects.toThrow("stop");
    expect(t.env.cleanups).toBe(1);
  });

  test("a server that goes away midway loses no group", async () => {
    await using t = await serveScenario({ config: { total_steps: 6, max_batches_offpolicy: 2 } });
    const serving = t.serve();
    const groups = [...(await t.trainer.nextBatch())];
    await t.trainer.goAway();
    await until(() => t.notices.some(({ code }) => code === "ROLLOUT_API_UNREACHABLE"));
    await t.trainer.comeBack();
    while (groups.length < 24) groups.push(...(await t.trainer.nextBatch()));
    const summary = await serving;
    expect(summary.deadLetters).toBe(null);
    expect(t.ends.filter(({ result }) => result === "dropped").length).toBe(
      t.env.played.length - summary.groupsSent,
    );
    expect(new Set(firstTokens(groups)).size).toBe(24);
    expect(t.notices.filter(({ code }) => code === "ROLLOUT_API_UNREACHABLE")).toHaveLength(1);
  });

  test("a server that came back without its memory is joined again", async () => {
    // One call may form several batches and count as many steps: far fewer than these, before the server goes.
    await using t = await serveScenario({ config: { total_steps: 12 } });
    const serving = t.serve();
    await t.trainer.nextBatch();
    await t.trainer.goAway();
    await t.trainer.comeBack({ forgetful: true });
    await t.trainer.register();
    for (let step = 0; step < 12; step++) await t.trainer.nextBatch();
    expect(await serving).toMatchObject({ endedBy: "complete", step: 12 });
    expect(t.notices.some(({ message }) => message.includes("registering again"))).toBe(true);
  });

  test("a group that the server refuses goes to the dead-letter file, and the run goes on", async () => {
    await using t = await serveScenario({ config: { total_steps: 1, ensure_scores_are_not_same: false } });
    // A token that is no integer passes here and is refused there.
    t.env.postprocessGroup = async (group) =>
      group.tokens[0]?.[0] === 0 ? { ...group, tokens: [[0.5], [0.5]] } : group;
    const serving = t.serve();
    await t.trainer.nextBatch();
    const { deadLetters } = await serving;
    expect(deadLetters).toEqual({ path: join(t.services.runDirectory, "dead-letter.jsonl"), groups: 1 });
    const [line = ""] = (await readFile(deadLetters?.path ?? "", "utf8")).split("\n");
    expect(JSON.parse(line)).toMatchObject({ tokens: [[0.5], [0.5]], scores: [0, 1], env_id: 0 });
    expect(t.notices).toMatchObject([{ level: "error", code: "ROLLOUT_API_REJECTED" }]);
    expect(t.ends.filter(({ result }) => result === "dropped")).toMatchObject([
      { groupId: "g0", reason: "refused by the rollout server" },
    ]);
  });

  test("draining finishes and sends what is in flight, and starts nothing more", async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    await using t = await serveScenario({
      script: {
        play: async (item) => {
          await gate;
          return groupOf(item);
        },
      },
    });
    const serving = t.serve();
    await until(() => t.env.running === 4);
    t.drain.abort();
    open();
    expect(await serving).toMatchObject({ endedBy: "drained", groupsSent: 4, deadLetters: null });
    expect(t.env.played).toHaveLength(4);
    expect(await t.trainer.queueSize()).toBe(4);
    expect(await isConnected(t.trainer)).toBe(false);
  });

  test("aborting leaves at once: running groups are cancelled, finished unsent ones kept", async () => {
    await using t = await serveScenario({
      script: {
        play: async (item): Promise<GroupResult> => {
          if (item > 0) return new Promise(() => undefined);
          await t.trainer.goAway();
          return groupOf(item);
        },
      },
    });
    const serving = t.serve();
    await until(() => t.notices.length > 0);
    t.drain.abort();
    t.abort.abort();
    const { deadLetters, endedBy, groupsSent } = await serving;
    expect([endedBy, groupsSent, deadLetters?.groups]).toEqual(["aborted", 0, 1]);
    expect(t.ends.map(({ reason }) => reason).toSorted()).toEqual([
      "shutdown",
      "shutdown",
      "shutdown",
      "unsent at shutdown",
    ]);
    expect(t.env.cleanups).toBe(1);
  });

  test("a copy of every group goes to data_path_to_save_groups", async () => {
    await using t = await serveScenario({ config: { total_steps: 1 } });
    const path = join(t.services.runDirectory, "copy.jsonl");
    t.env.config.data_path_to_save_groups = path;
    const serving = t.serve();
    await t.trainer.nextBatch();
    const { groupsSent } = await serving;
    expect((await readFile(path, "utf8")).trim().split("\n")).toHaveLength(groupsSent);
  });
});
