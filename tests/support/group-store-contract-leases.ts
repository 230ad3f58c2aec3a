/** What every GroupStore does with batches on their way out, and with environments that fall silent. */
import { describe, expect, test } from "vitest";
import type { GroupStore, GroupStores } from "../../src/rollout-api/group-store.ts";
import { defaultStoreOptions, type StoreOptions } from "../../src/rollout-api/store-options.ts";
import { encodedGroup, encodedGroups, envRequest, labelOf, startRun } from "./encoded-group.ts";

export function testLeases(name: string, openStores: (options: StoreOptions) => Promise<GroupStores>): void {
  async function open(options: Partial<StoreOptions> = {}) {
    const clock = { time: 1_000_000, now: () => clock.time };
    const stores = await openStores({ ...defaultStoreOptions, clock, ...options });
    const store = await stores.run("default");
    return { clock, store, [Symbol.asyncDispose]: () => stores[Symbol.asyncDispose]() };
  }

  describe(`${name}: leases`, () => {
    test("a batch that was settled as taken is gone", async () => {
      await using opened = await open();
      const { store } = opened;
      await startRun(store);
      await store.submit(encodedGroups(["a", "b"]));
      const { leaseId } = await take(store);
      expect(await store.overview()).toMatchObject({ openLeases: 1, heldGroups: 2 });
      expect(await store.settleBatch(leaseId, "taken")).toBe(true);
      expect(await store.takeBatch({ leaseSeconds: null })).toEqual({ kind: "none-ready" });
      expect(await store.overview()).toMatchObject({ openLeases: 0, heldGroups: 0, heldBytes: 0 });
    });

    test("a leased batch is not served again while its lease lasts", async () => {
      await using opened = await open();
      const { clock, store } = opened;
      await startRun(store);
      await store.submit(encodedGroups(["a", "b"]));
      await take(store, 10);
      clock.time += 9_999;
      expect(await store.takeBatch({ leaseSeconds: null })).toEqual({ kind: "none-ready" });
    });

    test("an expired lease is served again, and settling it answers false", async () => {
      await using opened = await open();
      const { clock, store } = opened;
      await startRun(store);
      await store.submit(encodedGroups(["a", "b"]));
      const first = await take(store, 10);
      clock.time += 10_000;
      expect(await store.settleBatch(first.leaseId, "taken")).toBe(false);
      expect(await store.overview()).toMatchObject({
        openLeases: 0,
        waitingBatches: 1,
        currentStep: 1,
        totals: { leasesExpired: 1 },
      });
      const second = await take(store, 10);
      expect(second.labels).toEqual(["a", "b"]);
      expect(second.leaseId).not.toBe(first.leaseId);
      expect(await store.settleBatch(first.leaseId, "taken")).toBe(false);
      expect(await store.settleBatch(second.leaseId, "taken")).toBe(true);
    });

    test("a lease without an expiry outlasts any time", async () => {
      await using opened = await open();
      const { clock, store } = opened;
      await startRun(store);
      await store.submit(encodedGroups(["a", "b"]));
      const { leaseId } = await take(store);
      clock.time += 1e12;
      expect(await store.settleBatch(leaseId, "taken")).toBe(true);
    });

    test("returned and expired batches are served before the others, in the order of forming", async () => {
      await using opened = await open();
      const { clock, store } = opened;
      await startRun(store);
      await store.submit(encodedGroups(["a", "b", "c", "d", "e", "f", "g", "h"]));
      const first = await take(store, 10);
      const second = await take(store);
      const third = await take(store, 10);
      expect(await store.settleBatch(third.leaseId, "returned")).toBe(true);
      expect(await store.settleBatch(second.leaseId, "returned")).toBe(true);
      clock.time += 10_000;
      const served = [await take(store), await take(store), await take(store), await take(store)];
      expect(served.map(({ labels }) => labels.join(""))).toEqual(["ab", "cd", "ef", "gh"]);
      expect(served.map(({ leaseId }) => leaseId)).not.toContain(first.leaseId);
      expect(await store.status()).toEqual({ currentStep: 4, queuedGroups: 0 });
    });

    test("settling again in the same way answers true again and changes nothing, otherwise false", async () => {
      await using opened = await open();
      const { store } = opened;
      await startRun(store);
      await store.submit(encodedGroups(["a", "b", "c", "d"]));
      const first = await take(store);
      expect(await store.settleBatch(first.leaseId, "taken")).toBe(true);
      expect(await store.settleBatch(first.leaseId, "taken")).toBe(true);
      expect(await store.settleBatch(first.leaseId, "returned")).toBe(false);
      expect(await store.settleBatch("never heard of", "taken")).toBe(false);
      expect((await store.overview()).totals).toMatchObject({ batchesOut: 1, groupsOut: 2, sequencesOut: 8 });
      expect((await take(store)).labels).toEqual(["c", "d"]);
    });

    test("a reset ends all leases", async () => {
      await using opened = await open();
      const { store } = opened;
      await startRun(store);
      await store.submit(encodedGroups(["a", "b"]));
      const { leaseId } = await take(store, 10);
      await store.reset();
      expect(await store.settleBatch(leaseId, "taken")).toBe(false);
    });

    test("a batch tells its step, when it was formed, and of each group where and when it came", async () => {
      await using opened = await open();
      const { clock, store } = opened;
      await startRun(store, { startingStep: 7 });
      const arrivedAt = clock.time;
      await store.submit(encodedGroups(["a", "b", "c", "d"]));
      clock.time += 5000;
      const facts = {
        formedAt: clock.time,
        groups: [0, 0].map((envId) => ({ envId, sequences: 4, arrivedAt })),
      };
      expect(await store.takeBatch({ leaseSeconds: null })).toMatchObject({ ...facts, step: 7 });
      clock.time += 5000;
      expect(await store.takeBatch({ leaseSeconds: null })).toMatchObject({ ...facts, step: 8 });
    });
  });

  describe(`${name}: environments that fall silent`, () => {
    test("one that is not heard of in time holds no batch back and has no weight, until it polls", async () => {
      await using opened = await open({ envTimeoutMs: 60_000 });
      const { clock, store } = opened;
      await startRun(store, { envs: [{ minBatchAllocation: 0.5 }, {}] });
      await store.submit(encodedGroups(["a", "b"], 4, 1));
      clock.time += 60_000;
      expect(await store.takeBatch({ leaseSeconds: null })).toEqual({ kind: "none-ready" });
      expect(await store.envStatus(1)).toMatchObject({ envWeight: 0.5, unallocatedFraction: 0.5 });
      clock.time += 1;
      expect((await store.overview()).envs.map(({ stale }) => stale)).toEqual([true, false]);
      expect(await store.envStatus(1)).toMatchObject({ envWeight: 1, unallocatedFraction: 1 });
      expect((await take(store)).labels).toEqual(["a", "b"]);

      await store.submit(encodedGroups(["c", "d"], 4, 1));
      expect(await store.envStatus(0)).toMatchObject({ envWeight: 0.5, unallocatedFraction: 0.5 });
      expect(await store.takeBatch({ leaseSeconds: null })).toEqual({ kind: "none-ready" });
    });

    test("handing in groups and joining are signs of life too", async () => {
      await using opened = await open({ envTimeoutMs: 1000 });
      const { clock, store } = opened;
      await startRun(store, { envs: [{}] });
      clock.time += 1001;
      const stale = async () => (await store.overview()).envs.map((env) => env.stale);
      expect(await stale()).toEqual([true]);
      await store.submit([encodedGroup(4, 0)]);
      await store.registerEnv(envRequest);
      expect(await stale()).toEqual([false, false]);
    });
  });
}

/** Takes the batch that must be there. */
async function take(store: GroupStore, leaseSeconds: number | null = null) {
  const answer = await store.takeBatch({ leaseSeconds });
  if (answer.kind !== "batch") throw new Error(`no batch: ${answer.kind}`);
  return { leaseId: answer.leaseId, labels: answer.bodies.map(labelOf) };
}
