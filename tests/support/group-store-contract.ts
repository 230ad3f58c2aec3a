/** What every GroupStore does. Each implementation's test file runs it. */
import { describe, expect, test } from "vitest";
import type { EncodedGroup } from "../../src/rollout-api/group-fields.ts";
import type { GroupStore, GroupStores, Placement } from "../../src/rollout-api/group-store.ts";
import {
  compatStoreOptions,
  defaultBehaviour,
  type StoreOptions,
} from "../../src/rollout-api/store-options.ts";
import { encodedGroup, envRequest, labelOf, registration, startRun } from "./encoded-group.ts";
import { testAdmission } from "./group-store-contract-admission.ts";
import { testLeases } from "./group-store-contract-leases.ts";

export type OpenStores = (options: StoreOptions) => Promise<GroupStores>;

/** Registers the suite for one implementation; each test gets stores of its own and disposes of them. */
export function testGroupStore(name: string, openStores: OpenStores): void {
  testLeases(name, openStores);
  testAdmission(name, openStores);
  const open = (options: Partial<StoreOptions> = {}) => openStores({ ...compatStoreOptions, ...options });

  describe(`${name}: a run's states`, () => {
    test("before a trainer: nothing is known, nobody joins, no batch", async () => {
      await using stores = await open();
      const store = await stores.run("default");
      expect(await store.info()).toEqual({ batchSize: -1, maxTokenLength: -1n });
      expect(await store.status()).toEqual({ currentStep: 0, queuedGroups: 0 });
      expect(await store.wandbInfo()).toEqual({ group: null, project: null });
      expect(await store.registerEnv(envRequest)).toBeNull();
      expect(await store.disconnectEnv(0)).toBe("never-opened");
      expect(await store.envStatus(0)).toBeNull();
      expect(await store.takeBatch({ leaseSeconds: null })).toEqual({ kind: "not-registered" });
      expect(await store.latestExample()).toBeNull();
    });

    test("environments join once the trainer has asked for a batch", async () => {
      await using stores = await open();
      const store = await stores.run("default");
      await store.register({ ...registration, startingStep: 3 });
      expect(await store.registerEnv(envRequest)).toBeNull();
      expect(await store.takeBatch({ leaseSeconds: null })).toEqual({ kind: "none-ready" });
      expect(await store.registerEnv(envRequest)).toEqual({
        envId: 0,
        wandbName: "env_0",
        checkpointDir: "checkpoints",
        currentStep: 3,
        checkpointInterval: 5n,
        numSteps: 100n,
      });
    });

    test("a second registration changes nothing, and is told the first", async () => {
      await using stores = await open();
      const store = await stores.run("default");
      expect(await store.register(registration)).toEqual(registration);
      expect(await store.register({ ...registration, batchSize: 99 })).toEqual(registration);
      expect((await store.info()).batchSize).toBe(registration.batchSize);
    });

    test("ids count up and names count namesakes, also those that left", async () => {
      await using stores = await open();
      const store = await stores.run("default");
      await startRun(store, { envs: [{ desiredName: "a" }, { desiredName: "b" }] });
      await store.disconnectEnv(0);
      expect(await store.registerEnv({ ...envRequest, desiredName: "a" })).toMatchObject({
        envId: 2,
        wandbName: "a_1",
      });
    });

    test("a second registration changes nothing", async () => {
      await using stores = await open();
      const store = await stores.run("default");
      await startRun(store);
      await store.register({ ...registration, batchSize: 99, wandbProject: "other" });
      expect(await store.info()).toMatchObject({ batchSize: 8 });
      expect(await store.wandbInfo()).toEqual({ group: "group", project: "project" });
    });

    test("disconnecting is idempotent and knows its environments", async () => {
      await using stores = await open();
      const store = await stores.run("default");
      await startRun(store);
      expect(await store.disconnectEnv(0)).toBe("disconnected");
      expect(await store.disconnectEnv(0)).toBe("disconnected");
      expect(await store.disconnectEnv(1)).toBe("unknown-env");
    });

    test("a reset forgets the run but the longest length and the latest example", async () => {
      await using stores = await open();
      const store = await stores.run("default");
      await startRun(store);
      await store.submit([encodedGroup(4, 0, "kept")]);
      await store.reset();
      expect(await store.info()).toEqual({ batchSize: -1, maxTokenLength: 128n });
      expect(await store.status()).toEqual({ currentStep: 0, queuedGroups: 0 });
      expect(await store.wandbInfo()).toEqual({ group: null, project: null });
      expect(await store.takeBatch({ leaseSeconds: null })).toEqual({ kind: "not-registered" });
      expect(await store.registerEnv(envRequest)).toBeNull();
      expect(await store.disconnectEnv(0)).toBe("unknown-env");
      expect(String(await store.latestExample())).toContain("kept");
    });

    test("groups that come before the trainer wait for it", async () => {
      await using stores = await open();
      const store = await stores.run("default");
      await store.submit([encodedGroup(4, null, "early"), encodedGroup(4, null, "bird")]);
      expect(await store.status()).toEqual({ currentStep: 0, queuedGroups: 2 });
      await store.register(registration);
      expect(await labelsOfBatch(store)).toEqual(["early", "bird"]);
    });
  });

  describe(`${name}: groups and batches`, () => {
    test("bodies come out byte for byte, in order", async () => {
      await using stores = await open();
      const store = await stores.run("default");
      await startRun(store);
      const bodies = ['{"a":12345678901234567890,"b":1.0}', '{"text":"日本語 😀"}'].map((text) =>
        Buffer.from(text),
      );
      await store.submit(
        bodies.map((body) => ({ body, sequences: 4, envId: 0, groupId: null, hasLogprobs: true })),
      );
      const answer = await store.takeBatch({ leaseSeconds: null });
      expect(answer).toMatchObject({ kind: "batch", bodies });
    });

    test("odd sizes wait in their environment's buffer until they add up to a group", async () => {
      await using stores = await open();
      const store = await stores.run("default");
      await startRun(store);
      const placements = [];
      const queued = [];
      for (const sequences of [3, 2, 2, 1, 8]) {
        placements.push(...(await placementsOf(store, [encodedGroup(sequences, 0)])));
        queued.push((await store.status()).queuedGroups);
      }
      expect(placements).toEqual(
        [3, 5, 3, 0, 8].map((sequencesLeft) => ({ kind: "buffered", sequencesLeft })),
      );
      expect(queued).toEqual([0, 0, 2, 4, 4]);
    });

    test("groups of unknown environments go straight to the queue", async () => {
      await using stores = await open();
      const store = await stores.run("default");
      await startRun(store);
      expect(await placementsOf(store, [encodedGroup(3, 7), encodedGroup(3, null)])).toEqual([
        { kind: "queued" },
        { kind: "queued" },
      ]);
    });

    test("all batches that can be formed are, each counts as a step, and the newest is served first in the original's way", async () => {
      await using stores = await open();
      const store = await stores.run("default");
      await startRun(store, { startingStep: 5 });
      await store.submit(["a", "b", "c", "d", "e"].map((label) => encodedGroup(4, 0, label)));
      expect(await labelsOfBatch(store)).toEqual(["c", "d"]);
      expect(await store.status()).toEqual({ currentStep: 7, queuedGroups: 1 });
      expect(await labelsOfBatch(store)).toEqual(["a", "b"]);
      expect(await labelsOfBatch(store)).toBeNull();
      await store.submit([encodedGroup(4, 0, "f")]);
      expect(await labelsOfBatch(store)).toEqual(["e", "f"]);
      expect(await store.status()).toEqual({ currentStep: 8, queuedGroups: 0 });
    });

    test("the oldest batch is served first by default", async () => {
      await using stores = await open({ behaviour: defaultBehaviour });
      const store = await stores.run("default");
      await startRun(store, { startingStep: 5 });
      await store.submit(["a", "b", "c", "d"].map((label) => encodedGroup(4, 0, label)));
      expect(await labelsOfBatch(store)).toEqual(["a", "b"]);
      expect(await store.status()).toEqual({ currentStep: 7, queuedGroups: 0 });
      expect(await labelsOfBatch(store)).toEqual(["c", "d"]);
    });

    test("an environment's minimum share holds batches back until it delivers or leaves", async () => {
      await using stores = await open();
      const store = await stores.run("default");
      await startRun(store, { envs: [{ minBatchAllocation: 0.5 }, {}] });
      await store.submit(["a", "b"].map((label) => encodedGroup(4, 1, label)));
      expect(await labelsOfBatch(store)).toBeNull();
      await store.submit([encodedGroup(4, 0, "own")]);
      expect(await labelsOfBatch(store)).toEqual(["own", "a"]);
      await store.submit([encodedGroup(4, 1, "c")]);
      expect(await labelsOfBatch(store)).toBeNull();
      await store.disconnectEnv(0);
      expect(await labelsOfBatch(store)).toEqual(["b", "c"]);
    });

    test.each([0, -1])("a batch size of %i never forms a batch, and never hangs", async (batchSize) => {
      await using stores = await open();
      const store = await stores.run("default");
      await startRun(store, { batchSize, envs: [{ minBatchAllocation: 0.5 }] });
      await store.submit([encodedGroup(4, 0)]);
      expect(await store.takeBatch({ leaseSeconds: null })).toEqual({ kind: "none-ready" });
    });
  });
}

async function placementsOf(
  store: GroupStore,
  groups: readonly EncodedGroup[],
): Promise<readonly Placement[]> {
  const answer = await store.submit(groups);
  if (answer.kind !== "accepted") throw new Error(`not accepted: ${JSON.stringify(answer)}`);
  return answer.placements;
}

async function labelsOfBatch(store: GroupStore): Promise<string[] | null> {
  const answer = await store.takeBatch({ leaseSeconds: null });
  if (answer.kind !== "batch") return null;
  await store.settleBatch(answer.leaseId, "taken");
  return answer.bodies.map(labelOf);
}
