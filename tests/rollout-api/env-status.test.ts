/** GET /status-env's arithmetic: as recorded from the original, and where the original crashed. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { computeEnvStatus, type RunEnv } from "../../src/rollout-api/env-status.ts";
import { GroupSizes } from "../../src/rollout-api/group-sizes.ts";
import type { GroupStores } from "../../src/rollout-api/group-store.ts";
import { MemoryStores } from "../../src/rollout-api/memory-store.ts";
import { SqliteStores } from "../../src/rollout-api/sqlite-store.ts";
import { compatStoreOptions } from "../../src/rollout-api/store-options.ts";
import { encodedGroup, envRequest, startRun } from "../support/encoded-group.ts";
import { readGzipFixture } from "../support/gzip-fixture.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";

const scenarios = z
  .array(
    z.object({
      batch_size: z.int(),
      envs: z.array(
        z.object({
          max_token_length: z.int(),
          weight: z.number(),
          group_size: z.int(),
          min_batch_allocation: z.number().nullable(),
        }),
      ),
      disconnected: z.array(z.int()),
      /** Sequences, environment. */
      posts: z.array(z.tuple([z.int(), z.int().nullable()])),
      status_env: z.array(z.record(z.string(), z.number())),
    }),
  )
  .parse(await readGzipFixture("rollout-api/atropos-status-env-vectors.json.gz"));

test.each<[string, (directory: string) => Promise<GroupStores>]>([
  ["memory", async () => new MemoryStores(compatStoreOptions)],
  [
    "sqlite",
    (directory) => SqliteStores.open({ ...compatStoreOptions, path: join(directory, "store.sqlite") }),
  ],
])(`${scenarios.length} recorded scenarios come out as the original had them (%s)`, async (_, open) => {
  await using directory = await TemporaryDirectory.make();
  await using stores = await open(directory.path);
  for (const [index, scenario] of scenarios.entries()) {
    const store = await stores.run(`scenario-${index}`);
    const envs = scenario.envs.map((env) => ({
      maxTokenLength: env.max_token_length,
      weight: env.weight,
      groupSize: env.group_size,
      minBatchAllocation: env.min_batch_allocation,
    }));
    await startRun(store, { batchSize: scenario.batch_size, startingStep: 5, envs });
    for (const [sequences, envId] of scenario.posts) await store.submit([encodedGroup(sequences, envId)]);
    for (const envId of scenario.disconnected) await store.disconnectEnv(envId);
    const seen = [];
    for (const envId of envs.keys()) {
      const status = await store.envStatus(envId);
      seen.push({
        current_step: status?.currentStep,
        queue_size: status?.queueSize,
        unallocated_fraction: status?.unallocatedFraction,
        self_queue_size: status?.selfQueueSize,
        max_group_size: status?.maxGroupSize,
        env_weight: status?.envWeight,
      });
    }
    expect({ scenario, seen }).toEqual({ scenario, seen: scenario.status_env });
  }
});

describe("what the original divided by zero for, or had no number for", () => {
  const empty = { batchSize: 8, currentStep: 0, sizes: new GroupSizes(), sizesByEnv: new Map() };

  function statusOf(changes: readonly Partial<RunEnv>[]) {
    const envs = changes.map((change, envId) => ({ ...envRequest, connected: true, ...change, envId }));
    const [env] = envs;
    if (env === undefined) throw new Error("no environment given");
    return computeEnvStatus({ env, envs, ...empty, hidesOthersAmongSingles: true });
  }

  test.each([
    ["all weights zero: equal shares", [{ weight: 0 }, { weight: 0 }], 0.5],
    ["all disconnected: the smallest weight", [{ connected: false }], 0.01],
    [
      "weights too large for a sum: equal shares",
      [{ weight: 1e308, maxTokenLength: 1e15 }, { weight: 1 }],
      0.5,
    ],
  ])("%s", (_name, envs, envWeight) => {
    expect(statusOf(envs).envWeight).toBe(envWeight);
  });

  test("a share without bounds makes no count without bounds", () => {
    const envs = [{}, { minBatchAllocation: -1e308 }].map((change, envId) => ({
      ...{ ...envRequest, connected: true, envId },
      ...change,
    }));
    const waiting = new GroupSizes();
    waiting.add(1);
    const [env] = envs;
    if (env === undefined) throw new Error("no environment given");
    const { queueSize } = computeEnvStatus({
      ...{ ...empty, env, envs },
      sizesByEnv: new Map([[1, waiting]]),
      hidesOthersAmongSingles: false,
    });
    expect(Number.isFinite(queueSize)).toBe(true);
  });

  test("a group size of zero counts as one", () => {
    expect(statusOf([{ groupSize: 0 }])).toMatchObject({ queueSize: 0, selfQueueSize: 0 });
  });
});

test("others count among single-sequence groups unless told to do as the original", () => {
  const sizesByEnv = new Map([0, 1].map((envId) => [envId, new GroupSizes()]));
  const sizes = new GroupSizes();
  for (const own of sizesByEnv.values()) {
    own.add(1);
    sizes.add(1);
  }
  const envs = [0, 1].map((envId) => ({ ...envRequest, groupSize: 1, connected: true, envId }));
  const queueSize = (hidesOthersAmongSingles: boolean) =>
    computeEnvStatus({
      env: envs[0]!,
      envs,
      batchSize: 8,
      currentStep: 0,
      sizes,
      sizesByEnv,
      hidesOthersAmongSingles,
    }).queueSize;
  expect([queueSize(true), queueSize(false)]).toEqual([1, 2]);
});
