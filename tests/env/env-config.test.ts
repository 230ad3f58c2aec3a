import { expect, test } from "vitest";
import { createEnvironment } from "../../src/env/create-environment.ts";
import type { EnvClass } from "../../src/env/env-class.ts";
import { baseEnvConfig, hermesAgentEnvConfig } from "../../src/env/env-config.ts";
import { testServices } from "../support/env-services.ts";
import { NumbersEnv } from "../support/numbers-env.ts";
import { SumsEnv } from "../support/sums-env.ts";

test("the base defaults are Atropos'", () => {
  expect(baseEnvConfig.parse({})).toMatchObject({
    group_size: 4,
    max_num_workers: -1,
    max_eval_workers: 16,
    max_num_workers_per_node: 8,
    steps_per_eval: 100,
    max_token_length: 2048,
    eval_handling: "STOP_TRAIN",
    eval_limit_ratio: 0.5,
    inference_weight: 1,
    batch_size: -1,
    max_batches_offpolicy: 3,
    use_wandb: true,
    rollout_server_url: "http://localhost:8000",
    total_steps: 1000,
    wandb_name: null,
    num_rollouts_to_keep: 32,
    num_rollouts_per_group_for_logging: 1,
    ensure_scores_are_not_same: true,
    data_path_to_save_groups: null,
    data_dir_to_save_evals: null,
    min_items_sent_before_logging: 2,
    include_messages: false,
    min_batch_allocation: null,
    worker_timeout: 600,
    thinking_mode: false,
    reasoning_effort: null,
    max_reasoning_tokens: null,
    custom_thinking_prompt: null,
  });
});

test("the agent defaults are hermes-agent's", () => {
  expect(hermesAgentEnvConfig.parse({})).toMatchObject({
    enabled_toolsets: null,
    disabled_toolsets: null,
    distribution: null,
    max_agent_turns: 30,
    system_prompt: null,
    agent_temperature: 1,
    terminal_backend: "local",
    terminal_timeout: 120,
    terminal_lifetime: 3600,
    dataset_name: null,
    dataset_split: "train",
    prompt_field: "prompt",
    tool_pool_size: 128,
    extra_body: null,
    default_result_size_chars: 100_000,
    turn_budget_chars: 200_000,
    preview_size_chars: 1_500,
    tool_result_overrides: null,
  });
});

test("every field says what it is for", () => {
  const silent = Object.entries(hermesAgentEnvConfig.shape).filter(([, field]) => !field.description);
  expect(silent.map(([name]) => name)).toEqual([]);
});

test("a default value is valid input again, so a saved config starts the same run", () => {
  const resolved = hermesAgentEnvConfig.parse({});
  expect(hermesAgentEnvConfig.parse(JSON.parse(JSON.stringify(resolved)))).toEqual(resolved);
});

test.each([
  ["an unknown key", { group_sizes: 4 }],
  ["a group of none", { group_size: 0 }],
  ["reasoning tokens out of range", { max_reasoning_tokens: 10 }],
  ["a seed that is no integer", { seed: 0.5 }],
])("refuses %s", (_title, config) => {
  expect(baseEnvConfig.safeParse(config).success).toBe(false);
});

test("createEnvironment makes any environment class from raw values, named after its class", async () => {
  const classes: readonly EnvClass[] = [NumbersEnv, SumsEnv];
  await using services = await testServices();
  const names = classes.map((envClass) => createEnvironment(envClass, { config: {}, services }).name);
  expect(names).toEqual(["numbers", "sums"]);
  expect(() => createEnvironment(SumsEnv, { config: { group_size: "four" }, services })).toThrowError(
    expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining("env.group_size") }),
  );
});
