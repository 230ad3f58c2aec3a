/** What /metrics says of what happened over the wire. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { MemoryStores } from "../../../src/rollout-api/memory-store.ts";
import { startRolloutApi } from "../../../src/rollout-api/start-server.ts";
import { BoundedLabel, envLabel } from "../../../src/rollout-api/watch/metric-labels.ts";
import { ServerWatch } from "../../../src/rollout-api/watch/server-watch.ts";
import { watchPlugin } from "../../../src/rollout-api/watch/watch-plugin.ts";

const registration = {
  wandb_group: "g",
  wandb_project: "p",
  batch_size: 4,
  max_token_len: 128,
  checkpoint_dir: "ck",
  save_checkpoint_interval: 5,
  starting_step: 10,
  num_steps: 100,
};
const group = { tokens: [[1], [2]], masks: [[1], [2]], scores: [0, 1] };

/** On a real socket: what becomes of a batch depends on its connection. */
async function startApp(stores = new MemoryStores()) {
  const watch = new ServerWatch({ stores });
  const server = await startRolloutApi({
    stores: watch.stores,
    plugins: [watchPlugin(watch)],
    host: "127.0.0.1",
    port: 0,
  });
  const get = async (path: string) => (await fetch(server.url + path)).text();
  const post = async (path: string, body: object) => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(server.url + path, { method: "POST", headers, body: JSON.stringify(body) });
    return JSON.parse(await answer.text());
  };
  const metrics = async () => {
    const lines = (await get("/metrics")).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]),
    );
  };
  const join = async (run: string, desired_name: string): Promise<number> => {
    const request = { max_token_length: 128, desired_name, weight: 2, group_size: 2 };
    return (await post(`${run}/register-env`, request)).env_id;
  };
  return { get, post, join, metrics, [Symbol.asyncDispose]: () => server.close() };
}

describe("/metrics", () => {
  test("counts groups and sequences in and out by run and environment", async () => {
    await using server = await startApp();
    const { post, get, join, metrics } = server;
    for (const run of ["", "/runs/other"]) {
      await post(`${run}/register`, registration);
      await get(`${run}/batch`);
    }
    const maths = await join("", "maths");
    const again = await join("", "maths");
    for (const env_id of [maths, again, again]) await post("/scored_data", { ...group, env_id });
    await post("/scored_data", group);
    await post("/runs/other/scored_data", group);
    await get("/batch");
    const seen = await metrics();
    expect(seen.get('lachesis_groups_received_total{run="default",env="maths"}')).toBe(3);
    expect(seen.get('lachesis_sequences_received_total{run="default",env="maths"}')).toBe(6);
    expect(seen.get('lachesis_groups_received_total{run="default",env="unknown"}')).toBe(1);
    expect(seen.get('lachesis_groups_received_total{run="other",env="unknown"}')).toBe(1);
    expect(seen.get('lachesis_groups_served_total{run="default",env="maths"}')).toBe(2);
    expect(seen.get('lachesis_sequences_served_total{run="default",env="maths"}')).toBe(4);
    expect(seen.get('lachesis_batches_served_total{run="default"}')).toBe(1);
    expect(seen.get('lachesis_current_step{run="default"}')).toBe(12);
    expect(seen.get('lachesis_current_step{run="other"}')).toBe(10);
    expect(seen.get('lachesis_batches_waiting{run="default"}')).toBe(1);
    expect(seen.get('lachesis_queue_groups{run="other"}')).toBe(1);
    expect(seen.get('lachesis_queue_bytes{run="other"}')).toBeGreaterThan(100);
    expect(seen.get('lachesis_envs{run="default",state="connected"}')).toBe(2);
    expect(seen.get('lachesis_env_weight{run="default",env="maths"}')).toBe(2);
    expect(seen.get('lachesis_group_age_seconds_count{run="default"}')).toBe(2);
  });

  test("tells staleness from the versions that environments send, and from arrival where they send none", async () => {
    await using server = await startApp();
    const { post, get, metrics } = server;
    await post("/register", { ...registration, batch_size: 2 });
    for (const weight_version of [7, 10]) {
      await post("/scored_data", { ...group, group_overrides: { weight_version } });
      await get("/batch");
    }
    await post("/scored_data", group);
    await get("/batch");
    const seen = await metrics();
    const sampled = 'lachesis_group_staleness_steps_sum{run="default",since="sampling"}';
    expect(seen.get(sampled)).toBe(10 - 7 + (11 - 10));
    expect(seen.get('lachesis_group_staleness_steps_count{run="default",since="arrival"}')).toBe(1);
    expect(seen.get('lachesis_group_staleness_steps_sum{run="default",since="arrival"}')).toBe(0);
  });

  test("tells leases, duplicates and refusals", async () => {
    const limits = { maxQueueGroups: 4, maxQueueBytes: 1e9 };
    await using server = await startApp(new MemoryStores({ limits }));
    const { post, get, metrics } = server;
    await post("/register", { ...registration, batch_size: 2 });
    await post("/scored_data", { ...group, group_id: "a" });
    await post("/scored_data", { ...group, group_id: "a" });
    const { lease_id } = JSON.parse(await get("/batch?lease=60"));
    expect((await metrics()).get('lachesis_leases_open{run="default"}')).toBe(1);
    await post("/batch/ack", { lease_id });
    await post("/batch/ack", { lease_id: "another" });
    await post("/scored_data", { ...group, scores: "none" });
    await post("/scored_data", { tokens: [[1], [2], [3]], masks: [[1], [2], [3]], scores: [1, 1, 1] });
    for (let index = 0; index < 5; index++) await post("/scored_data", group);
    await get("/nowhere/at/all");
    const seen = await metrics();
    expect(seen.get('lachesis_leases_open{run="default"}')).toBe(0);
    expect(seen.get('lachesis_leases_settled_total{run="default",outcome="taken"}')).toBe(1);
    expect(seen.get('lachesis_leases_settled_total{run="default",outcome="refused"}')).toBe(1);
    expect(seen.get('lachesis_leases_expired_total{run="default"}')).toBe(0);
    expect(seen.get('lachesis_groups_taken_total{run="default"}')).toBe(1);
    expect(seen.get('lachesis_groups_duplicate_total{run="default"}')).toBe(1);
    expect(seen.get('lachesis_groups_refused_total{run="default",reason="unpackable"}')).toBe(1);
    expect(seen.get('lachesis_groups_refused_total{run="default",reason="queue_full"}')).toBe(1);
    expect(seen.get('lachesis_rejects_total{route="/scored_data",reason="invalid"}')).toBe(2);
    expect(seen.get('lachesis_rejects_total{route="/scored_data",reason="queue_full"}')).toBe(1);
    expect(seen.get('lachesis_rejects_total{route="unknown",reason="unknown"}')).toBe(1);
    const accepted = 'lachesis_request_seconds_count{method="POST",route="/scored_data",status="2xx"}';
    expect(seen.get(accepted)).toBe(6);
    expect(seen.get("lachesis_process_start_time_seconds")).toBeGreaterThan(1.6e9);
    expect(seen.get('lachesis_process_memory_bytes{kind="resident"}')).toBeGreaterThan(1e6);
    expect(seen.get('lachesis_event_loop_lag_seconds{quantile="0.99"}')).toBeGreaterThanOrEqual(0);
  });

  test("what a store counted before this process is there from the beginning", async () => {
    const stores = new MemoryStores();
    {
      const before = await startApp(stores);
      await before.post("/register", { ...registration, batch_size: 2 });
      await before.post("/scored_data", group);
      await before[Symbol.asyncDispose]();
    }
    await using server = await startApp(stores);
    expect((await server.metrics()).get('lachesis_groups_received_total{run="default",env="unknown"}')).toBe(
      1,
    );
  });

  test("two servers in one process count for themselves", async () => {
    await using one = await startApp();
    await using two = await startApp();
    await one.get("/status");
    const counted = 'lachesis_request_seconds_count{method="GET",route="/status",status="2xx"}';
    expect((await one.metrics()).get(counted)).toBe(1);
    expect((await two.metrics()).get(counted)).toBeUndefined();
  });

  test("docs/monitoring.md lists the metrics there are, with their labels", async () => {
    await using server = await startApp();
    const text = await server.get("/metrics");
    const exposed = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    const page = readFileSync(new URL("../../../docs/monitoring.md", import.meta.url), "utf8");
    const documented = [...page.matchAll(/^\| `(lachesis_\w+)` \| (\w+) \|/gm)].map(
      ([, name, type]) => `${name} ${type}`,
    );
    expect(documented.sort()).toEqual(exposed.sort());
  });
});

describe("labels that clients choose", () => {
  test("are so many, then all others are one", () => {
    const label = new BoundedLabel(2);
    expect(["a", "b", "c", "a", "d"].map((value) => label.of(value))).toEqual([
      "a",
      "b",
      "other",
      "a",
      "other",
    ]);
  });

  test("are no longer than a name", () => {
    expect(new BoundedLabel(2).of("x".repeat(1000))).toHaveLength(64);
  });

  test("don't change when an environment joins again", () => {
    expect(["gsm8k_0", "gsm8k_12", "no-number", null].map(envLabel)).toEqual([
      "gsm8k",
      "gsm8k",
      "no-number",
      "unknown",
    ]);
  });
});
