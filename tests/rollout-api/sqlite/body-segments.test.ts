/** Large bodies in files beside the store: what is promised of them when things go wrong. */
import { readdirSync } from "node:fs";
import { cp, open, readdir, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import {
  type SqliteStore,
  type SqliteStoreOptions,
  SqliteStores,
} from "../../../src/rollout-api/sqlite-store.ts";
import { encodedGroup, labelOf, startRun } from "../../support/encoded-group.ts";
import { TemporaryDirectory } from "../../support/temporary-directory.ts";

/** Large enough to have a place in a segment. */
function largeGroup(label: string, bytes = 20_000) {
  const group = encodedGroup(4, null, label);
  const body = Buffer.from(`{"label":${JSON.stringify(label)},"filler":"${"x".repeat(bytes)}"}`);
  return { ...group, body };
}

async function makePlace() {
  const directory = await TemporaryDirectory.make();
  const path = join(directory.path, "store.sqlite");
  const opened: SqliteStores[] = [];
  return {
    path,
    segments: `${path}-bodies`,
    directory: directory.path,
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

type Place = Awaited<ReturnType<typeof makePlace>>;

/** A started run with these groups, as a process leaves it that is killed: a copy of its files, still open. */
async function killedWith(
  place: Place,
  labels: readonly string[],
  options: Partial<SqliteStoreOptions> = {},
) {
  const stores = await place.open(options);
  const run = await stores.run("default");
  await startRun(run, { envs: [] });
  for (const label of labels) await run.submit([largeGroup(label)]);
  const path = join(place.directory, "killed.sqlite");
  for (const suffix of ["", "-wal"]) await cp(place.path + suffix, path + suffix);
  await cp(place.segments, `${path}-bodies`, { recursive: true });
  return { path, segment: join(`${path}-bodies`, "000001.bodies"), reopen: () => place.open({ path }) };
}

const FIFTH_OF_SEGMENT = 12 * 1024 * 1024;

/** Lets groups come and go again that fill three segments. */
async function passThrough(run: SqliteStore) {
  for (let round = 0; round < 8; round++) {
    const labels = [`a${round}`, `b${round}`];
    await run.submit(labels.map((label) => largeGroup(label, FIFTH_OF_SEGMENT)));
    const batch = await run.takeBatch({ leaseSeconds: null });
    if (batch.kind === "batch") await run.settleBatch(batch.leaseId, "taken");
  }
}

async function batchOf(stores: SqliteStores): Promise<string[] | string> {
  const answer = await (await stores.run("default")).takeBatch({ leaseSeconds: null });
  return answer.kind === "batch" ? answer.bodies.map(labelOf) : answer.kind;
}

test("bodies come back as they were, in whatever order and size they are asked for", async () => {
  await using place = await makePlace();
  const run = await (await place.open()).run("default");
  await startRun(run, { envs: [] });
  const groups = ["a", "b", "c", "d"].map((label, index) =>
    largeGroup(label, [5000, 300_000, 10, 2_000_000][index]),
  );
  const bodies = groups.map(({ body }) => Buffer.from(body));
  await run.submit(groups);
  expect(await run.latestExample()).toEqual(bodies[3]);
  for (const expected of [bodies.slice(0, 2), bodies.slice(2)]) {
    const batch = await run.takeBatch({ leaseSeconds: null });
    if (batch.kind !== "batch") throw new Error(batch.kind);
    expect(batch.bodies.map((body) => body.equals(expected.shift() ?? Buffer.alloc(0)))).toEqual([
      true,
      true,
    ]);
    batch.release?.();
  }
});

test.each(["normal", "full"] as const)(
  "what was written behind the last answer is nobody's (sync %s)",
  async (sync) => {
    await using place = await makePlace();
    const { segment, reopen } = await killedWith(place, ["a", "b"], { sync });
    const file = await open(segment, "a");
    await file.write("half a body of a group that was never answered");
    await file.close();
    const stores = await reopen();
    expect(stores.lostGroups).toBe(0);
    expect(await batchOf(stores)).toEqual(["a", "b"]);
  },
);

test("bodies that a power cut took (sync normal) are let go with their groups, and all others stay", async () => {
  await using place = await makePlace();
  const { segment, reopen } = await killedWith(place, ["a", "b", "c", "d", "e"]);
  await truncate(segment, (await stat(segment)).size - 1);
  const stores = await reopen();
  expect(stores.lostGroups).toBe(1);
  expect((await (await stores.run("default")).overview()).heldGroups).toBe(4);
  expect([await batchOf(stores), await batchOf(stores), await batchOf(stores)]).toEqual([
    ["a", "b"],
    ["c", "d"],
    "none-ready",
  ]);
});

test("a formed batch that lost a group is undone, and its other groups wait again", async () => {
  await using place = await makePlace();
  const stores = await place.open();
  const run = await stores.run("default");
  await startRun(run, { envs: [], startingStep: 7 });
  for (const label of ["a", "b", "c", "d", "e"]) await run.submit([largeGroup(label)]);
  await run.takeBatch({ leaseSeconds: 100 });
  await stores[Symbol.asyncDispose]();
  const file = await open(join(place.segments, "000001.bodies"), "r+");
  await file.write(Buffer.alloc(100), 0, 100, 500);
  await file.close();

  const after = await place.open();
  expect(after.lostGroups).toBe(1);
  const same = await after.run("default");
  expect(await same.overview()).toMatchObject({
    currentStep: 8,
    openLeases: 0,
    waitingBatches: 1,
    queuedGroups: 2,
  });
  expect([await batchOf(after), await batchOf(after)]).toEqual([
    ["c", "d"],
    ["b", "e"],
  ]);
});

test("a segment that went before its groups' leaving was on the disk (sync normal) lets them go, and the store opens", async () => {
  await using place = await makePlace();
  const stores = await place.open();
  const run = await stores.run("default");
  await startRun(run, { envs: [] });
  for (const label of ["a", "b", "c", "d", "e", "f"]) await run.submit([largeGroup(label, FIFTH_OF_SEGMENT)]);
  await stores[Symbol.asyncDispose]();
  const database = new DatabaseSync(place.path);
  database.exec("UPDATE segments SET synced_through = 1");
  database.close();
  await rm(join(place.segments, "000001.bodies"));

  const after = await place.open();
  const { heldGroups } = await (await after.run("default")).overview();
  expect([after.lostGroups > 0, after.lostGroups + heldGroups]).toEqual([true, 6]);
});

test("with sync full a missing body is damage, and the store says so", async () => {
  await using place = await makePlace();
  const { segment, reopen } = await killedWith(place, ["a", "b"], { sync: "full" });
  await truncate(segment, 100);
  await expect(reopen()).rejects.toMatchObject({ code: "STORE_CORRUPT" });
});

test("with sync full a changed body is damage for its reader, and what comes in is stored all the same", async () => {
  await using place = await makePlace();
  const { segment, reopen } = await killedWith(place, ["a", "b"], { sync: "full" });
  const file = await open(segment, "r+");
  await file.write("y", 1000);
  await file.close();
  const stores = await reopen();
  const run = await stores.run("default");
  const [batch, submission] = await Promise.allSettled([batchOf(stores), run.submit([largeGroup("c")])]);
  expect(batch).toMatchObject({ reason: { code: "STORE_CORRUPT" } });
  expect(submission.status).toBe("fulfilled");
  expect(await run.overview()).toMatchObject({ waitingBatches: 1, openLeases: 0, heldGroups: 3 });
});

test("segments go when the last of their bodies has gone, and those that nobody names at the start", async () => {
  await using place = await makePlace();
  const before = await place.open();
  const run = await before.run("default");
  await startRun(run, { envs: [] });
  await passThrough(run);
  await expect.poll(() => readdirSync(place.segments).length).toBeLessThan(3);
  await run.reset();
  await before[Symbol.asyncDispose]();
  await rm(place.path);
  for (const suffix of ["-wal", "-shm"]) await rm(place.path + suffix, { force: true });
  await place.open();
  expect(await readdir(place.segments)).toEqual([]);
});

test("a segment that is written over an older one's file tells nothing of the older one", async () => {
  await using place = await makePlace();
  const stores = await place.open();
  const run = await stores.run("default");
  await startRun(run, { envs: [] });
  await passThrough(run);
  expect(readdirSync(place.segments).filter((name) => name.endsWith(".spare"))).not.toEqual([]);
  // Enough for a segment to be full, and the next to begin.
  const labels = ["c", "d", "e", "f", "g", "h"];
  for (const label of labels) await run.submit([largeGroup(label, FIFTH_OF_SEGMENT)]);
  const path = join(place.directory, "killed.sqlite");
  for (const suffix of ["", "-wal"]) await cp(place.path + suffix, path + suffix);
  await cp(place.segments, `${path}-bodies`, { recursive: true });

  const after = await place.open({ path });
  expect(after.lostGroups).toBe(0);
  expect([await batchOf(after), await batchOf(after), await batchOf(after)]).toEqual([
    ["c", "d"],
    ["e", "f"],
    ["g", "h"],
  ]);
  await after[Symbol.asyncDispose]();
  expect((await readdir(`${path}-bodies`)).filter((name) => name.endsWith(".spare"))).toEqual([]);
});

test("a batch that was read ahead is leased durably, and a returned one still comes before it", async () => {
  await using place = await makePlace();
  const stores = await place.open();
  const run = await stores.run("default");
  await startRun(run, { envs: [] });
  for (const label of ["a", "b", "c", "d", "e", "f"]) await run.submit([largeGroup(label)]);
  const first = await run.takeBatch({ leaseSeconds: null });
  if (first.kind !== "batch") throw new Error(first.kind);
  expect(first.bodies.map(labelOf)).toEqual(["a", "b"]);
  await run.settleBatch(first.leaseId, "returned");
  expect([await batchOf(stores), await batchOf(stores)]).toEqual([
    ["a", "b"],
    ["c", "d"],
  ]);
  const leased = await run.takeBatch({ leaseSeconds: 600 });
  expect(leased.kind === "batch" && leased.bodies.map(labelOf)).toEqual(["e", "f"]);

  const path = join(place.directory, "killed.sqlite");
  for (const suffix of ["", "-wal"]) await cp(place.path + suffix, path + suffix);
  await cp(place.segments, `${path}-bodies`, { recursive: true });
  const after = await place.open({ path });
  expect(await (await after.run("default")).overview()).toMatchObject({ openLeases: 1, waitingBatches: 2 });
  expect(await batchOf(after)).toEqual(["a", "b"]);
});

test("a store of version 1 is opened, and its groups leave first", async () => {
  await using place = await makePlace();
  const stores = await place.open();
  const run = await stores.run("default");
  await startRun(run, { envs: [] });
  await run.submit([encodedGroup(4, null, "small")]);
  await stores[Symbol.asyncDispose]();
  // As version 1 had it: no places, and bodies of any size in the file.
  const database = new DatabaseSync(place.path);
  const { body } = largeGroup("old and large");
  database.exec("DROP TABLE places; DROP TABLE segments; PRAGMA user_version = 1");
  database.prepare("INSERT INTO bodies (id, body) VALUES (100, ?)").run(body);
  database
    .prepare(
      "INSERT INTO groups SELECT 100, run, env, 4, ?, arrived_at, arrived_step, position + 1 FROM groups",
    )
    .run(body.length);
  database.close();

  const after = await place.open();
  await (await after.run("default")).submit([largeGroup("new"), largeGroup("newer")]);
  expect([await batchOf(after), await batchOf(after)]).toEqual([
    ["small", "old and large"],
    ["new", "newer"],
  ]);
});
