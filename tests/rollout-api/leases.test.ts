/** GET /batch?lease=SECONDS: the trainer says itself when a batch is safe. */
import { describe, expect, test } from "vitest";
import {
  firstScores,
  groupNumber,
  startTestApp,
  type TestAppOptions,
  wireRegistration,
} from "../support/rollout-app.ts";

/** A run with batches 0, 1, ... of one group each, on a clock of its own. */
async function startWithBatches(count: number, options: TestAppOptions = {}) {
  let now = 1_000_000;
  const app = startTestApp({ ...options, store: { clock: { now: () => now } } });
  await app.post("/register", wireRegistration);
  for (let number = 0; number < count; number++) await app.post("/scored_data", groupNumber(number));
  return {
    ...app,
    async lease(seconds: number | string = 60) {
      const { json } = await app.get(`/batch?lease=${seconds}`);
      return { scores: firstScores(json), leaseId: Reflect.get(Object(json), "lease_id") };
    },
    pass(seconds: number) {
      now += seconds * 1000;
    },
  };
}

describe("a leased batch", () => {
  test("is gone once acknowledged; saying so twice is fine", async () => {
    await using app = await startWithBatches(1);
    const { scores, leaseId } = await app.lease(60);
    expect(scores).toEqual([0]);
    for (let times = 0; times < 2; times++) {
      expect(await app.post("/batch/ack", { lease_id: leaseId })).toMatchObject({
        status: 200,
        json: { status: "success" },
      });
    }
    app.pass(3600);
    expect(await app.takeBatch()).toBeNull();
  });

  test("is served again, before the others, once given back", async () => {
    await using app = await startWithBatches(2);
    const { leaseId } = await app.lease();
    expect((await app.post("/batch/nack", { lease_id: leaseId })).status).toBe(200);
    expect(await app.takeBatch()).toEqual([0]);
    expect(await app.takeBatch()).toEqual([1]);
  });

  test("is served again when its time is over; its lease is no longer known", async () => {
    await using app = await startWithBatches(1);
    const { leaseId } = await app.lease(30);
    app.pass(29);
    expect(await app.takeBatch()).toBeNull();
    app.pass(2);
    expect(await app.takeBatch()).toEqual([0]);
    const { status, json } = await app.post("/batch/ack", { lease_id: leaseId });
    expect(status).toBe(404);
    expect(Object(json).detail).toMatch(/^This lease is not open: it expired/);
  });

  test("can't be given back once acknowledged", async () => {
    await using app = await startWithBatches(1);
    const { leaseId } = await app.lease();
    await app.post("/batch/ack", { lease_id: leaseId });
    expect((await app.post("/batch/nack", { lease_id: leaseId })).status).toBe(404);
    expect(await app.takeBatch()).toBeNull();
  });

  test("has the usual answer with one key more", async () => {
    await using app = await startWithBatches(1);
    const { json } = await app.get("/batch?lease=1.5");
    expect(Object.keys(Object(json))).toEqual(["batch", "lease_id"]);
    expect((await app.get("/batch?lease=1.5")).text).toBe('{"batch":null}');
  });
});

test.each([
  ["0", "greater_than", { gt: 0 }],
  ["-1", "greater_than", { gt: 0 }],
  ["1e9", "less_than_equal", { le: 86400 }],
  ["soon", "float_parsing", undefined],
  ["inf", "finite_number", undefined],
  ["", "float_parsing", undefined],
])("a lease of %j seconds is refused and takes nothing", async (seconds, type, ctx) => {
  await using app = await startWithBatches(1);
  const { status, json } = await app.get(`/batch?lease=${seconds}`);
  expect(status).toBe(422);
  expect(Object(json).detail[0]).toMatchObject({ type, loc: ["query", "lease"], input: seconds });
  expect(Object(json).detail[0].ctx).toEqual(ctx);
  expect(await app.takeBatch()).toEqual([0]);
});

test.each([
  ["an unknown id", { lease_id: "nope" }, 404],
  ["no id", {}, 422],
  ["a number", { lease_id: 5 }, 422],
])("settling %s is refused", async (_name, body, status) => {
  await using app = await startWithBatches(1);
  for (const verb of ["ack", "nack"]) expect((await app.post(`/batch/${verb}`, body)).status).toBe(status);
});

test("in compat mode there are no leases: /batch takes the batch, whatever the query says", async () => {
  await using app = await startWithBatches(1, { compat: true });
  expect((await app.get("/batch?lease=soon")).text).not.toContain("lease_id");
  expect((await app.post("/batch/ack", { lease_id: "x" })).json).toEqual({ detail: "Not Found" });
  app.pass(1e6);
  expect(await app.takeBatch()).toBeNull();
});
