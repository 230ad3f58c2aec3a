/** Rollouts of foreign agents become scored groups, and what the trainer gets is what was sampled, id for id. */
import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import type { ScoredGroup } from "../../src/contracts/scored-group.ts";
import type { TokenLogEntry } from "../../src/practice/token-log.ts";
import { EventBus } from "../../src/telemetry/events.ts";
import {
  type Json,
  python,
  question,
  type Session,
  startTestProxy,
  type TestProxy,
} from "../support/proxy.ts";
import { importPackage, missingPackage } from "../support/test-packages.ts";
import { TestTrainer } from "../support/test-trainer.ts";
import { expectedSequence, sequencesOf } from "../support/token-serve.ts";

// Real servers, on machines that do other work too.
vi.setConfig({ testTimeout: 60_000 });

const missing = missingPackage("ai") ?? missingPackage("@ai-sdk/openai-compatible");

const anyFunction = z.custom<(...args: Json[]) => Json>((value) => typeof value === "function");
const aiPackage = z.object({
  generateText: anyFunction,
  streamText: anyFunction,
  tool: anyFunction,
  stepCountIs: anyFunction,
  jsonSchema: anyFunction,
});
const providerPackage = z.object({ createOpenAICompatible: anyFunction });

/** Vercel's agent loop, as their documentation has it; the tool is another's code. */
async function playWithVercelAi({ base_url: baseURL, secret: apiKey }: Session, streams: boolean) {
  const ai = aiPackage.parse(await importPackage("ai"));
  const { createOpenAICompatible } = providerPackage.parse(await importPackage("@ai-sdk/openai-compatible"));
  const provider = createOpenAICompatible({ name: "proxy", baseURL, apiKey });
  const request = {
    model: provider("practice"),
    prompt: question,
    stopWhen: ai.stepCountIs(6),
    tools: {
      python: ai.tool({
        description: python.function.description,
        inputSchema: ai.jsonSchema(python.function.parameters),
        execute: async () => "84",
      }),
    },
  };
  const result = streams ? ai.streamText(request) : await ai.generateText(request);
  return { text: String(await result.text), steps: (await result.steps).length };
}

const score = (proxy: TestProxy, sessions: Session[], extra: object = {}) =>
  proxy.call("POST", "/groups", {
    sessions: sessions.map(({ session_id }, index) => ({ session_id, score: index % 2 })),
    ...extra,
  });

const ask = (
  proxy: TestProxy,
  { secret }: Session,
  messages: Json[] = [{ role: "user", content: question }],
) => proxy.call("POST", "/v1/chat/completions", { messages }, { authorization: `Bearer ${secret}` });

/** What was sampled for each session, in the sessions' order. */
const turnsOf = (log: readonly TokenLogEntry[], sessions: readonly Session[]) =>
  sessions.map(({ session_id: id }) => log.filter((entry) => entry.session_id?.endsWith(id)));

function rolloutApi(trainer: TestTrainer, group_size: number) {
  const description = {
    max_token_length: 2048,
    desired_name: "proxy",
    weight: 1,
    group_size,
    min_batch_allocation: null,
  };
  return { client: trainer.client, description, events: new EventBus() };
}

describe.skipIf(missing !== null)(`a foreign agent loop ${missing ?? ""}`, () => {
  test.each([false, true])(
    "Vercel's ai becomes a group that a trainer gets (streams: %s)",
    async (streams) => {
      await using trainer = await TestTrainer.registered({ batch_size: 4 });
      await using proxy = await startTestProxy({
        practice: { thinking_rate: 0.5, drift_rate: 0.5 },
        api: rolloutApi(trainer, 4),
      });
      const sessions = await Promise.all([1, 2, 3, 4].map(() => proxy.createSession()));
      const played = await Promise.all(sessions.map((session) => playWithVercelAi(session, streams)));
      for (const { text, steps } of played) {
        expect(steps).toBeGreaterThan(1);
        expect(text).toMatch(/\\boxed/);
      }
      const { status, body } = await score(proxy, sessions);
      expect([status, body]).toEqual([
        200,
        { group_id: expect.any(String), sequences: 4, left_out: 0, submitted: true, buffered: false },
      ]);
      const batch = await trainer.nextBatch();
      const turns = turnsOf(proxy.log, sessions);
      expect(sequencesOf(batch)).toEqual(turns.map(expectedSequence));
      const [group] = batch;
      expect(group?.scores).toEqual([0, 1, 0, 1]);
      expect(group?.generation_params).toMatchObject({ temperature: 1, logprob_kind: "raw" });
      expect(group?.messages?.[0]?.map(({ role }) => role)).toContain("tool");
    },
  );
});

describe("POST /groups", () => {
  test("answers with the group where there is no rollout API; its sessions are over", async () => {
    await using proxy = await startTestProxy();
    const sessions = [await proxy.createSession(), await proxy.createSession()];
    for (const session of sessions) await ask(proxy, session);
    const { status, body } = await score(proxy, sessions, { group_id: "mine", advantage: "dr_grpo" });
    expect([status, body.group_id, body.submitted]).toEqual([200, "mine", false]);
    const group: ScoredGroup = body.group;
    expect(sequencesOf([group])).toEqual(turnsOf(proxy.log, sessions).map(expectedSequence));
    expect(group.advantages?.map(([first]) => first)).toEqual([-0.5, 0.5]);
    const late = await ask(proxy, sessions[0] ?? expect.fail());
    expect(late).toMatchObject({ status: 401, body: { error: { code: "session_scored" } } });
  });

  test("a rollout whose history was rewritten brings all its segments, each with its score", async () => {
    await using proxy = await startTestProxy();
    const session = await proxy.createSession();
    const user = { role: "user", content: question };
    const { body: first } = await ask(proxy, session);
    const rewritten = { role: "assistant", content: "It was said already." };
    await ask(proxy, session, [user, rewritten, user]);
    expect(first.choices).toHaveLength(1);
    const { body } = await score(proxy, [session]);
    expect(body.sequences).toBe(2);
    expect(body.group.scores).toEqual([0, 0]);
    expect(body.group.group_overrides).toMatchObject({ group_size: 2 });
  });

  test("what can't be scored is refused, and nothing is lost", async () => {
    await using proxy = await startTestProxy();
    const [played, empty] = [await proxy.createSession(), await proxy.createSession()];
    await ask(proxy, played);
    expect(await score(proxy, [played, empty])).toMatchObject({
      status: 422,
      body: { error: { code: "empty_rollout", message: expect.stringContaining(empty.session_id) } },
    });
    expect((await score(proxy, [played, played])).status).toBe(400);
    expect((await score(proxy, [{ ...played, session_id: "none" }])).status).toBe(404);
    expect((await proxy.call("POST", "/groups", { sessions: [] })).status).toBe(400);
    const after = [{ role: "user", content: "And now?" }];
    expect((await ask(proxy, played, after)).status).toBe(200);
    expect((await score(proxy, [played])).body.sequences).toBe(2);
  });

  test("a group that the trainer can't take stays with its sessions", async () => {
    await using trainer = await TestTrainer.registered({ batch_size: 2, max_token_len: 20 });
    await using proxy = await startTestProxy({ api: rolloutApi(trainer, 1) });
    const session = await proxy.createSession();
    await ask(proxy, session);
    for (const _ of [1, 2]) {
      const { status, body } = await score(proxy, [session]);
      expect(status).toBe(422);
      expect(body.error.message).toMatch(/tokens, the limit is 20/);
    }
    expect((await ask(proxy, session)).body.error.code).toBe("session_closed");
    const { body } = await proxy.call("GET", `/sessions/${session.session_id}/segments`);
    expect(body.segments).toMatchObject([{ finish_reason: "stop", started_because: "first-turn" }]);
  });
});
