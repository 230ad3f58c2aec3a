import { expect, test } from "vitest";
import { RequestStatistics } from "../../src/inference/request-statistics.ts";
import { defaultRetryPolicy, RetryState } from "../../src/inference/retry-policy.ts";
import { serverConfig } from "../../src/inference/server-config.ts";
import { ServerFailure } from "../../src/inference/server-failure.ts";

test("times are told in seconds, per split, under Atropos' names", () => {
  const statistics = new RequestStatistics(10);
  statistics.record("train", { durationMs: 1000, attempts: 1 });
  statistics.record("train", { durationMs: 3000, attempts: 2 });
  statistics.record("eval", { durationMs: 500, attempts: 3 });
  statistics.record("eval", { durationMs: 500, attempts: 1 });
  expect(statistics.metrics("server/server_0_")).toEqual({
    "server/server_0_request_time_avg": 2,
    "server/server_0_request_time_std": 1,
    "server/server_0_request_time_99p": 2.98,
    "server/server_0_average_num_attempts": 1.5,
    "server/server_0_eval_request_time_avg": 0.5,
    "server/server_0_eval_request_time_std": 0,
    "server/server_0_eval_request_time_99p": 0.5,
    "server/server_0_eval_retry_rate": 0.5,
  });
});

test("only the latest requests count, and a split without any says nothing", () => {
  const statistics = new RequestStatistics(2);
  for (const durationMs of [9000, 1000, 2000]) statistics.record("train", { durationMs, attempts: 1 });
  expect(statistics.metrics("")).toMatchObject({ request_time_avg: 1.5 });
  expect(Object.keys(statistics.metrics("")).filter((name) => name.startsWith("eval"))).toEqual([]);
});

test("the config has Atropos' defaults and refuses what it does not know", () => {
  expect(serverConfig.parse({})).toEqual({
    timeout: 1200,
    num_max_requests_at_once: 512,
    num_requests_for_eval: 64,
    model_name: "default",
    rolling_buffer_length: 1000,
    server_type: "openai",
    tokenizer_name: "none",
    logprob_kind: "auto",
    api_key: "",
    base_url: "",
    n_kwarg_is_ignored: false,
    health_check: true,
  });
  for (const wrong of [
    { base_ulr: "" },
    { base_url: "localhost:9001" },
    { timeout: 0 },
    { server_type: "tgi" },
  ]) {
    expect(serverConfig.safeParse(wrong).success).toBe(false);
  }
  for (const field of Object.values(serverConfig.shape)) expect(field.description).toMatch(/\w.*\.$/);
});

test("waits double up to the longest, and busy servers get more tries than broken ones", () => {
  const waits = (kind: "server-error" | "rate-limited") => {
    const state = new RetryState({ ...defaultRetryPolicy, maxAttempts: 8 }, () => 1);
    const delays: number[] = [];
    for (;;) {
      const delayMs = state.delayAfter(new ServerFailure(kind, ""));
      if (delayMs === null) return delays;
      delays.push(delayMs);
    }
  };
  expect(waits("server-error")).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  expect(waits("rate-limited")).toHaveLength(9);
});
