import { describe, expect, test } from "vitest";
import { z } from "zod";
import { findGroupsSummingTo, formBatch, formBatchWithMinimums } from "../../src/rollout-api/batcher.ts";
import { readGzipFixture } from "../support/gzip-fixture.ts";

const indexes = z.array(z.int());
const queueVector = z.object({
  sizes: indexes,
  batch_size: z.int(),
  taken: indexes.nullable(),
  remaining: indexes,
});
const vectors = z
  .object({
    find_groups_summing_to_target: z.array(z.object({ sizes: indexes, target: z.int(), indices: indexes })),
    grab_exact_from_heterogeneous_queue: z.array(queueVector),
    grab_batch_with_minimum_allocations: z.array(
      queueVector.extend({
        env_ids: z.array(z.int().nullable()),
        env_configs: z.array(
          z.object({
            registered_id: z.int(),
            connected: z.boolean(),
            min_batch_allocation: z.number().nullish(),
          }),
        ),
      }),
    ),
  })
  .parse(await readGzipFixture("rollout-api/atropos-batch-vectors.json.gz"));

type Numbered = { index: number; sequences: number; envId: number | null };

function queueOf(sizes: readonly number[], envIds: readonly (number | null)[] = []): Numbered[] {
  return sizes.map((sequences, index) => ({ index, sequences, envId: envIds[index] ?? null }));
}

function largest(sizes: readonly number[]): number {
  return Math.max(0, ...sizes);
}

function outcomeOf(queue: readonly Numbered[], batch: readonly Numbered[] | null) {
  const taken = batch?.map(({ index }) => index) ?? null;
  return { taken, remaining: queue.map(({ index }) => index).filter((index) => !taken?.includes(index)) };
}

describe("the recorded decisions of the original", () => {
  test(`findGroupsSummingTo: ${vectors.find_groups_summing_to_target.length} cases`, () => {
    for (const { sizes, target, indices } of vectors.find_groups_summing_to_target) {
      expect({ sizes, target, indices: findGroupsSummingTo(target, sizes) }).toEqual({
        sizes,
        target,
        indices,
      });
    }
  });

  test(`formBatch: ${vectors.grab_exact_from_heterogeneous_queue.length} cases`, () => {
    for (const vector of vectors.grab_exact_from_heterogeneous_queue) {
      const { sizes, batch_size: batchSize, taken, remaining } = vector;
      const queue = queueOf(sizes);
      const batch = formBatch({ queue, largestGroup: largest(sizes), batchSize });
      expect({ vector, ...outcomeOf(queue, batch) }).toEqual({ vector, taken, remaining });
    }
  });

  test(`formBatchWithMinimums: ${vectors.grab_batch_with_minimum_allocations.length} cases`, () => {
    for (const vector of vectors.grab_batch_with_minimum_allocations) {
      const { sizes, env_ids, env_configs, batch_size: batchSize, taken, remaining } = vector;
      const queue = queueOf(sizes, env_ids);
      const minimums = env_configs.flatMap(({ registered_id, connected, min_batch_allocation }) =>
        connected && min_batch_allocation != null
          ? [{ envId: registered_id, share: min_batch_allocation }]
          : [],
      );
      const batch = formBatchWithMinimums({ queue, largestGroup: largest(sizes), batchSize, minimums });
      expect({ vector, ...outcomeOf(queue, batch) }).toEqual({ vector, taken, remaining });
    }
  });
});
