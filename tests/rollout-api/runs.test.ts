/** Several runs on one server. */
import { describe, expect, test } from "vitest";
import { groupNumber, startTestApp, wireEnv, wireGroup, wireRegistration } from "../support/rollout-app.ts";

test("each run has its own state; the bare paths are the run default", async () => {
  await using app = startTestApp();
  await app.post("/register", wireRegistration);
  await app.post("/runs/a/register", { ...wireRegistration, starting_step: 5, wandb_project: "other" });
  await app.post("/scored_data", groupNumber(1));
  await app.post("/runs/a/scored_data_list", [groupNumber(2), groupNumber(3)]);
  expect((await app.get("/runs/a/status")).json).toEqual({ current_step: 5, queue_size: 2 });
  expect((await app.get("/runs/default/status")).json).toEqual({ current_step: 0, queue_size: 1 });
  expect(await app.takeBatch("/runs/a/batch")).toEqual([2]);
  expect(await app.takeBatch()).toEqual([1]);
  expect(await app.takeBatch("/runs/default/batch")).toBeNull();
  const joined = await app.post("/runs/a/register-env", wireEnv);
  expect(joined.json).toMatchObject({ env_id: 0, starting_step: 7 });
  expect((await app.get("/runs/a/status-env?env_id=0")).status).toBe(200);
  expect((await app.get("/status-env?env_id=0")).status).toBe(404);

  await app.post("/runs/a/reset_data", {});
  expect((await app.get("/runs/a/info")).json).toMatchObject({ batch_size: -1 });
  expect((await app.get("/info")).json).toMatchObject({ batch_size: 2 });
});

test("GET /runs lists them", async () => {
  await using app = startTestApp();
  await app.post("/runs/a/register", wireRegistration);
  await app.post("/runs/a/scored_data", wireGroup);
  const idle = { registered: false, started: false, current_step: 0, batch_size: -1, queue_size: 0 };
  expect((await app.get("/runs")).json).toEqual({
    runs: [
      { name: "default", ...idle, connected_envs: 0 },
      { ...idle, name: "a", registered: true, batch_size: 2, queue_size: 1, connected_envs: 0 },
    ],
  });
});

describe("a run that no trainer has made", () => {
  test("lets environments wait, as a server without a trainer does", async () => {
    await using app = startTestApp();
    const answers = await Promise.all([
      app.get("/runs/new/wandb_info"),
      app.post("/runs/new/register-env", wireEnv),
      app.get("/runs/new/info"),
      app.get("/runs/new/status"),
      app.get("/runs/new/batch"),
      app.post("/runs/new/disconnect-env", { env_id: 0 }),
      app.get("/runs/new/latest_example"),
      app.get("/runs/new/"),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const plain = await app.get("/batch");
    expect(answers[4]?.text).toBe(plain.text);
    expect(answers[0]?.json).toEqual({ group: null, project: null });
    expect((await app.get("/runs")).text).not.toContain('"new"');
  });

  test("takes no groups: a misspelt name would swallow them", async () => {
    await using app = startTestApp();
    for (const path of ["/runs/new/scored_data", "/runs/new/scored_data_list", "/runs/new/batch/ack"]) {
      expect(await app.post(path, wireGroup)).toMatchObject({
        status: 404,
        json: { detail: "There is no run new: its trainer makes it with POST /runs/new/register" },
      });
    }
  });
});

test.each(["-a", ".hidden", "a b", "ä", "x".repeat(65), "a%2Fb"])("%j is no name for a run", async (name) => {
  await using app = startTestApp();
  const { status } = await app.post(`/runs/${encodeURI(name)}/register`, wireRegistration);
  expect(status).toBe(404);
  expect((await app.get("/runs")).json).toMatchObject({ runs: [{ name: "default" }] });
});

test("wrong verbs and trailing slashes are told as on the bare paths", async () => {
  await using app = startTestApp();
  expect(await app.get("/runs/a/register")).toMatchObject({ status: 405, headers: { allow: "POST" } });
  expect(await app.get("/runs/a/info/", { host: "h:1" })).toMatchObject({
    status: 307,
    headers: { location: "http://h:1/runs/a/info" },
  });
  expect((await app.get("/runs/a/nothing")).status).toBe(404);
});
