import { describe, expect, test } from "vitest";
import { LachesisError } from "../../src/contracts/errors.ts";
import { Cancellation } from "../../src/env/cancellation.ts";
import type { BaseEnvConfig } from "../../src/env/env-config.ts";
import type { GroupResult } from "../../src/env/group.ts";
import { type Delivery, GroupWorkers } from "../../src/env/group-workers.ts";
import { recordEvents, testServices } from "../support/env-services.ts";
import { groupOf, NumbersEnv, type NumbersScript } from "../support/numbers-env.ts";

const never = new AbortController().signal;
const failure = (retryable: boolean): GroupResult => ({
  kind: "failed",
  stage: "inference",
  error: new LachesisError("INFERENCE_UNREACHABLE", "the model is away", { retryable }),
  retryable,
});

async function setUp(script: NumbersScript, config: Partial<BaseEnvConfig> = {}) {
  const services = await testServices();
  const env = NumbersEnv.make(services, config, script);
  const abort = new AbortController();
  const delivered: number[] = [];
  const deliver = { act: async (): Promise<Delivery> => ({ result: "sent" }) };
  const ends = recordEvents(services.events, "group-end");
  const workers = new GroupWorkers({
    env,
    rules: () => ({ groupSize: 2, ensureScoresAreNotSame: true, maxTokenLength: 100, maxSequences: 8 }),
    deliver: (group) => {
      delivered.push(group.tokens[0]?.[0] ?? -1);
      return deliver.act();
    },
    abort: abort.signal,
    onSettled: () => undefined,
  });
  /** Fills and settles until nothing is left to do. */
  const runDry = async (target = 8) => {
    do {
      await workers.fill(target, never);
      await workers.settle();
      if (workers.pausedForMs > 0) await new Promise((resolve) => setTimeout(resolve, workers.pausedForMs));
    } while (!workers.exhausted);
  };
  return {
    services,
    env,
    abort,
    delivered,
    deliver,
    ends,
    workers,
    runDry,
    [Symbol.asyncDispose]: services[Symbol.asyncDispose],
  };
}

describe("GroupWorkers", () => {
  test("starts up to the target and no further", async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<GroupResult>();
    await using t = await setUp({ play: () => gate });
    await t.workers.fill(3, never);
    await t.workers.fill(3, never);
    expect([t.env.running, t.workers.inFlight]).toEqual([3, 3]);
    open(groupOf(0));
    await t.workers.settle();
  });

  test("a lower target cancels nothing in flight: it finishes and is delivered", async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<GroupResult>();
    const signals: AbortSignal[] = [];
    await using t = await setUp({
      play: (_item, { signal }) => {
        signals.push(signal);
        return gate;
      },
    });
    await t.workers.fill(4, never);
    await t.workers.fill(0, never);
    expect(t.workers.inFlight).toBe(4);
    expect(signals.map((signal) => signal.aborted)).toEqual([false, false, false, false]);
    open(groupOf(7));
    await t.workers.settle();
    expect(t.delivered).toHaveLength(4);
  });

  test("plays failed items again, first failed first, before new ones", async () => {
    const failing = new Set([0, 1, 2]);
    await using t = await setUp({
      items: 5,
      play: (item) => (failing.delete(item) ? failure(true) : groupOf(item)),
    });
    await t.workers.fill(3, never);
    await t.workers.settle();
    await new Promise((resolve) => setTimeout(resolve, t.workers.pausedForMs));
    await t.workers.fill(5, never);
    await t.workers.settle();
    expect(t.env.played).toEqual([0, 1, 2, 0, 1, 2, 3, 4]);
    expect(t.delivered.toSorted()).toEqual([0, 1, 2, 3, 4]);
  });

  test("drops an item after its tries and counts every failure; none is delivered or scored", async () => {
    await using t = await setUp({ items: 1, play: () => failure(true) }, { rollout_retries: 1 });
    await t.runDry();
    expect(t.delivered).toEqual([]);
    expect(t.ends).toEqual([
      { groupId: "g0", scores: [], result: "dropped", reason: "inference failed, to be tried again" },
      { groupId: "g0-r1", scores: [], result: "dropped", reason: "inference failed" },
    ]);
  });

  test("does not try again what can't succeed", async () => {
    await using t = await setUp({ items: 1, play: () => failure(false) });
    await t.runDry();
    expect(t.env.played).toEqual([0]);
  });

  test("pauses starting after a failure", async () => {
    await using t = await setUp({ play: () => failure(false) });
    await t.workers.fill(1, never);
    await t.workers.settle();
    expect(t.workers.pausedForMs).toBeGreaterThan(0);
    await t.workers.fill(1, never);
    expect(t.env.played).toEqual([0]);
  });

  test("ends the run after max_failed_groups failures in a row, naming the last", async () => {
    await using t = await setUp({ play: () => failure(true) }, { max_failed_groups: 3 });
    await t.workers.fill(3, never);
    await expect(t.workers.settle()).rejects.toMatchObject({
      code: "ROLLOUTS_KEEP_FAILING",
      message: expect.stringMatching(/3 groups in a row failed \(inference\).*the model is away/),
    });
  });

  test("a success in between starts the count anew", async () => {
    await using t = await setUp(
      { items: 4, play: (item) => (item % 2 === 0 ? failure(false) : groupOf(item)) },
      { max_failed_groups: 2 },
    );
    await t.runDry(1);
    expect(t.delivered).toEqual([1, 3]);
  });

  test("a throw of the environment is a failure of its own kind, with its name", async () => {
    await using t = await setUp(
      {
        items: 1,
        play: () => {
          throw new TypeError("no such row");
        },
      },
      { rollout_retries: 0 },
    );
    const notices = recordEvents(t.services.events, "notice");
    await t.runDry();
    expect(t.ends).toMatchObject([{ result: "dropped", reason: "environment failed" }]);
    expect(notices).toMatchObject([
      { code: "ENV_FAILED", message: expect.stringContaining("numbers, item 0: no such row") },
    ]);
  });

  test("cancels a group that takes too long, and plays its item again", async () => {
    let slow = true;
    await using t = await setUp(
      {
        items: 1,
        play: (item, { signal }) => {
          if (!slow) return groupOf(item);
          slow = false;
          // Pays no heed to its signal.
          return new Promise(() => signal.throwIfAborted());
        },
      },
      { worker_timeout: 0.01 },
    );
    await t.runDry();
    expect(t.ends).toMatchObject([
      { groupId: "g0", result: "dropped", reason: "timeout, to be tried again" },
      { groupId: "g0-r1", result: "sent" },
    ]);
  });

  test("skips groups that carry nothing, with the reason, and plays on", async () => {
    const scores = [
      [0, 1],
      [1, 1],
      [0, 1, 0],
    ];
    await using t = await setUp({ items: 3, play: (item) => groupOf(item, scores[item]) });
    await t.runDry();
    expect(t.delivered).toEqual([0]);
    expect(t.ends.filter(({ result }) => result === "skipped").map(({ reason }) => reason)).toEqual([
      "same-scores",
      "wrong-size",
    ]);
  });

  test("an abort cancels what is in flight as what it is, and waits for nothing", async () => {
    await using t = await setUp({ play: () => new Promise(() => undefined) });
    await t.workers.fill(2, never);
    t.abort.abort(new Cancellation("shutdown"));
    await t.workers.settle();
    expect(t.ends).toMatchObject([
      { result: "dropped", reason: "shutdown" },
      { result: "dropped", reason: "shutdown" },
    ]);
  });

  test("a delivery that fails ends the run", async () => {
    await using t = await setUp({});
    t.deliver.act = () => Promise.reject(new LachesisError("OUTPUT_UNWRITABLE", "disk full"));
    await t.workers.fill(1, never);
    await expect(t.workers.settle()).rejects.toMatchObject({ code: "OUTPUT_UNWRITABLE" });
    await expect(t.workers.fill(1, never)).rejects.toMatchObject({ code: "OUTPUT_UNWRITABLE" });
  });

  test("an item source that fails ends the run, named", async () => {
    await using t = await setUp({});
    t.env.getNextItem = () => Promise.reject(new Error("row 7 has no answer"));
    await expect(t.workers.fill(1, never)).rejects.toMatchObject({
      code: "ENV_FAILED",
      message: "getNextItem of numbers: row 7 has no answer",
    });
  });

  test("a stop while waiting for an item just starts nothing", async () => {
    const stop = new AbortController();
    await using t = await setUp({});
    t.env.getNextItem = () => new Promise(() => undefined);
    const filling = t.workers.fill(1, stop.signal);
    stop.abort();
    await filling;
    expect(t.workers.inFlight).toBe(0);
  });
});
