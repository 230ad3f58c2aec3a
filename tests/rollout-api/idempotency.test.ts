/** A group that is sent again because its answer got lost counts once. */
import { describe, expect, test } from "vitest";
import { groupNumber, startTestApp, wireEnv, wireRegistration } from "../support/rollout-app.ts";

async function startRun({ compat = false } = {}) {
  const app = startTestApp({ compat });
  await app.post("/register", { ...wireRegistration, batch_size: 4 });
  const queued = async () => Object((await app.get("/status")).json).queue_size;
  return { ...app, queued };
}

const named = (number: number, groupId: unknown) => ({ ...groupNumber(number), group_id: groupId });

describe("a name in the body", () => {
  test.each(["g1", 17, 'ünïcode " 😀', "x".repeat(5000)])("%j makes a retry count once", async (groupId) => {
    await using app = await startRun();
    const first = await app.post("/scored_data", named(1, groupId));
    const second = await app.post("/scored_data", named(1, groupId));
    expect(second.text).toBe(first.text);
    expect(await app.queued()).toBe(1);
  });

  test("a retry is answered as the first time, also one that was buffered", async () => {
    await using app = await startRun();
    await app.get("/batch");
    await app.post("/register-env", { ...wireEnv, group_size: 4 });
    const group = { ...named(1, "a"), env_id: 0 };
    const first = await app.post("/scored_data", group);
    expect(first.text).toBe('{"status":"buffered","buffer_size":2}');
    await app.post("/scored_data", { ...named(2, "b"), env_id: 0 });
    expect((await app.post("/scored_data", group)).text).toBe(first.text);
    expect(await app.queued()).toBe(2);
  });

  test("inside lists, whole or in part, and however the group comes again", async () => {
    await using app = await startRun();
    const list = [named(1, "a"), named(2, "b")];
    const first = await app.post("/scored_data_list", list);
    expect((await app.post("/scored_data_list", list)).text).toBe(first.text);
    await app.post("/scored_data", named(2, "b"));
    await app.post("/scored_data_list", [named(2, "b"), named(3, "c")]);
    expect(await app.queued()).toBe(3);
  });

  test("twice in one list counts once", async () => {
    await using app = await startRun();
    expect((await app.post("/scored_data_list", [named(1, "a"), named(1, "a")])).text).toBe(
      '{"status":"received","groups_processed":2}',
    );
    expect(await app.queued()).toBe(1);
  });

  test("another group under the same name is another group: some environments number items so", async () => {
    await using app = await startRun();
    await app.post("/scored_data", named(1, 0));
    await app.post("/scored_data", named(2, 0));
    expect(await app.queued()).toBe(2);
  });

  test("a retry after the group has left is still known", async () => {
    await using app = await startRun();
    await app.post("/scored_data_list", [named(1, "a"), named(2, "b")]);
    expect(await app.takeBatch()).toEqual([1, 2]);
    await app.post("/scored_data", named(1, "a"));
    expect(await app.queued()).toBe(0);
  });

  test("is not served", async () => {
    await using app = await startRun();
    await app.post("/scored_data_list", [named(1, "secret-name"), named(2, null)]);
    const { text } = await app.get("/batch");
    expect(text).not.toContain("secret-name");
    expect(text).not.toContain("group_id");
  });
});

describe("an Idempotency-Key header", () => {
  const key = (value: string) => ({ "idempotency-key": value });

  test("does the same for a group and for each group of a list", async () => {
    await using app = await startRun();
    for (let times = 0; times < 2; times++) {
      await app.post("/scored_data", groupNumber(1), key("k1"));
      await app.post("/scored_data_list", [groupNumber(1), groupNumber(1)], key("k2"));
    }
    expect(await app.queued()).toBe(3);
    await app.post("/scored_data", groupNumber(1), key("k3"));
    expect(await app.queued()).toBe(4);
  });

  test("yields to names in the body", async () => {
    await using app = await startRun();
    await app.post("/scored_data", named(1, "a"), key("k1"));
    await app.post("/scored_data", named(1, "a"), key("k2"));
    expect(await app.queued()).toBe(1);
  });
});

test("without a name every POST counts, and in compat mode also with one", async () => {
  await using app = await startRun();
  for (let times = 0; times < 2; times++) await app.post("/scored_data", groupNumber(1));
  expect(await app.queued()).toBe(2);

  await using compat = await startRun({ compat: true });
  const headers = { "idempotency-key": "k" };
  for (let times = 0; times < 2; times++) await compat.post("/scored_data", named(1, "a"), headers);
  expect(await compat.queued()).toBe(2);
});
