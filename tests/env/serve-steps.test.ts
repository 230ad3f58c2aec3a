import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { groupOf } from "../support/numbers-env.ts";
import { serveScenario } from "../support/serve-scenario.ts";
import { until } from "../support/test-trainer.ts";

describe("what the trainer's steps ask for", () => {
  test("an evaluation each time a multiple is passed, also when steps jump", async () => {
    let evaluations = 0;
    await using t = await serveScenario({
      config: { total_steps: 8, steps_per_eval: 3, eval_handling: "NONE", max_batches_offpolicy: 0 },
      script: {
        evaluate: async () => {
          evaluations += 1;
          return { metrics: { "eval/accuracy": 0.5 }, samples: [] };
        },
      },
    });
    const serving = t.serve();
    // Everything waits before the first batch is asked for: the step then jumps.
    await until(async () => (await t.trainer.queueSize()) >= 32);
    for (let step = 0; step < 8; step++) await t.trainer.nextBatch();
    await serving;
    expect(evaluations).toBe(1);
    const lines = (await readFile(join(t.services.runDirectory, "metrics.jsonl"), "utf8")).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({ step: 6, "eval/accuracy": 0.5 }),
    );
    await readFile(join(t.services.runDirectory, "evaluations", "step-6", "metrics.json"));
  });

  test.each([
    ["STOP_TRAIN", 0],
    ["LIMIT_TRAIN", 2],
    ["NONE", 4],
  ] as const)("while it evaluates, %s lets %i of four workers train", async (handling, allowed) => {
    const { promise: evaluated, resolve: finishEvaluation } = Promise.withResolvers<null>();
    let evaluating = false;
    const started: number[] = [];
    await using t = await serveScenario({
      config: { total_steps: 9, steps_per_eval: 1, eval_handling: handling, max_batches_offpolicy: 4 },
      script: {
        play: async (item) => {
          if (!evaluating) return groupOf(item);
          started.push(item);
          await evaluated;
          return groupOf(item);
        },
        evaluate: () => {
          evaluating = true;
          return evaluated;
        },
      },
    });
    const serving = t.serve();
    await t.trainer.nextBatch();
    await until(() => evaluating && started.length >= allowed);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(started).toHaveLength(allowed);
    t.drain.abort();
    finishEvaluation(null);
    await serving;
  });

  test("checkpoints of the environment, taken up again by a later run", async () => {
    const checkpointDir = await mkdtemp(join(tmpdir(), "lachesis-checkpoints-"));
    try {
      const registration = { checkpoint_dir: checkpointDir, save_checkpoint_interval: 2 };
      {
        await using t = await serveScenario({
          registration,
          config: { total_steps: 3, max_batches_offpolicy: 1 },
          script: { state: () => ({ position: t.env.played.length > 0 ? 7 : 0 }) },
        });
        const serving = t.serve();
        for (let step = 0; step < 3; step++) await t.trainer.nextBatch();
        await serving;
      }
      await using t = await serveScenario({
        registration: { ...registration, starting_step: 3 },
        config: { total_steps: 4 },
      });
      const serving = t.serve();
      await t.trainer.nextBatch();
      await serving;
      expect(t.env.restored).toEqual([{ position: 7 }]);
    } finally {
      await rm(checkpointDir, { recursive: true });
    }
  });

  test("metrics of each step, and the environment's share told to the inference servers", async () => {
    await using t = await serveScenario({ config: { total_steps: 2, min_items_sent_before_logging: 0 } });
    const weights: number[] = [];
    t.services.servers.setWeight = (weight) => weights.push(weight);
    t.services.servers.metrics = () => ({ "server/server_0_request_time_avg": 0.25 });
    t.services.backend.metrics = () => ({ "sandbox/leaked": 0 });
    t.env.script.play = (item) => {
      t.env.recordMetric("numbers/item", item);
      return groupOf(item);
    };
    const serving = t.serve();
    await t.trainer.nextBatch();
    await t.trainer.nextBatch();
    await serving;
    const lines = (await readFile(join(t.services.runDirectory, "metrics.jsonl"), "utf8")).trim().split("\n");
    const [first] = lines.map((line) => JSON.parse(line));
    expect(first).toMatchObject({ step: expect.any(Number), "train/items_sent_to_api": expect.any(Number) });
    expect(first["numbers/item"]).toBeGreaterThan(0);
    expect(first["server/server_0_request_time_avg"]).toBe(0.25);
    expect(first["sandbox/leaked"]).toBe(0);
    expect(weights).toContain(1);
  });
});
