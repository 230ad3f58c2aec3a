import { copyFileSync } from "node:fs";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { type SqliteStoreOptions, SqliteStores } from "../../src/rollout-api/sqlite-store.ts";
import { compatStoreOptions } from "../../src/rollout-api/store-options.ts";
import {
  encodedGroup,
  encodedGroups,
  envRequest,
  labelOf,
  registration,
  startRun,
} from "../support/encoded-group.ts";
import { testGroupStore } from "../support/group-store-contract.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";

testGroupStore("SqliteStore", async (options) => {
  const directory = await TemporaryDirectory.make();
  const stores = await SqliteStores.open({ path: join(directory.path, "store.sqlite"), ...options });
  return {
    run: (name) => stores.run(name),
    names: () => stores.names(),
    checkWritable: () => stores.checkWritable(),
    async [Symbol.asyncDispose]() {
      await stores[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
});

/** A place for a store file; `open` opens it, and whatever is open is closed in the end. */
async function makePlace() {
  const directory = await TemporaryDirectory.make();
  const path = join(directory.path, "store.sqlite");
  const opened: SqliteStores[] = [];
  return {
    path,
    async open(options: Partial<SqliteStoreOptions> = {}) {
      const stores = await SqliteStores.open({ path, ...options });
      opened.push(stores);
      return stores;
    },
    async [Symbol.asyncDispose]() {
      for (const stores of opened) await stores[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

describe("after a restart", () => {
  test.each(["normal", "full"] as const)("a run goes on where it was (sync %s)", async (sync) => {
    await using place = await makePlace();
    const before = await place.open({ sync });
    const run = await before.run("default");
    await startRun(run, { startingStep: 5, envs: [{ weight: 0.25, groupSize: 4 }, { weight: Number.NaN }] });
    await run.submit(encodedGroups(["a", "b", "c", "d", "e"]));
    await run.submit([encodedGroup(3, 0, "odd")]);
    const first = await run.takeBatch({ leaseSeconds: null });
    if (first.kind !== "batch") throw new Error(first.kind);
    await run.settleBatch(first.leaseId, "taken");
    await run.submit([encodedGroup(2, 1, "half")]);
    await run.submit([encodedGroup(2, 1, "other half")]);
    const overview = await run.overview();
    await before[Symbol.asyncDispose]();

    const after = await place.open({ sync });
    expect(after.names()).toEqual(["default"]);
    const same = await after.run("default");
    const lastSeenAt = expect.any(Number);
    expect(await same.overview()).toEqual({
      ...overview,
      oldestQueuedMs: expect.any(Number),
      envs: overview.envs.map((env) => ({ ...env, lastSeenAt })),
    });
    expect(await same.info()).toEqual({ batchSize: 8, maxTokenLength: 128n });
    expect(await same.status()).toEqual({ currentStep: 7, queuedGroups: 3 });
    expect(String(await same.latestExample())).toContain("other half");
    const second = await same.takeBatch({ leaseSeconds: null });
    expect(second.kind === "batch" ? second.bodies.map(labelOf) : second.kind).toEqual(["c", "d"]);
    expect(await same.submit([encodedGroup(1, 0, "fitting")])).toMatchObject({
      placements: [{ kind: "buffered", sequencesLeft: 0 }],
    });
    expect(await same.registerEnv({ ...envRequest, desiredName: "env" })).toMatchObject({
      envId: 2,
      wandbName: "env_2",
      numSteps: 100n,
    });
  });

  test("a batch that was being delivered waits again; a lease with an expiry goes on", async () => {
    const clock = { time: 1000, now: () => clock.time };
    await using place = await makePlace();
    const before = await place.open({ clock });
    const run = await before.run("default");
    await startRun(run);
    await run.submit(encodedGroups(["a", "b", "c", "d", "e", "f"]));
    const leases: string[] = [];
    for (const leaseSeconds of [10, null, 20]) {
      const answer = await run.takeBatch({ leaseSeconds });
      leases.push(answer.kind === "batch" ? answer.leaseId : answer.kind);
    }
    await before[Symbol.asyncDispose]();

    const same = await (await place.open({ clock })).run("default");
    expect(await same.overview()).toMatchObject({ waitingBatches: 1, openLeases: 2 });
    expect(await same.settleBatch(leases[1] ?? "", "taken")).toBe(false);
    clock.time += 10_000;
    expect(await same.settleBatch(leases[0] ?? "", "taken")).toBe(false);
    expect(await same.settleBatch(leases[2] ?? "", "taken")).toBe(true);
    expect(await same.settleBatch(leases[2] ?? "", "taken")).toBe(true);
    const next = await same.takeBatch({ leaseSeconds: null });
    expect(next.kind === "batch" ? next.bodies.map(labelOf) : next.kind).toEqual(["a", "b"]);
  });

  test("numbers beyond 64 bits and texts that are no valid Unicode come back as they were", async () => {
    await using place = await makePlace();
    const before = await place.open(compatStoreOptions);
    const run = await before.run("default");
    const huge = { maxTokenLength: 2n ** 200n, numSteps: -(2n ** 70n), checkpointDir: "\ud800\0'" };
    await startRun(run, {
      ...huge,
      envs: [{ weight: Number.POSITIVE_INFINITY, maxTokenLength: 1e300 }],
    });
    await run.submit([encodedGroup(4, 1e15, "far")]);
    await before[Symbol.asyncDispose]();
    const same = await (await place.open(compatStoreOptions)).run("default");
    expect((await same.info()).maxTokenLength).toBe(2n ** 200n);
    expect(await same.registerEnv(envRequest)).toMatchObject({
      checkpointDir: huge.checkpointDir,
      numSteps: huge.numSteps,
    });
    expect((await same.overview()).envs[0]?.weight).toBe(Number.POSITIVE_INFINITY);
  });

  test("what was answered is in the file at that moment, whatever comes next", async () => {
    await using place = await makePlace();
    const run = await (await place.open()).run("default");
    await run.register(registration);
    for (let round = 0; round < 20; round++) {
      await run.submit(encodedGroups([`group ${round}`], 4, null));
      const copy = `${place.path}-${round}`;
      for (const suffix of ["", "-wal"]) copyFileSync(place.path + suffix, copy + suffix);
    }
    for (const round of [0, 7, 19]) {
      const found = await (await place.open({ path: `${place.path}-${round}` })).run("default");
      expect(await found.status()).toMatchObject({ queuedGroups: round + 1 });
    }
  });

  test("the latest example outlives its batch, a reset and the process", async () => {
    await using place = await makePlace();
    const before = await place.open();
    const run = await before.run("default");
    await startRun(run);
    await run.submit(encodedGroups(["a", "latest"]));
    const batch = await run.takeBatch({ leaseSeconds: null });
    await run.settleBatch(batch.kind === "batch" ? batch.leaseId : "", "taken");
    await run.reset();
    await before[Symbol.asyncDispose]();
    const same = await (await place.open()).run("default");
    expect(labelOf((await same.latestExample()) ?? Buffer.from("null"))).toBe("latest");
  });
});

describe("a file that can't be used says why", () => {
  test("because another server has it", async () => {
    await using place = await makePlace();
    await place.open();
    await expect(place.open()).rejects.toMatchObject({ code: "STORE_LOCKED" });
  });

  test("because it is something else, and leaves it as it is", async () => {
    await using place = await makePlace();
    await writeFile(
      place.path,
      "no database at all, but long enough to have a header of a hundred bytes".repeat(9),
    );
    await expect(place.open()).rejects.toMatchObject({ code: "STORE_CORRUPT" });
  });

  test("because it is another program's database", async () => {
    await using place = await makePlace();
    change(place.path, "CREATE TABLE songs (title TEXT)");
    await expect(place.open()).rejects.toMatchObject({ code: "STORE_CORRUPT" });
  });

  test("because it is of another version", async () => {
    await using place = await makePlace();
    await (await place.open())[Symbol.asyncDispose]();
    change(place.path, "PRAGMA user_version = 999");
    await expect(place.open()).rejects.toMatchObject({ code: "STORE_VERSION_UNSUPPORTED" });
  });

  test("because its content makes no sense", async () => {
    await using place = await makePlace();
    const stores = await place.open();
    const run = await stores.run("default");
    await startRun(run);
    await run.submit(encodedGroups(["a", "b"]));
    await run.takeBatch({ leaseSeconds: null });
    await stores[Symbol.asyncDispose]();
    change(place.path, "DELETE FROM groups");
    await expect(place.open()).rejects.toMatchObject({ code: "STORE_CORRUPT" });
  });

  test("because its directory does not exist", async () => {
    await using place = await makePlace();
    const path = join(place.path, "missing", "store.sqlite");
    await expect(place.open({ path })).rejects.toMatchObject({ code: "STORE_OPEN_FAILED" });
  });
});

test("what the file refuses is told to everyone it concerns, and nothing of it remains", async () => {
  await using place = await makePlace();
  const stores = await place.open(compatStoreOptions);
  const run = await stores.run("default");
  await startRun(run, { envs: [] });
  await run.submit(encodedGroups(["a"], 4, null));
  const before = await run.overview();
  // The file has whole numbers of sequences only.
  const attempts = await Promise.allSettled([
    run.submit([encodedGroup(4, null, "first", "id-1")]),
    run.submit([encodedGroup(0.5, null, "impossible", "id-2")]),
    run.submit([encodedGroup(4, null, "with it", "id-3")]),
  ]);
  expect(attempts[1]).toMatchObject({ reason: { code: "STORE_WRITE_FAILED", retryable: true } });
  const stored = attempts.filter(({ status }) => status === "fulfilled").length;
  expect((await run.overview()).heldGroups).toBe(before.heldGroups + stored);
  for (const [index, label] of ["first", "impossible", "with it"].entries()) {
    if (index === 1) continue;
    await run.submit([encodedGroup(4, null, label, `id-${index + 1}`)]);
  }
  expect((await run.overview()).heldGroups).toBe(before.heldGroups + 2);
  const batch = await run.takeBatch({ leaseSeconds: null });
  expect(batch.kind === "batch" ? batch.bodies.map(labelOf) : batch.kind).toEqual(["a", "first"]);
});

test("the space of taken groups is used again", async () => {
  await using place = await makePlace();
  const stores = await place.open();
  const run = await stores.run("default");
  await startRun(run);
  const body = () => Buffer.alloc(100_000, "x");
  for (let round = 0; round < 400; round++) {
    await run.submit([0, 1].map(() => ({ ...encodedGroup(4, 0), body: body() })));
    const batch = await run.takeBatch({ leaseSeconds: null });
    await run.settleBatch(batch.kind === "batch" ? batch.leaseId : "", "taken");
  }
  expect((await run.overview()).totals.groupsOut).toBe(800);
  await stores[Symbol.asyncDispose]();
  expect((await stat(place.path)).size).toBeLessThan(25_000_000);
});

test("closing twice is fine, and closing stores what was under way", async () => {
  await using place = await makePlace();
  const stores = await place.open();
  const run = await stores.run("default");
  const submitted = run.submit(encodedGroups(["a", "b"], 4, null));
  await Promise.all([stores[Symbol.asyncDispose](), stores[Symbol.asyncDispose](), submitted]);
  const same = await (await place.open()).run("default");
  expect(await same.status()).toMatchObject({ queuedGroups: 2 });
});

function change(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}
