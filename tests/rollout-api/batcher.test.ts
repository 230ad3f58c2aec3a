import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { formBatch, formBatchWithMinimums } from "../../src/rollout-api/batcher.ts";
import { formExactBatch } from "../../src/rollout-api/exact-batch.ts";
import { GroupQueue, type GroupRecord } from "../../src/rollout-api/group-queue.ts";
import { findGroupsSummingTo, findOddGroups } from "../../src/rollout-api/odd-groups.ts";
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

function groupsOf(sizes: readonly number[], envIds: readonly (number | null)[] = []): GroupRecord[] {
  return sizes.map((sequences, index) => ({
    id: index,
    sequences,
    envId: envIds[index] ?? null,
    bytes: 1,
    arrivedAt: 0,
    arrivedStep: 0,
    position: index,
  }));
}

function queueOf(groups: readonly GroupRecord[]): GroupQueue<GroupRecord> {
  const queue = new GroupQueue<GroupRecord>();
  for (const group of groups) queue.push(group);
  return queue;
}

function largest(sizes: readonly number[]): number {
  return Math.max(0, ...sizes);
}

function outcomeOf(groups: readonly GroupRecord[], batch: readonly GroupRecord[] | null) {
  const taken = batch?.map(({ id }) => id) ?? null;
  return { taken, remaining: groups.map(({ id }) => id).filter((id) => !taken?.includes(id)) };
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
      const groups = groupsOf(sizes);
      const batch = formBatch({ queue: queueOf(groups), largestGroup: largest(sizes), batchSize });
      expect({ vector, ...outcomeOf(groups, batch) }).toEqual({ vector, taken, remaining });
    }
  });

  test(`formBatchWithMinimums: ${vectors.grab_batch_with_minimum_allocations.length} cases`, () => {
    for (const vector of vectors.grab_batch_with_minimum_allocations) {
      const { sizes, env_ids, env_configs, batch_size: batchSize, taken, remaining } = vector;
      const groups = groupsOf(sizes, env_ids);
      const queue = queueOf(groups);
      const minimums = env_configs.flatMap(({ registered_id, connected, min_batch_allocation }) =>
        connected && min_batch_allocation != null
          ? [{ envId: registered_id, share: min_batch_allocation }]
          : [],
      );
      const batch = formBatchWithMinimums({ queue, largestGroup: largest(sizes), batchSize, minimums });
      expect({ vector, ...outcomeOf(groups, batch) }).toEqual({ vector, taken, remaining });
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
        const groups = groupsOf(sizesOfGroups);
        const queue = queueOf(groups);
        const batch = formBatch({ queue, largestGroup: largest(sizesOfGroups), batchSize: size });
        if (batch === null) return;
        expect(sumOf(batch)).toBe(size);
        expect(new Set(batch).size).toBe(batch.length);
        expect(groups).toEqual(expect.arrayContaining(batch));
      }),
    );
  });

  test("groups of one size leave in the order in which they came", () => {
    fc.assert(
      fc.property(sizes, batchSize, (sizesOfGroups, size) => {
        const batch = formBatch({
          queue: queueOf(groupsOf(sizesOfGroups)),
          largestGroup: largest(sizesOfGroups),
          batchSize: size,
        });
        for (const sequences of new Set(sizesOfGroups)) {
          const taken = (batch ?? []).filter((group) => group.sequences === sequences).map(({ id }) => id);
          const oldest = groupsOf(sizesOfGroups).filter((group) => group.sequences === sequences);
          expect(taken).toEqual(oldest.slice(0, taken.length).map(({ id }) => id));
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
          const queue = queueOf(groupsOf(Array.from({ length: count }, () => sequences)));
          const served: number[] = [];
          for (;;) {
            const batchSize = sequences * groupsPerBatch;
            const batch = formBatch({ queue, largestGroup: sequences, batchSize });
            if (batch === null) break;
            queue.removeAll(batch);
            served.push(...batch.map(({ id }) => id));
          }
          expect(queue.sizes.groups).toBe(count % groupsPerBatch);
          expect(served).toEqual(Array.from({ length: count - queue.sizes.groups }, (_, index) => index));
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
        const queue = queueOf(groupsOf(sizesOfGroups, envIds));
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

describe("groups of odd sizes", () => {
  test("looking at few of each size chooses what looking at all would", () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 0, max: 30 }), (sizesOfGroups, target) => {
        const groups = groupsOf(sizesOfGroups);
        const found = findOddGroups(target, queueOf(groups).lanes());
        expect(found.map(({ id }) => id)).toEqual(findGroupsSummingTo(target, sizesOfGroups));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("exact batches", () => {
  const needs = fc.uniqueArray(
    fc.record({ envId: fc.constantFrom(0, 1, 2), needed: fc.integer({ min: 1, max: 12 }) }),
    { selector: ({ envId }) => envId, maxLength: 3 },
  );
  const groupsOfEnvs = fc
    .array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.constantFrom(0, 1, 2, null)), { maxLength: 9 })
    .map((pairs) =>
      groupsOf(
        pairs.map(([size]) => size),
        pairs.map(([, envId]) => envId),
      ),
    );

  test("there is one exactly when some groups add up and meet every need", () => {
    fc.assert(
      fc.property(groupsOfEnvs, batchSize, needs, (groups, size, needsOfEnvs) => {
        const lanes = queueOf(groups).lanes();
        const batch = formExactBatch({ lanes, batchSize: size, needs: needsOfEnvs });
        const isBatch = (candidate: readonly GroupRecord[]) =>
          sumOf(candidate) === size &&
          needsOfEnvs.every(
            ({ envId, needed }) => sumOf(candidate.filter((group) => group.envId === envId)) >= needed,
          );
        const exists = Array.from({ length: 2 ** groups.length }, (_, bits) =>
          groups.filter((group) => (bits & (1 << group.id)) !== 0),
        ).some(isBatch);
        expect(batch !== null).toBe(exists);
        if (batch !== null) expect(isBatch(batch)).toBe(true);
        expect(new Set(batch).size).toBe(batch?.length ?? 0);
      }),
      { numRuns: 500 },
    );
  });

  test("whatever is taken can leave, also where groups queued in another order than they came", () => {
    const shuffled = groupsOfEnvs.chain((groups) =>
      fc.shuffledSubarray(groups, { minLength: groups.length, maxLength: groups.length }),
    );
    fc.assert(
      fc.property(shuffled, fc.nat({ max: 9 }), batchSize, (groups, queued, size) => {
        const queue = queueOf(groups.slice(0, queued));
        const buffer = queueOf(groups.slice(queued));
        const lanes = [...queue.lanes(), ...buffer.lanes()];
        const batch = formExactBatch({ lanes, batchSize: size, needs: [] }) ?? [];
        const inQueue = new Set(groups.slice(0, queued));
        queue.removeAll(batch.filter((group) => inQueue.has(group)));
        buffer.removeAll(batch.filter((group) => !inQueue.has(group)));
        expect(queue.sizes.groups + buffer.sizes.groups).toBe(groups.length - batch.length);
      }),
      { numRuns: 1000 },
    );
  });

  test("a group from the middle of a lane can't leave", () => {
    const groups = groupsOf([1, 1, 1]);
    const queue = queueOf(groups);
    expect(() => queue.removeAll(groups.slice(1, 2))).toThrow(/middle of its lane/);
  });

  test("of every size the oldest leave, and the oldest group of all where it can", () => {
    const lanes = queueOf(groupsOf([3, 4, 4, 2, 3, 3, 2])).lanes();
    const batch = formExactBatch({ lanes, batchSize: 9, needs: [] });
    expect(batch?.map(({ id }) => id)).toEqual([0, 4, 5]);
    const other = formExactBatch({ lanes, batchSize: 8, needs: [] });
    expect(other?.map(({ id }) => id)).toEqual([0, 3, 4]);
  });
});
