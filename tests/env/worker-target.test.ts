import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  maxWorkers,
  type QueueStatus,
  type WorkerLimits,
  workerTarget,
} from "../../src/env/worker-target.ts";

const empty: QueueStatus = { queueSize: 0, selfQueueSize: 0, maxGroupSize: 1, unallocatedFraction: 1 };
const limits: WorkerLimits = {
  maxWorkers: 8,
  groupSize: 4,
  batchSize: 16,
  maxBatchesOffpolicy: 3,
  minBatchAllocation: null,
};

describe("workerTarget", () => {
  test.each<[string, Partial<QueueStatus>, Partial<WorkerLimits>, number]>([
    ["an empty queue takes all workers", {}, {}, 8],
    ["the room of three batches of four groups is twelve", {}, { maxWorkers: 100 }, 12],
    ["what waits in the queue takes room away", { queueSize: 7 }, {}, 5],
    ["a full queue leaves none", { queueSize: 12 }, {}, 0],
    ["an over-full queue is none, not less", { queueSize: 40 }, {}, 0],
    ["no limit on staleness means all workers", { queueSize: 400 }, { maxBatchesOffpolicy: 0 }, 8],
    ["an unknown batch size starts nothing", {}, { batchSize: -1 }, 0],
    [
      "an unknown batch size starts nothing, whatever the limit",
      {},
      { batchSize: -1, maxBatchesOffpolicy: -1 },
      0,
    ],
    ["others' minimums take their share away", { unallocatedFraction: 0.25 }, {}, 3],
    [
      "a full queue of others leaves room for the own minimum",
      { queueSize: 12 },
      { minBatchAllocation: 0.5 },
      7,
    ],
    [
      "an own minimum that waits already is enough",
      { queueSize: 20, selfQueueSize: 7 },
      { minBatchAllocation: 0.5 },
      0,
    ],
    [
      "small groups of others don't make the own minimum vanish",
      { queueSize: 12, maxGroupSize: 1 },
      { minBatchAllocation: 0.25 },
      4,
    ],
  ])("%s", (_title, status, given, expected) => {
    expect(workerTarget({ ...empty, ...status }, { ...limits, ...given })).toBe(expected);
  });

  test("is a whole number between 0 and the workers there are, whatever the server says", () => {
    const status = fc.record({
      queueSize: fc.nat(1000),
      selfQueueSize: fc.nat(1000),
      maxGroupSize: fc.integer({ min: 1, max: 64 }),
      unallocatedFraction: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    const given = fc.record({
      maxWorkers: fc.nat(64),
      groupSize: fc.integer({ min: 1, max: 64 }),
      batchSize: fc.integer({ min: -1, max: 512 }),
      maxBatchesOffpolicy: fc.integer({ min: -1, max: 8 }),
      minBatchAllocation: fc.option(fc.double({ min: 0, max: 2, noNaN: true })),
    });
    fc.assert(
      fc.property(status, given, (queue, workerLimits) => {
        const target = workerTarget(queue, workerLimits);
        expect(Number.isInteger(target)).toBe(true);
        expect(target).toBeGreaterThanOrEqual(0);
        expect(target).toBeLessThanOrEqual(workerLimits.maxWorkers);
      }),
    );
  });
});

test("max_num_workers -1 means so many per inference server", () => {
  expect(maxWorkers({ max_num_workers: -1, max_num_workers_per_node: 8 }, 3)).toBe(24);
  expect(maxWorkers({ max_num_workers: 5, max_num_workers_per_node: 8 }, 3)).toBe(5);
});
