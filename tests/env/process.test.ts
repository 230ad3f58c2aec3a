import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { LachesisError } from "../../src/contracts/errors.ts";
import { noRules } from "../../src/data/group-filter.ts";
import type { BaseEnvConfig } from "../../src/env/env-config.ts";
import type { GroupResult } from "../../src/env/group.ts";
import { plainRecord, processEnvironment } from "../../src/env/process.ts";
import { neverStopped, recordEvents, type TestServices, testServices } from "../support/env-services.ts";
import { groupOf, NumbersEnv, type NumbersScript } from "../support/numbers-env.ts";

function makeEnv(services: TestServices, config: Partial<BaseEnvConfig>, script: NumbersScript = {}) {
  const path = join(services.runDirectory, "out", "groups.jsonl");
  return { path, env: NumbersEnv.make(services, { data_path_to_save_groups: path, ...config }, script) };
}

async function readGroups(path: string): Promise<{ tokens: number[][]; scores: number[] }[]> {
  const text = await readFile(path, "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

test("writes exactly total_steps groups, never more in flight than workers", async () => {
  await using services = await testServices();
  const { path, env } = makeEnv(
    services,
    { total_steps: 20, max_num_workers: 3 },
    {
      play: async (item) => {
        await new Promise((resolve) => setImmediate(resolve));
        return groupOf(item);
      },
    },
  );
  const summary = await processEnvironment({ env, ...neverStopped() });
  expect(summary).toMatchObject({ path, groups: 20, endedBy: "complete" });
  const groups = await readGroups(path);
  expect(groups.map(({ tokens }) => tokens[0]?.[0]).toSorted((a = 0, b = 0) => a - b)).toEqual([
    ...Array(20).keys(),
  ]);
  expect(env.played).toHaveLength(20);
  expect(env.peak).toBe(3);
  expect(env.cleanups).toBe(1);
});

test("replaces groups that were skipped or failed by other items", async () => {
  await using services = await testServices();
  const { path, env } = makeEnv(
    services,
    { total_steps: 3, max_num_workers: 1 },
    {
      play: (item): GroupResult => {
        if (item === 0) return groupOf(item, [1, 1]);
        if (item > 1) return groupOf(item);
        const error = new LachesisError("SANDBOX_FILE_NOT_FOUND", "gone");
        return { kind: "failed", stage: "sandbox", error, retryable: false };
      },
    },
  );
  await processEnvironment({ env, ...neverStopped() });
  expect((await readGroups(path)).map(({ tokens }) => tokens[0])).toEqual([[2], [3], [4]]);
});

test("ends with the items when there are fewer than total_steps", async () => {
  await using services = await testServices();
  const { env } = makeEnv(services, { total_steps: 20 }, { items: 4 });
  expect(await processEnvironment({ env, ...neverStopped() })).toMatchObject({
    groups: 4,
    endedBy: "items-ended",
  });
});

test("draining starts nothing more, and finishes and writes what is in flight", async () => {
  await using services = await testServices();
  const drain = new AbortController();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const { env } = makeEnv(
    services,
    { max_num_workers: 2 },
    {
      play: async (item) => {
        if (item === 1) drain.abort();
        await gate;
        return groupOf(item);
      },
    },
  );
  const running = processEnvironment({ env, drain: drain.signal, abort: new AbortController().signal });
  drain.signal.addEventListener("abort", () => setImmediate(open));
  expect(await running).toMatchObject({ groups: 2, endedBy: "drained" });
  expect(env.played).toEqual([0, 1]);
});

test("aborting cancels what is in flight and keeps what was written", async () => {
  await using services = await testServices();
  const abort = new AbortController();
  const { path, env } = makeEnv(
    services,
    { max_num_workers: 1 },
    {
      play: (item, { signal }) => {
        if (item < 2) return groupOf(item);
        return new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
          abort.abort();
        });
      },
    },
  );
  const summary = await processEnvironment({ env, drain: abort.signal, abort: abort.signal });
  expect(summary).toMatchObject({ groups: 2, endedBy: "aborted" });
  expect(await readGroups(path)).toHaveLength(2);
});

test("a machinery that keeps failing ends the run, saying what is saved", async () => {
  await using services = await testServices();
  const notices = recordEvents(services.events, "notice");
  const error = new LachesisError("INFERENCE_UNREACHABLE", "nobody listens", { hint: "Start the server." });
  const { path, env } = makeEnv(
    services,
    { max_failed_groups: 1, max_num_workers: 1 },
    {
      play: (item) =>
        item < 2 ? groupOf(item) : { kind: "failed", stage: "inference", error, retryable: false },
    },
  );
  await expect(processEnvironment({ env, ...neverStopped() })).rejects.toMatchObject({
    code: "ROLLOUTS_KEEP_FAILING",
    message: expect.stringContaining("nobody listens"),
    hint: "Start the server.",
  });
  expect(notices.at(-1)?.message).toBe(`Saved 2 groups in ${path}`);
  expect(env.cleanups).toBe(1);
});

test("groups of which none is ever worth writing end the run, saying why", async () => {
  await using services = await testServices();
  const { env } = makeEnv(
    services,
    { ensure_scores_are_not_same: true, max_skipped_groups: 3, max_num_workers: 1 },
    { play: (item) => (item === 2 ? groupOf(item) : groupOf(item, [0, 0])) },
  );
  await expect(processEnvironment({ env, ...neverStopped() })).rejects.toMatchObject({
    code: "GROUPS_KEEP_BEING_SKIPPED",
    message: "3 groups in a row were played and skipped (same-scores); the last: all 2 scores are 0.",
  });
  // A group that was written in between starts the count afresh.
  expect(env.played).toEqual([0, 1, 2, 3, 4, 5]);
});

test("groups that only ever run out of time end the run", async () => {
  await using services = await testServices();
  const { env } = makeEnv(
    services,
    { worker_timeout: 0.01, max_failed_groups: 3, max_num_workers: 1 },
    { play: () => new Promise(() => {}) },
  );
  await expect(processEnvironment({ env, ...neverStopped() })).rejects.toMatchObject({
    code: "ROLLOUTS_KEEP_FAILING",
    message: expect.stringContaining("3 groups in a row failed (timeout)"),
  });
});

test("goes on after a pause that ends just while it is looked at", async () => {
  await using services = await testServices();
  const error = new LachesisError("INFERENCE_FAILED", "busy");
  const start = Date.now();
  let looks = Number.NEGATIVE_INFINITY;
  // Behind a failure come two looks that begin the pause and one that finds it under way; at the fourth it is over.
  vi.spyOn(Date, "now").mockImplementation(() => (++looks > 3 ? start + 10_000 : start));
  onTestFinished(() => void vi.restoreAllMocks());
  const { env } = makeEnv(
    services,
    { total_steps: 1, max_num_workers: 1 },
    {
      play: async (item) => {
        if (item > 0) return groupOf(item);
        await new Promise((resolve) => setImmediate(resolve));
        looks = 0;
        return { kind: "failed", stage: "inference", error, retryable: false };
      },
    },
  );
  expect(await processEnvironment({ env, ...neverStopped() })).toMatchObject({ groups: 1 });
});

test("a setup that fails cleans up and leaves no file", async () => {
  await using services = await testServices();
  const { path, env } = makeEnv(services, {});
  env.setup = () => Promise.reject(new LachesisError("DATASET_NOT_FOUND", "no such file"));
  await expect(processEnvironment({ env, ...neverStopped() })).rejects.toMatchObject({
    code: "DATASET_NOT_FOUND",
  });
  expect(env.cleanups).toBe(1);
  await expect(access(path)).rejects.toThrow();
});

test("a setup that throws something of its own is named, and is no defect of ours", async () => {
  await using services = await testServices();
  const { env } = makeEnv(services, {});
  env.setup = () => Promise.reject(new Error("no map"));
  await expect(processEnvironment({ env, ...neverStopped() })).rejects.toMatchObject({
    code: "ENV_FAILED",
    message: `setup of ${env.name}: no map`,
  });
});

test("a clean-up that fails after a failed setup does not hide why", async () => {
  await using services = await testServices();
  const { env } = makeEnv(services, {});
  env.setup = () => Promise.reject(new LachesisError("DATASET_NOT_FOUND", "no such file"));
  env.cleanup = () => Promise.reject(new TypeError("nothing was opened"));
  await expect(processEnvironment({ env, ...neverStopped() })).rejects.toMatchObject({
    code: "DATASET_NOT_FOUND",
  });
});

test("filters choose what counts: total_steps groups are kept, and all that was played stays in the journal", async () => {
  await using services = await testServices();
  const ends = recordEvents(services.events, "group-end");
  const { path, env } = makeEnv(
    services,
    { total_steps: 3, max_num_workers: 2 },
    { play: (item) => groupOf(item, item % 2 === 0 ? [0, 0.1] : [0, 1]) },
  );
  const record = { ...plainRecord("numbers"), rules: { ...noRules, minScore: 0.5 } };
  const summary = await processEnvironment({ env, record, ...neverStopped() });
  expect(summary).toMatchObject({
    groups: 3,
    endedBy: "complete",
    path: join(services.runDirectory, "groups.jsonl"),
  });
  const kept = await readGroups(path);
  expect(kept.map(({ tokens, scores }) => [tokens, scores])).toEqual([
    [[[1]], [1]],
    [[[3]], [1]],
    [[[5]], [1]],
  ]);
  expect((await readGroups(summary.path)).length).toBe(summary.samples.seen / 2);
  expect(summary.samples.kept).toBe(3);
  expect(summary.leftOut.get("low-score")).toBe(summary.samples.seen - 3);
  expect(ends.filter(({ result }) => result === "skipped").every(({ reason }) => reason === "filtered")).toBe(
    true,
  );
});

test("a format that can't be made of the groups shows at the first one", async () => {
  await using services = await testServices();
  const { env } = makeEnv(services, { total_steps: 50, max_num_workers: 1 });
  const record = { ...plainRecord("numbers"), formats: "atropos,openai" };
  await expect(processEnvironment({ env, record, ...neverStopped() })).rejects.toMatchObject({
    code: "EXPORT_IMPOSSIBLE",
    message: expect.stringContaining("group g0"),
  });
  expect(env.played).toEqual([0]);
});
