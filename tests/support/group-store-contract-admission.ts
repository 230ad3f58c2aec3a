/** What every GroupStore takes in, once each, and what it refuses; several runs; a run at a glance. */
import { describe, expect, test } from "vitest";
import type { GroupStore, GroupStores } from "../../src/rollout-api/group-store.ts";
import {
  compatStoreOptions,
  defaultStoreOptions,
  type StoreOptions,
} from "../../src/rollout-api/store-options.ts";
import { encodedGroup, encodedGroups, labelOf, startRun } from "./encoded-group.ts";

const noLimits = defaultStoreOptions.limits;

export function testAdmission(
  name: string,
  openStores: (options: StoreOptions) => Promise<GroupStores>,
): void {
  async function open(options: Partial<StoreOptions> = {}) {
    const stores = await openStores({ ...defaultStoreOptions, ...options });
    const store = await stores.run("default");
    return { stores, store, [Symbol.asyncDispose]: () => stores[Symbol.asyncDispose]() };
  }

  describe(`${name}: groups with an id`, () => {
    test("what comes again counts once and gets its first answer again", async () => {
      await using opened = await open();
      const { store } = opened;
      await startRun(store);
      const odd = () => store.submit([encodedGroup(3, 0, "odd", "id-1")]);
      const first = await odd();
      expect(first).toEqual({ kind: "accepted", placements: [{ kind: "buffered", sequencesLeft: 3 }] });
      await store.submit([encodedGroup(2, 0, "more", "id-2")]);
      expect(await odd()).toEqual(first);
      expect(await store.overview()).toMatchObject({
        heldGroups: 2,
        totals: { groupsIn: 2, sequencesIn: 5, duplicates: 1 },
      });
    });

    test("also within one submission, while the first is under way, and after the group is long gone", async () => {
      await using opened = await open();
      const { store } = opened;
      await startRun(store, { batchSize: 4 });
      const twice = [encodedGroup(4, 0, "a", "same"), encodedGroup(4, 0, "b", "same")];
      await Promise.all([store.submit(twice), store.submit([encodedGroup(4, 0, "c", "same")])]);
      expect((await take(store)).labels).toEqual(["a"]);
      expect(await store.submit([encodedGroup(4, 0, "d", "same")])).toMatchObject({ kind: "accepted" });
      expect(await store.takeBatch({ leaseSeconds: null })).toEqual({ kind: "none-ready" });
    });

    test("a reset forgets the ids", async () => {
      await using opened = await open();
      const { store } = opened;
      await store.submit([encodedGroup(4, null, "a", "id")]);
      await store.reset();
      await store.submit([encodedGroup(4, null, "a", "id")]);
      expect(await store.status()).toMatchObject({ queuedGroups: 1 });
    });
  });

  describe(`${name}: limits`, () => {
    test("a full run takes nothing until a batch was settled, but answers what it knows", async () => {
      await using opened = await open({ limits: { ...noLimits, maxQueueGroups: 3 } });
      const { store } = opened;
      await startRun(store);
      await store.submit([...encodedGroups(["a", "b"]), encodedGroup(4, 0, "c", "known")]);
      const full = { kind: "full", retryAfterSeconds: expect.any(Number) };
      expect(await store.submit(encodedGroups(["d"]))).toEqual(full);
      expect(await store.submit([encodedGroup(4, 0, "c", "known")])).toMatchObject({ kind: "accepted" });
      const { leaseId } = await take(store);
      expect(await store.submit(encodedGroups(["d"]))).toEqual(full);
      await store.settleBatch(leaseId, "taken");
      expect(await store.submit(encodedGroups(["d"]))).toMatchObject({ kind: "accepted" });
    });

    test("bytes are limited too, and a list comes in whole or not at all", async () => {
      const bytes = encodedGroup(4, 0, "a").body.length;
      await using opened = await open({ limits: { ...noLimits, maxQueueBytes: 3 * bytes } });
      const { store } = opened;
      await startRun(store);
      await store.submit(encodedGroups(["a", "b"]));
      expect(await store.submit(encodedGroups(["c", "d"]))).toMatchObject({ kind: "full" });
      expect(await store.overview()).toMatchObject({ heldGroups: 2, heldBytes: 2 * bytes });
      expect(await store.submit(encodedGroups(["c"]))).toMatchObject({ kind: "accepted" });
    });

    test("what is more than a run may ever hold is refused for good", async () => {
      await using opened = await open({ limits: { ...noLimits, maxQueueGroups: 2 } });
      expect(await opened.store.submit(encodedGroups(["a", "b", "c"]))).toMatchObject({
        kind: "unpackable",
        index: 0,
      });
    });
  });

  describe(`${name}: groups that could wait for ever`, () => {
    test("a group larger than the batch, or without sequences, is refused with its list", async () => {
      await using opened = await open();
      const { store } = opened;
      await startRun(store);
      const groups = [encodedGroup(4, 0), encodedGroup(9, 0)];
      const reason = "A group of 9 sequences can't be part of a batch of 8";
      expect(await store.submit(groups)).toEqual({ kind: "unpackable", index: 1, reason });
      expect(await store.submit([encodedGroup(0, 0)])).toMatchObject({ kind: "unpackable", index: 0 });
      expect(await store.overview()).toMatchObject({ heldGroups: 0 });
    });

    test("one that came before the trainer told the batch size holds nobody up, and shows", async () => {
      await using opened = await open();
      const { store } = opened;
      await store.submit([encodedGroup(9, null), encodedGroup(4, null, "a")]);
      await startRun(store, { envs: [] });
      expect(await store.overview()).toMatchObject({ unpackableGroups: 1 });
      await store.submit([encodedGroup(4, null, "b")]);
      expect((await take(store)).labels).toEqual(["a", "b"]);
    });

    test.each([
      { batchSize: 6, sizes: [4, 2], took: [0, 1] },
      { batchSize: 9, sizes: [4, 3, 3, 4, 3], took: [1, 2, 4] },
      { batchSize: 10, sizes: [7, 7, 3], took: [0, 2] },
    ])("sizes $sizes make a batch of $batchSize as soon as they can", async ({ batchSize, sizes, took }) => {
      await using opened = await open();
      const { store } = opened;
      await startRun(store, { batchSize, envs: [] });
      await store.submit(sizes.map((size, index) => encodedGroup(size, null, String(index))));
      expect((await take(store)).labels).toEqual(took.map(String));
    });

    test("odd sizes leave their buffer when a batch can be made of them", async () => {
      await using opened = await open();
      const { store } = opened;
      await startRun(store, { batchSize: 6, envs: [{ groupSize: 4 }] });
      await store.submit([encodedGroup(3, 0, "a"), encodedGroup(3, 0, "b")]);
      expect((await take(store)).labels).toEqual(["a", "b"]);
    });

    test("a stream of better fitting groups does not starve the others", async () => {
      await using opened = await open();
      const { store } = opened;
      await startRun(store, { batchSize: 12, envs: [] });
      await store.submit([encodedGroup(3, null, "three"), encodedGroup(1, null, "one")]);
      const served: string[] = [];
      for (let round = 0; round < 12; round++) {
        await store.submit(encodedGroups(["x", "y", "z"], 4, null));
        served.push(...(await take(store)).labels);
      }
      expect(served).toEqual(expect.arrayContaining(["three", "one"]));
    });

    test("groups of no environment fill up batches in which others have a minimum", async () => {
      await using opened = await open();
      const { store } = opened;
      await startRun(store, { envs: [{ minBatchAllocation: 0.5 }] });
      await store.submit([encodedGroup(4, null, "nobody's"), encodedGroup(4, 0, "own")]);
      expect((await take(store)).labels.toSorted()).toEqual(["nobody's", "own"]);
    });

    test("in the original's way they all wait", async () => {
      await using opened = await open({ behaviour: compatStoreOptions.behaviour });
      const { store } = opened;
      await startRun(store, { batchSize: 6, envs: [] });
      for (const size of [4, 2, 0, 9]) {
        expect(await store.submit([encodedGroup(size, null)])).toMatchObject({ kind: "accepted" });
      }
      expect(await store.takeBatch({ leaseSeconds: null })).toEqual({ kind: "none-ready" });
    });
  });

  describe(`${name}: several runs`, () => {
    test("each has a state of its own, and a name means the same run", async () => {
      await using opened = await open();
      const { stores, store } = opened;
      const other = await stores.run("other");
      expect(await stores.run("other")).toBe(other);
      await startRun(store);
      await startRun(other, { startingStep: 100 });
      await store.submit(encodedGroups(["a", "b"]));
      await other.submit(encodedGroups(["x"]));
      expect(await store.status()).toEqual({ currentStep: 0, queuedGroups: 2 });
      expect(await other.status()).toEqual({ currentStep: 100, queuedGroups: 1 });
      await other.reset();
      expect((await take(store)).labels).toEqual(["a", "b"]);
      expect(stores.names()).toEqual(["default", "other"]);
    });

    test("whether they can be written is found out without changing any", async () => {
      await using opened = await open({ clock: { now: () => 5000 } });
      const { stores, store } = opened;
      await startRun(store);
      await store.submit(encodedGroups(["a", "b"]));
      const before = await store.overview();
      await stores.checkWritable();
      expect(await store.overview()).toEqual(before);
      expect((await take(store)).labels).toEqual(["a", "b"]);
    });
  });

  test(`${name}: a run at a glance`, async () => {
    const clock = { time: 5000, now: () => clock.time };
    await using opened = await open({ clock });
    const { store } = opened;
    await startRun(store, { envs: [{ weight: 2 }, {}], startingStep: 3 });
    await store.submit([...encodedGroups(["a", "b", "c"]), encodedGroup(3, 1, "odd")]);
    const { leaseId } = await take(store);
    await store.settleBatch(leaseId, "taken");
    await store.disconnectEnv(1);
    clock.time += 1500;
    const { body } = encodedGroup(4, 0, "a");
    expect(await store.overview()).toEqual({
      registered: true,
      started: true,
      currentStep: 4,
      batchSize: 8,
      queuedGroups: 1,
      queuedSequences: 4,
      queuedBytes: body.length,
      bufferedGroups: 1,
      bufferedSequences: 3,
      unpackableGroups: 0,
      waitingBatches: 0,
      openLeases: 0,
      heldGroups: 2,
      heldBytes: body.length + encodedGroup(3, 1, "odd").body.length,
      oldestQueuedMs: 1500,
      envs: [
        {
          envId: 0,
          wandbName: "env_0",
          weight: 2,
          groupSize: 4,
          connected: true,
          stale: false,
          lastSeenAt: 5000,
          groupsIn: 3,
          sequencesIn: 12,
          queuedGroups: 1,
          queuedSequences: 4,
        },
        {
          envId: 1,
          wandbName: "env_1",
          weight: 1,
          groupSize: 4,
          connected: false,
          stale: false,
          lastSeenAt: 5000,
          groupsIn: 1,
          sequencesIn: 3,
          queuedGroups: 1,
          queuedSequences: 3,
        },
      ],
      totals: {
        groupsIn: 4,
        sequencesIn: 15,
        groupsOut: 2,
        sequencesOut: 8,
        batchesOut: 1,
        duplicates: 0,
        leasesExpired: 0,
      },
    });
  });
}

async function take(store: GroupStore) {
  const answer = await store.takeBatch({ leaseSeconds: null });
  if (answer.kind !== "batch") throw new Error(`no batch: ${answer.kind}`);
  return { leaseId: answer.leaseId, labels: answer.bodies.map(labelOf) };
}
