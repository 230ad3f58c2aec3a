import fc from "fast-check";
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

const sizes = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 24 });
const batchSize = fc.integer({ min: 1, max: 40 });

function sumOf(groups: readonly { sequences: number }[]): number {
  return groups.reduce((sum, { sequences }) => sum + sequences, 0);
}

describe("for any queue", () => {
  test("found groups are distinct, ascending, and add up to the target; none means none exist", () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 30 }), (sizesOfGroups, target) => {
        const found = findGroupsSummingTo(target, sizesOfGroups);
        expect(found).toEqual([...new Set(found)].sort((a, b) => a - b));
        const reachable = new Set([0]);
        for (const size of sizesOfGroups) for (const sum of [...reachable]) reachable.add(sum + size);
        const sum = found.reduce((total, index) => total + (sizesOfGroups[index] ?? 0), 0);
        expect(sum).toBe(reachable.has(target) ? target : 0);
      }),
    );
  });

  test("a batch holds exactly the batch size and takes no group twice", () => {
    fc.assert(
      fc.property(sizes, batchSize, (sizesOfGroups, size) => {
        const queue = queueOf(sizesOfGroups);
        const batch = formBatch({ queue, largestGroup: largest(sizesOfGroups), batchSize: size });
        if (batch === null) return;
        expect(sumOf(batch)).toBe(size);
        expect(new Set(batch).size).toBe(batch.length);
        expect(queue).toEqual(expect.arrayContaining(batch));
      }),
    );
  });

  test("groups of one size leave in the order in which they came", () => {
    fc.assert(
      fc.property(sizes, batchSize, (sizesOfGroups, size) => {
        const batch = formBatch({
          queue: queueOf(sizesOfGroups),
          largestGroup: largest(sizesOfGroups),
          batchSize: size,
        });
        for (const sequences of new Set(sizesOfGroups)) {
          const taken = (batch ?? [])
            .filter((group) => group.sequences === sequences)
            .map(({ index }) => index);
          const oldest = queueOf(sizesOfGroups).filter((group) => group.sequences === sequences);
          expect(taken).toEqual(oldest.slice(0, taken.length).map(({ index }) => index));
        }
      }),
    );
  });

  test("a queue of one size drains to less than a batch, nothing lost and nothing doubled", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 0, max: 60 }),
        fc.integer({ min: 1, max: 8 }),
        (sequences, count, groupsPerBatch) => {
          let queue = queueOf(Array.from({ length: count }, () => sequences));
          const served: number[] = [];
          for (;;) {
            const batch = formBatch({
              queue,
              largestGroup: sequences,
              batchSize: sequences * groupsPerBatch,
            });
            if (batch === null) break;
            served.push(...batch.map(({ index }) => index));
            queue = queue.filter((group) => !batch.includes(group));
          }
          expect(queue.length).toBe(count % groupsPerBatch);
          expect([...served, ...queue.map(({ index }) => index)]).toEqual(
            Array.from({ length: count }, (_, i) => i),
          );
        },
      ),
    );
  });

  test("a batch with minimum shares is exact too, and takes no group without an environment", () => {
    const envs = fc.array(fc.constantFrom(0, 1, 2, null), { minLength: 24, maxLength: 24 });
    const shares = fc.array(fc.double({ min: 0, max: 0.33, noNaN: true }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(sizes, envs, shares, batchSize, (sizesOfGroups, envIds, sharesOfEnvs, size) => {
        const minimums = sharesOfEnvs.map((share, envId) => ({ envId, share }));
        const queue = queueOf(sizesOfGroups, envIds);
        const batch = formBatchWithMinimums({
          queue,
          largestGroup: largest(sizesOfGroups),
          batchSize: size,
          minimums,
        });
        if (batch === null) return;
        expect(sumOf(batch)).toBe(size);
        expect(new Set(batch).size).toBe(batch.length);
        expect(batch.filter(({ envId }) => envId === null)).toEqual([]);
      }),
    );
  });
});
