/** An observed store is a store, and tells what happened in it. */
import { describe, expect, test } from "vitest";
import { MemoryStores } from "../../../src/rollout-api/memory-store.ts";
import { ObservedStores } from "../../../src/rollout-api/watch/observed-store.ts";
import type { RunEvent } from "../../../src/rollout-api/watch/run-events.ts";
import { envRequest, registration, startRun } from "../../support/encoded-group.ts";
import { testGroupStore } from "../../support/group-store-contract.ts";
import { conversations, scoredGroup } from "../../support/scored-group-body.ts";

testGroupStore("ObservedStore", async (options) => {
  return new ObservedStores(new MemoryStores(options), { observers: [], clock: options.clock });
});

async function openObserved(limits = { maxQueueGroups: 100, maxQueueBytes: 1e9 }) {
  const time = { now: 1_000_000 };
  const clock = { now: () => time.now };
  const seen: RunEvent[] = [];
  const observers = [{ observe: (_run: string, event: RunEvent) => void seen.push(event) }];
  const inner = new MemoryStores({ clock, limits });
  const stores = new ObservedStores(inner, { observers, clock });
  const store = await stores.run("default");
  const take = (): RunEvent[] => seen.splice(0);
  return { inner, stores, store, time, take, clock, observers };
}

describe("what an observed store tells", () => {
  test("a run's opening, an environment's coming and going, a reset", async () => {
    const { store, take } = await openObserved();
    await store.register(registration);
    await store.registerEnv(envRequest);
    await store.register({ ...registration, batchSize: registration.batchSize + 1 });
    expect(take()).toEqual([
      { kind: "registered", registration },
      { kind: "registered", registration },
    ]);
    await store.takeBatch({ leaseSeconds: null });
    await store.registerEnv(envRequest);
    await store.disconnectEnv(0);
    await store.disconnectEnv(7);
    await store.reset();
    expect(take()).toEqual([
      { kind: "env-joined", envId: 0, env: "env_0", request: envRequest },
      { kind: "env-left", envId: 0, env: "env_0" },
      { kind: "reset" },
    ]);
  });

  test("groups with their scores, and at most one a second with its text", async () => {
    const { store, take, time } = await openObserved();
    await startRun(store);
    take();
    const group = scoredGroup({ scores: [0, 1, 0.5, 1], messages: conversations("2", "3", "4", "5") });
    await store.submit([group, scoredGroup({ envId: 9, messages: conversations("2") })]);
    const [event] = take();
    expect(event).toMatchObject({
      kind: "groups-received",
      groups: [
        { env: "env_0", sequences: 4, bytes: group.body.length, scores: [0, 1, 0.5, 1] },
        { env: null, text: null },
      ],
    });
    expect(JSON.stringify(event)).toContain("What is 1 + 1?");
    time.now += 1000;
    await store.submit([group]);
    expect(JSON.stringify(take())).toContain("What is 1 + 1?");
  });

  test("a batch with its groups' ages, and its staleness since sampling or else since arrival", async () => {
    const { store, take, time } = await openObserved();
    await startRun(store, { startingStep: 5 });
    for (let step = 0; step < 3; step++) {
      await store.submit([scoredGroup({ weightVersion: 4 }), scoredGroup()]);
    }
    time.now += 2500;
    take();
    await store.takeBatch({ leaseSeconds: null });
    await store.takeBatch({ leaseSeconds: null });
    await store.takeBatch({ leaseSeconds: null });
    const batches = take().flatMap((event) => (event.kind === "batch-served" ? [event.batch] : []));
    expect(batches.map(({ step }) => step)).toEqual([5, 6, 7]);
    expect(batches[2]).toMatchObject({
      scores: [0, 1, 1, 0, 0, 1, 1, 0],
      groups: [
        { env: "env_0", sequences: 4, ageMs: 2500, staleness: { steps: 3, since: "sampling" } },
        { env: "env_0", sequences: 4, ageMs: 2500, staleness: { steps: 2, since: "arrival" } },
      ],
    });
  });

  test("how leases end, also those that nobody knows", async () => {
    const { store, take } = await openObserved();
    await startRun(store);
    await store.submit([scoredGroup(), scoredGroup()]);
    const batch = await store.takeBatch({ leaseSeconds: 60 });
    const leaseId = batch.kind === "batch" ? batch.leaseId : "";
    take();
    await store.settleBatch(leaseId, "returned");
    await store.settleBatch("another", "taken");
    expect(take()).toEqual([
      { kind: "lease-settled", leaseId, how: "returned", known: true },
      { kind: "lease-settled", leaseId: "another", how: "taken", known: false },
    ]);
  });

  test("nothing of groups that were not stored, but that they were refused", async () => {
    const { store, take } = await openObserved({ maxQueueGroups: 2, maxQueueBytes: 1e9 });
    await startRun(store);
    await store.submit([scoredGroup()]);
    take();
    await store.submit([scoredGroup(), scoredGroup()]);
    await store.submit([scoredGroup({ scores: Array.from({ length: 9 }, () => 1) })]);
    expect(take()).toMatchObject([
      { kind: "groups-refused", reason: "queue_full", groups: 2 },
      { kind: "groups-refused", reason: "unpackable", groups: 1 },
    ]);
  });

  test("environments of an earlier process by their names", async () => {
    const { inner, store, take, clock, observers } = await openObserved();
    await startRun(store);
    const later = await new ObservedStores(inner, { observers, clock }).run("default");
    take();
    await later.submit([scoredGroup()]);
    expect(take()).toMatchObject([{ kind: "groups-received", groups: [{ env: "env_0" }] }]);
  });
});
