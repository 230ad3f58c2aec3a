import { describe, expect, test } from "vitest";
import { HermesAgentLoop, type HermesAgentLoopOptions } from "../../src/agent/hermes-agent-loop.ts";
import type { AssistantMessage, ChatMessage } from "../../src/contracts/chat.ts";
import { LachesisError } from "../../src/contracts/errors.ts";
import { EventBus } from "../../src/telemetry/events.ts";
import { plainBackend, rolloutContext } from "../support/rollout-context.ts";
import { call, calls, ScriptedModel, says } from "../support/scripted-model.ts";
import { demoTools } from "./demo-tools.ts";

const question: ChatMessage[] = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "How many?" },
];

function play(server: ScriptedModel, options: Partial<HermesAgentLoopOptions> = {}, signal?: AbortSignal) {
  const context = rolloutContext(plainBackend(), signal === undefined ? {} : { signal });
  const loop = new HermesAgentLoop({
    server,
    tools: demoTools().tools,
    maxTurns: 10,
    temperature: 1,
    ...options,
  });
  return loop.run(question, context);
}

describe("stops", () => {
  test("finished: an answer without tool calls", async () => {
    const result = await play(new ScriptedModel(says("3")));
    expect(result).toMatchObject({
      stop: "finished",
      finishedNaturally: true,
      turnsUsed: 1,
      finishReasons: ["stop"],
    });
    expect(result.messages).toEqual([...question, { role: "assistant", content: "3" }]);
  });

  test("finished: an empty answer, and one that the content filter cut", async () => {
    const empty = await play(new ScriptedModel({ message: {} }));
    expect(empty).toMatchObject({ stop: "finished", finishReasons: ["stop"] });
    expect(empty.messages.at(-1)).toEqual({ role: "assistant", content: "" });
    const filtered = await play(new ScriptedModel(says("", "content_filter")));
    expect(filtered).toMatchObject({ stop: "finished", finishReasons: ["content_filter"] });
  });

  test("max-turns: the last turn's calls still run", async () => {
    const turn = calls(call("echo", { text: "x" }));
    const result = await play(new ScriptedModel(turn, turn, turn), { maxTurns: 2 });
    expect(result).toMatchObject({ stop: "max-turns", finishedNaturally: false, turnsUsed: 2 });
    expect(result.messages.at(-1)).toMatchObject({ role: "tool", content: "x" });
    expect(result.toolCalls.executedOk).toBe(2);
  });

  test("max-tokens: a cut answer keeps its finish reason and is no natural end", async () => {
    const result = await play(new ScriptedModel(says("3 is", "length")));
    expect(result).toMatchObject({ stop: "max-tokens", finishedNaturally: false, finishReasons: ["length"] });
    expect(result.messages.at(-1)).toEqual({ role: "assistant", content: "3 is" });
  });

  test("max-tokens: no call of a cut turn runs, and all of them stay in the conversation", async () => {
    const demo = demoTools();
    const cut = {
      message: { tool_calls: [call("echo", { text: "whole" }), call("echo", '{"text": "cu')] },
      finishReason: "length",
    };
    const result = await play(new ScriptedModel(cut), { tools: demo.tools });
    expect(result).toMatchObject({ stop: "max-tokens", turnsUsed: 1, toolErrors: [] });
    expect(result.toolCalls).toEqual({ attempted: 2, schemaValid: 0, executedOk: 0, executionErrors: 0 });
    expect(result.messages.at(-1)).toMatchObject({
      role: "assistant",
      tool_calls: [{}, { function: { arguments: '{"text": "cu' } }],
    });
    expect(demo.ran).toEqual([]);
  });

  test("context-full: the turns before count, the refused one does not", async () => {
    const full = async () => {
      throw new LachesisError("INFERENCE_CONTEXT_FULL", "8193 tokens");
    };
    const result = await play(new ScriptedModel(calls(call("echo", { text: "x" })), full));
    expect(result).toMatchObject({ stop: "context-full", turnsUsed: 1, finishReasons: ["tool_calls"] });
    expect(result.messages.at(-1)).toMatchObject({ role: "tool" });
  });
});

describe("failures of the machinery reject", () => {
  test("an inference error, as it is", async () => {
    const failed = new LachesisError("INFERENCE_FAILED", "503", { retryable: true });
    const server = new ScriptedModel(calls(call("echo", { text: "x" })), async () => {
      throw failed;
    });
    await expect(play(server)).rejects.toBe(failed);
  });

  test("a completion without choices", async () => {
    const server = new ScriptedModel(async () => ({ id: "c1", model: "m", choices: [] }));
    await expect(play(server)).rejects.toMatchObject({ code: "INFERENCE_MALFORMED", retryable: true });
  });

  test("a sandbox error of a tool", async () => {
    const server = new ScriptedModel(calls(call("broken-sandbox")));
    await expect(play(server)).rejects.toMatchObject({ code: "SANDBOX_DIED" });
  });

  test("an abort, with the signal's reason: before, during the model's call, during a tool's", async () => {
    const reason = new Error("shutdown");
    const aborted = new ScriptedModel();
    await expect(play(aborted, {}, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(aborted.requests).toEqual([]);

    const duringModel = new AbortController();
    const model = new ScriptedModel(async (_request, { signal }) => {
      duringModel.abort(reason);
      expect(signal.aborted).toBe(true);
      throw new Error("request aborted");
    });
    await expect(play(model, {}, duringModel.signal)).rejects.toBe(reason);

    const duringTool = new AbortController();
    const deaf = new ScriptedModel(calls(call("never-ends")));
    const running = play(deaf, {}, duringTool.signal);
    setTimeout(() => duringTool.abort(reason), 20);
    await expect(running).rejects.toBe(reason);
  });
});

describe("the request", () => {
  test("carries what was configured, and the tools in the given order", async () => {
    const server = new ScriptedModel(says("3"));
    const { tools } = demoTools();
    await play(server, { tools, temperature: 0.7, maxTokens: 99, extraBody: { min_p: 0.1 }, split: "eval" });
    expect(server.requests[0]).toEqual({
      messages: question,
      n: 1,
      temperature: 0.7,
      max_tokens: 99,
      extra_body: { min_p: 0.1 },
      tools: tools.map(({ schema }) => schema),
    });
    expect(server.options[0]).toMatchObject({ split: "eval" });
  });

  test("leaves out what was not configured", async () => {
    const server = new ScriptedModel(says("3"));
    await play(server, { tools: [], extraBody: {} });
    expect(server.requests[0]).toEqual({ messages: question, n: 1, temperature: 1 });
    expect(server.options[0]).not.toHaveProperty("split");
  });

  test("grows by whole turns; the caller's messages and earlier requests never change", async () => {
    const seen: (readonly ChatMessage[])[] = [];
    const record =
      (turn: ReturnType<typeof calls>) => async (request: { messages: readonly ChatMessage[] }) => {
        seen.push(request.messages);
        return await new ScriptedModel(turn).chatCompletion(request, {
          signal: new AbortController().signal,
        });
      };
    const before = structuredClone(question);
    const result = await play(
      new ScriptedModel(record(calls(call("echo", { text: "x" }))), record(says("done"))),
    );
    expect(question).toEqual(before);
    expect(seen.map(({ length }) => length)).toEqual([2, 4]);
    expect(result.messages).toHaveLength(5);
  });
});

describe("reasoning", () => {
  const details = [{ type: "reasoning.encrypted" }, { type: "reasoning.text", text: "from details" }];
  test.each<[string, Partial<AssistantMessage>, string | null]>([
    ["reasoning_content", { reasoning_content: "a", reasoning: "b", reasoning_details: details }, "a"],
    ["reasoning", { reasoning: "b", reasoning_details: details }, "b"],
    ["reasoning_details", { reasoning_content: "", reasoning_details: details }, "from details"],
    ["none", {}, null],
  ])("is taken from %s and kept in the message", async (_name, message, expected) => {
    const result = await play(
      new ScriptedModel({ message: { content: "<think>kept</think>3", ...message } }),
    );
    expect(result.reasoningPerTurn).toEqual([expected]);
    expect(result.messages.at(-1)).toEqual({
      role: "assistant",
      content: "<think>kept</think>3",
      ...message,
    });
  });

  test("stays beside tool calls, turn by turn", async () => {
    const first = { message: { reasoning: "look it up", tool_calls: [call("echo", { text: "x" })] } };
    const server = new ScriptedModel(first, says("3"));
    expect(await play(server)).toMatchObject({ reasoningPerTurn: ["look it up", null] });
    expect(server.requests[1]?.messages[2]).toMatchObject({ reasoning: "look it up", tool_calls: [{}] });
  });
});

describe("accounts", () => {
  test("usage adds up over turns; a turn without adds nothing", async () => {
    const usage = (n: number) => ({ prompt_tokens: n, completion_tokens: 2 * n, total_tokens: 3 * n });
    const turn = { message: { tool_calls: [call("echo", { text: "x" })] } };
    const result = await play(
      new ScriptedModel({ ...turn, usage: usage(1) }, turn, { message: { content: "3" }, usage: usage(10) }),
    );
    expect(result.usage).toEqual({ prompt_tokens: 11, completion_tokens: 22, total_tokens: 33 });
  });

  test("events tell each turn and each call", async () => {
    const events = new EventBus();
    const seen: unknown[] = [];
    events.on("turn-end", (event) =>
      seen.push(["turn", event.turn, event.toolCalls, event.completionTokens]),
    );
    events.on("tool-end", (event) => seen.push(["tool", event.tool, event.ok]));
    const usage = { prompt_tokens: 1, completion_tokens: 7, total_tokens: 8 };
    const first = {
      message: { tool_calls: [call("echo", { text: "x" }), call("nope"), call("fails")] },
      usage,
    };
    await play(new ScriptedModel(first, says("3")), { events });
    expect(seen).toEqual([
      ["tool", "echo", true],
      ["tool", "nope", false],
      ["tool", "fails", false],
      ["turn", 1, 3, 7],
      ["turn", 2, 0, undefined],
    ]);
  });
});

describe("replies", () => {
  const replyWith = (...replies: (string | null)[]) => {
    const seen: (string | null | undefined)[] = [];
    const reply = async (messages: readonly ChatMessage[]) => {
      seen.push(messages.at(-1)?.content);
      return replies[seen.length - 1] ?? null;
    };
    return { seen, reply };
  };

  test("a turn without calls is answered until there is nothing to say", async () => {
    const { seen, reply } = replyWith("Lower.", "Higher.", null);
    const model = new ScriptedModel(says("5"), says("3"), says("4"));
    const result = await play(model, { reply });
    expect(seen).toEqual(["5", "3", "4"]);
    expect(result).toMatchObject({ stop: "finished", finishedNaturally: true, turnsUsed: 3 });
    expect(result.messages.slice(2)).toEqual([
      { role: "assistant", content: "5" },
      { role: "user", content: "Lower." },
      { role: "assistant", content: "3" },
      { role: "user", content: "Higher." },
      { role: "assistant", content: "4" },
    ]);
    expect(model.requests.map(({ messages }) => messages.length)).toEqual([2, 4, 6]);
  });

  test.each([
    ["max-turns where the talk would have gone on", "Lower.", "max-turns"],
    ["finished where it was over", null, "finished"],
  ])("the last turn allowed ends as %s", async (_what, last, stop) => {
    const { seen, reply } = replyWith("Lower.", last);
    const result = await play(new ScriptedModel(says("5"), says("3")), { reply, maxTurns: 2 });
    expect(result).toMatchObject({ stop, turnsUsed: 2 });
    expect(seen).toHaveLength(2);
  });

  test("tool calls and cut answers are not replied to", async () => {
    const { seen, reply } = replyWith("Go on.", "Go on.");
    const model = new ScriptedModel(calls(call("echo", { text: "x" })), says("5"), says("3 is", "length"));
    expect(await play(model, { reply })).toMatchObject({ stop: "max-tokens", turnsUsed: 3 });
    expect(seen).toEqual(["5"]);
  });

  test("what reads the conversation can't change it", async () => {
    const reply = async (messages: readonly ChatMessage[]) => {
      (messages as ChatMessage[]).length = 0;
      return null;
    };
    expect((await play(new ScriptedModel(says("3")), { reply })).messages).toHaveLength(3);
  });
});
