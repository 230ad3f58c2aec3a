import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AssistantMessage, ChatServer } from "../../src/contracts/chat.ts";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import { Family } from "../../src/env/child-rollouts.ts";
import { EventBus } from "../../src/telemetry/events.ts";
import { builtinTools } from "../../src/tools/builtin-tools.ts";
import { plainBackend, rolloutContext, toolCaller } from "../support/rollout-context.ts";

let backend: SandboxBackend;
beforeAll(() => {
  backend = plainBackend();
});
afterAll(() => backend[Symbol.asyncDispose]());

type Request = Parameters<ChatServer["chatCompletion"]>[0];
type Answer = (request: Request) => Promise<Partial<AssistantMessage>>;

const calling = (name: string, args: object) => ({
  tool_calls: [{ id: "c", type: "function" as const, function: { name, arguments: JSON.stringify(args) } }],
});

/** A rollout whose children a function plays. */
function parent(answer: Answer, { maxTurns = 5, signal = new AbortController().signal } = {}) {
  const servers: ChatServer = {
    async chatCompletion(request, options) {
      options.signal.throwIfAborted();
      const message: AssistantMessage = { role: "assistant", content: "", ...(await answer(request)) };
      const finish_reason = message.tool_calls === undefined ? "stop" : "tool_calls";
      const usage = { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 };
      return { id: "x", model: "m", created: 0, choices: [{ index: 0, message, finish_reason }], usage };
    },
  };
  const logger = pino({ level: "silent" });
  const services = { servers, backend, logger, events: new EventBus() };
  const loop = { maxTurns, temperature: 1 };
  const family = new Family(
    { services, loop, split: "train" },
    (server) => server,
    () => 1,
  );
  const tools = builtinTools();
  return rolloutContext(backend, { signal, tools, children: (context) => family.childrenOf(context) });
}

describe("delegate_task", () => {
  test("children work on the parent's sandbox, with a shell of their own", async () => {
    await using context = parent(async ({ messages }) => {
      if (messages.at(-1)?.role === "tool") return { content: String(messages.at(-1)?.content) };
      return calling("terminal", { command: 'cat note; pwd; echo "[$WORD]"; cd /; export WORD=child' });
    });
    const call = toolCaller(context);
    await call("terminal", { command: "echo hello > note; export WORD=parent; mkdir in; cd in" });
    const { workspace } = await context.sandbox();
    const { results } = await call("delegate_task", { goal: "Look." });
    expect(results).toMatchObject([
      { status: "completed", summary: expect.stringContaining(`hello\\n${workspace}\\n[]\\n`), api_calls: 2 },
    ]);
    expect(await call("terminal", { command: 'pwd; echo "$WORD"' })).toMatchObject({
      output: `${workspace}/in\nparent\n`,
    });
  });

  test("what a child left running ends with it", async () => {
    await using context = parent(async ({ messages }) =>
      messages.at(-1)?.role === "tool"
        ? { content: "ok" }
        : calling("terminal", { command: "sleep 98801", background: true }),
    );
    const call = toolCaller(context);
    await call("delegate_task", { goal: "Run." });
    expect(await call("terminal", { command: "pgrep -f 'slee[p] 98801' | wc -l" })).toMatchObject({
      output: "0\n",
    });
    expect(await call("process", { action: "list" })).toMatchObject({ processes: [] });
  });

  test("children choose from the parent's tools, and the last generation can't delegate", async () => {
    const offered: string[][] = [];
    await using context = parent(async ({ messages, tools }) => {
      offered.push((tools ?? []).map(({ function: { name } }) => name));
      const goal = String(messages[1]?.content);
      if (messages.at(-1)?.role === "tool" || goal === "leaf") return { content: `done ${goal}` };
      return calling("delegate_task", { goal: "leaf", toolsets: ["terminal", "delegation"] });
    });
    const call = toolCaller(context);
    expect(await call("delegate_task", { goal: "branch" })).toMatchObject({
      results: [{ status: "completed", summary: "done branch" }],
    });
    expect(offered[0]).toContain("delegate_task");
    expect(offered[1]).toEqual(["process", "terminal"]);
  });

  test("a child that runs out of turns has failed, with what it said last", async () => {
    await using context = parent(async () => ({ content: "still at it", ...calling("todo", {}) }), {
      maxTurns: 3,
    });
    expect(await toolCaller(context)("delegate_task", { goal: "Go on.", max_iterations: 50 })).toMatchObject({
      results: [{ status: "failed", exit_reason: "max_iterations", summary: "still at it", api_calls: 3 }],
    });
  });

  test.each<[string, object, RegExp]>([
    ["no task", {}, /either goal/],
    ["both", { goal: "a", tasks: [{ goal: "b" }] }, /either goal/],
    ["four tasks", { tasks: Array.from({ length: 4 }, () => ({ goal: "x" })) }, /Invalid arguments/],
    [
      "a toolset that is none",
      { goal: "a", toolsets: ["termnal"] },
      /No toolset is named "termnal".*Your toolsets are:.*terminal/,
    ],
  ])("says what is wrong with %s", async (_name, args, error) => {
    await using context = parent(async () => ({ content: "never" }));
    expect(await toolCaller(context)("delegate_task", args)).toMatchObject({
      ok: false,
      error: expect.stringMatching(error),
    });
  });

  test("a rollout has 24 children at most", async () => {
    await using context = parent(async () => ({ content: "ok" }));
    const call = toolCaller(context);
    const three = { tasks: [{ goal: "a" }, { goal: "b" }, { goal: "c" }] };
    for (let times = 0; times < 8; times++)
      expect(await call("delegate_task", three)).toMatchObject({ ok: true });
    expect(await call("delegate_task", { goal: "d" })).toMatchObject({
      ok: false,
      error: expect.stringContaining("0 more helpers"),
    });
  });

  test("a failure of the machinery in one child fails the call, once all have ended", async () => {
    let ended = 0;
    await using context = parent(async ({ messages }) => {
      if (String(messages[1]?.content) === "bad") {
        throw new LachesisError("INFERENCE_UNREACHABLE", "gone", { retryable: true });
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
      ended += 1;
      return { content: "ok" };
    });
    const call = toolCaller(context)("delegate_task", { tasks: [{ goal: "bad" }, { goal: "good" }] });
    await expect(call).rejects.toMatchObject({ code: "INFERENCE_UNREACHABLE" });
    expect(ended).toBe(1);
  });

  test("children end with the parent's signal", async () => {
    const cancel = new AbortController();
    await using context = parent(
      async () => {
        cancel.abort(new Error("enough"));
        return calling("terminal", { command: "sleep 60" });
      },
      { signal: cancel.signal },
    );
    await expect(toolCaller(context)("delegate_task", { goal: "a" })).rejects.toThrow("enough");
  });

  test("is refused where a rollout may have no children", async () => {
    await using context = rolloutContext(backend, { tools: builtinTools() });
    expect(await toolCaller(context)("delegate_task", { goal: "a" })).toMatchObject({
      ok: false,
      error: expect.stringContaining("do it yourself"),
    });
  });
});
