import { describe, expect, test } from "vitest";
import type { ChatRequest } from "../../src/contracts/chat.ts";
import { LachesisError } from "../../src/contracts/errors.ts";
import { Cancellation } from "../../src/env/cancellation.ts";
import type { RunPurpose } from "../../src/env/env-class.ts";
import type { GroupContext } from "../../src/env/group.ts";
import { recordEvents, testServices } from "../support/env-services.ts";
import { answer, rightAnswer, SumsEnv } from "../support/sums-env.ts";

const groupContext = (
  services: { logger: GroupContext["logger"] },
  more: Partial<GroupContext> = {},
): GroupContext => ({
  groupId: "g0",
  seed: 1,
  signal: new AbortController().signal,
  deadlineMs: Number.POSITIVE_INFINITY,
  logger: services.logger,
  maxTokenLength: 2048,
  maxSequences: 2,
  ...more,
});

describe("a group of agent rollouts", () => {
  test("is scored, rollout by rollout, and says that its tokens are placeholders", async () => {
    let calls = 0;
    await using services = await testServices(async (request) =>
      answer(calls++ === 0 ? "wrong" : rightAnswer(request)),
    );
    const notices = recordEvents(services.events, "notice");
    const env = SumsEnv.make(services, { include_messages: true, system_prompt: "Add." });
    const result = await env.collectGroup({ a: 2, b: 3 }, groupContext(services));
    await env.collectGroup({ a: 2, b: 4 }, groupContext(services));
    if (result.kind !== "collected") throw result.error;
    const { group } = result;
    expect(group.scores.toSorted()).toEqual([0, 1]);
    expect(group.group_overrides).toEqual({ placeholder_tokens: true });
    expect(group.masks.flat().every((mask) => mask === -100)).toBe(true);
    expect(group.inference_logprobs?.flat().every((logprob) => logprob === 1)).toBe(true);
    expect(group.messages?.[1]?.map(({ role }) => role)).toEqual(["system", "user", "assistant"]);
    expect(notices).toHaveLength(1);
    expect(notices[0]?.message).toContain("PLACEHOLDER");
  });

  test("leaves messages out unless told, and makes no sandbox that nobody needs", async () => {
    await using services = await testServices(async (request) => answer(rightAnswer(request)));
    const result = await SumsEnv.make(services).collectGroup({ a: 1, b: 1 }, groupContext(services));
    expect(result).toMatchObject({ kind: "collected", group: { messages: null, scores: [1, 1] } });
    expect(services.sandboxes.opened).toBe(0);
  });

  test("gives each rollout a sandbox of its own, which the reward sees as the model left it", async () => {
    await using services = await testServices(async ({ messages }) =>
      messages.some(({ role }) => role === "tool")
        ? answer("done")
        : answer(null, [["write_file", { path: "note.txt", content: "left by the model" }]]),
    );
    const env = SumsEnv.make(services);
    const found: string[] = [];
    env.reward = async (_item, _result, toolContext) => {
      found.push(await toolContext.readText("note.txt"));
      return 1;
    };
    await env.collectGroup({ a: 1, b: 1 }, groupContext(services));
    expect(found).toEqual(["left by the model", "left by the model"]);
    expect(services.sandboxes).toEqual({ opened: 2, closed: 2 });
  });

  test("a reward that throws is a failure of stage reward, its sandbox is let go, and nothing is scored", async () => {
    await using services = await testServices(async (request) => answer(rightAnswer(request)));
    const ends = recordEvents(services.events, "rollout-end");
    const env = SumsEnv.make(services, { group_size: 1, rollout_retries: 1 });
    env.reward = async (_item, _result, toolContext) => {
      await toolContext.terminal("true");
      throw new TypeError("cannot read the answer");
    };
    const result = await env.collectGroup({ a: 1, b: 1 }, groupContext(services));
    expect(result).toMatchObject({ kind: "failed", stage: "reward", error: { code: "REWARD_FAILED" } });
    expect(ends.map(({ outcome }) => outcome)).toMatchObject([
      { kind: "infra-failed", stage: "reward" },
      { kind: "infra-failed", stage: "reward" },
    ]);
    expect(services.sandboxes).toEqual({ opened: 2, closed: 2 });
  });

  test("a reward that misses a file fails, is tried again, and is told what to do about it", async () => {
    await using services = await testServices(async (request) => answer(rightAnswer(request)));
    const env = SumsEnv.make(services, { group_size: 1, rollout_retries: 1 });
    let tries = 0;
    env.reward = async (_item, _result, toolContext) => {
      tries += 1;
      return (await toolContext.readFile("answer.txt")).length;
    };
    expect(await env.collectGroup({ a: 1, b: 1 }, groupContext(services))).toMatchObject({
      kind: "failed",
      stage: "reward",
      error: { code: "REWARD_FAILED", hint: expect.stringContaining("SANDBOX_FILE_NOT_FOUND") },
    });
    expect(tries).toBe(2);
  });

  test("a reward that is no number fails instead of being sent", async () => {
    await using services = await testServices(async (request) => answer(rightAnswer(request)));
    const env = SumsEnv.make(services, { rollout_retries: 0 });
    env.reward = async () => Number.NaN;
    const result = await env.collectGroup({ a: 1, b: 1 }, groupContext(services));
    expect(result).toMatchObject({ kind: "failed", error: { code: "REWARD_NOT_FINITE" } });
  });

  test.each([
    ["formatPrompt", (): unknown => ({ text: "x" }), "formatPrompt: expected a text, got { text: 'x' }"],
    ["formatPrompt", (): unknown => undefined, "formatPrompt: expected a text, got undefined"],
    ["initialMessages", (): unknown => "What?", "initialMessages: expected a list of messages, got 'What?'"],
    ["initialMessages", (): unknown => [], "initialMessages: expected a list of messages, got []"],
    ["initialMessages", (): unknown => [{ role: "human", content: "?" }], "one of the roles system, user"],
    ["initialMessages", (): unknown => [{ role: "user", content: 5 }], "a text as each message's content"],
    [
      "initialMessages",
      (): unknown => {
        throw new Error("no such column");
      },
      "initialMessages: no such column",
    ],
  ] as const)(
    "%s that gives no conversation is named, and no server is asked",
    async (method, gives, message) => {
      let asked = 0;
      await using services = await testServices(async (request) => {
        asked += 1;
        return answer(rightAnswer(request));
      });
      const env = Object.assign(SumsEnv.make(services), { [method]: gives });
      await expect(env.collectGroup({ a: 1, b: 1 }, groupContext(services))).rejects.toThrow(message);
      expect(asked).toBe(0);
    },
  );

  test.each([{ content: null }, {}])(
    "an answer of calls alone with %j may be part of a prompt",
    async (content) => {
      const call = { id: "c1", type: "function", function: { name: "add", arguments: "{}" } };
      const messages: unknown = [
        { role: "user", content: "What is 1 + 1?" },
        { role: "assistant", ...content, tool_calls: [call] },
        { role: "tool", tool_call_id: "c1", content: "2" },
      ];
      await using services = await testServices(async () => answer("\\boxed{2}"));
      const env = Object.assign(SumsEnv.make(services), { initialMessages: () => messages });
      expect(await env.collectGroup({ a: 1, b: 1 }, groupContext(services))).toMatchObject({
        kind: "collected",
      });
    },
  );

  test("a reply that is no text is the environment's failure", async () => {
    await using services = await testServices(async () => answer("1"));
    const env = Object.assign(SumsEnv.make(services, { rollout_retries: 0 }), { replyTo: async () => 5 });
    expect(await env.collectGroup({ a: 1, b: 1 }, groupContext(services))).toMatchObject({
      kind: "failed",
      stage: "environment",
      error: { code: "ENV_FAILED", message: expect.stringContaining("expected a text, got 5") },
    });
  });

  test("an inference failure in a later turn is played afresh in a new sandbox, and never a 0", async () => {
    let failuresLeft = 1;
    await using services = await testServices(async (request) => {
      if (!request.messages.some(({ role }) => role === "tool")) {
        return answer(null, [["write_file", { path: "x", content: "1" }]]);
      }
      if (failuresLeft-- > 0) throw new LachesisError("INFERENCE_UNREACHABLE", "gone", { retryable: true });
      return answer(rightAnswer(request));
    });
    const ends = recordEvents(services.events, "rollout-end");
    const env = SumsEnv.make(services, { group_size: 1 });
    const result = await env.collectGroup({ a: 1, b: 1 }, groupContext(services));
    expect(result).toMatchObject({ kind: "collected", group: { scores: [1] } });
    expect(ends).toMatchObject([
      { rolloutId: "g0.0", outcome: { kind: "infra-failed", stage: "inference" } },
      { rolloutId: "g0.0-r1", outcome: { kind: "scored", reward: 1 } },
    ]);
    expect(services.sandboxes).toEqual({ opened: 2, closed: 2 });
  });

  test("a sandbox that can't be made is a failure of stage sandbox", async () => {
    await using services = await testServices(async () =>
      answer(null, [["write_file", { path: "x", content: "1" }]]),
    );
    services.backend.create = () => Promise.reject(new LachesisError("SANDBOX_CLOSED", "no room"));
    const env = SumsEnv.make(services);
    const result = await env.collectGroup({ a: 1, b: 1 }, groupContext(services));
    expect(result).toMatchObject({ kind: "failed", stage: "sandbox", error: { message: "no room" } });
  });

  test("a prompt that alone is too long for the model is no model's fault", async () => {
    await using services = await testServices(() =>
      Promise.reject(new LachesisError("INFERENCE_CONTEXT_FULL", "too long")),
    );
    const result = await SumsEnv.make(services).collectGroup({ a: 1, b: 1 }, groupContext(services));
    expect(result).toMatchObject({ kind: "failed", stage: "inference", retryable: false });
  });

  test("a cancelled group rejects with the reason, its rollouts say by what, and nothing is left", async () => {
    const cancel = new AbortController();
    await using services = await testServices(async ({ messages }, { signal }) => {
      if (!messages.some(({ role }) => role === "tool")) {
        return answer(null, [["write_file", { path: "x", content: "1" }]]);
      }
      cancel.abort(new Cancellation("shutdown"));
      signal.throwIfAborted();
      throw new Error("not reached");
    });
    const ends = recordEvents(services.events, "rollout-end");
    const env = SumsEnv.make(services);
    const playing = env.collectGroup({ a: 1, b: 1 }, groupContext(services, { signal: cancel.signal }));
    await expect(playing).rejects.toMatchObject({ by: "shutdown" });
    expect(ends.map(({ outcome }) => outcome)).toEqual([
      { kind: "cancelled", by: "shutdown" },
      { kind: "cancelled", by: "shutdown" },
    ]);
    expect(services.sandboxes.closed).toBe(services.sandboxes.opened);
  });

  test("a reward that pays no heed to its deadline is a timeout", async () => {
    await using services = await testServices(async (request) => answer(rightAnswer(request)));
    const env = SumsEnv.make(services, { group_size: 1 });
    env.reward = () => new Promise(() => undefined);
    const playing = env.collectGroup({ a: 1, b: 1 }, groupContext(services, { deadlineMs: Date.now() + 20 }));
    await expect(playing).rejects.toMatchObject({ by: "timeout" });
  });

  test("asks the model with the configured temperature, limit and tools, for the train split", async () => {
    const requests: ChatRequest[] = [];
    const splits: unknown[] = [];
    await using services = await testServices(async (request, { split }) => {
      requests.push(request);
      splits.push(split);
      return answer("1");
    });
    const env = SumsEnv.make(services, {
      group_size: 1,
      agent_temperature: 0.7,
      max_token_length: 99,
      extra_body: { top_k: 4 },
    });
    await env.collectGroup({ a: 1, b: 1 }, groupContext(services));
    expect(requests[0]).toMatchObject({ temperature: 0.7, max_tokens: 99, extra_body: { top_k: 4 } });
    expect(requests[0]?.tools?.map((tool) => tool.function.name)).toEqual([
      "patch",
      "read_file",
      "search_files",
      "write_file",
    ]);
    expect(splits).toEqual(["train"]);
  });
});

describe("prepare", () => {
  test("refuses to feed a trainer from servers without token ids, unless told", async () => {
    await using services = await testServices();
    const { signal } = new AbortController();
    const prepare = (config: { allow_placeholder_tokens?: boolean }, purpose: RunPurpose) =>
      SumsEnv.make(services, config).prepare({ signal, purpose });
    await expect(prepare({}, "serve")).rejects.toMatchObject({ code: "PLACEHOLDER_TOKENS_REFUSED" });
    await expect(prepare({ allow_placeholder_tokens: true }, "serve")).resolves.toBeUndefined();
    await expect(prepare({}, "process")).resolves.toBeUndefined();
  });

  test("names an unknown toolset before any rollout", async () => {
    await using services = await testServices();
    const env = SumsEnv.make(services, { enabled_toolsets: ["flie"] });
    await expect(env.prepare({ signal: new AbortController().signal })).rejects.toMatchObject({
      code: "TOOLSET_UNKNOWN",
    });
  });
});
