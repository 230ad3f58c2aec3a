import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HermesAgentLoop } from "../../src/agent/hermes-agent-loop.ts";
import type { AssistantMessage, ToolCall, ToolMessage } from "../../src/contracts/chat.ts";
import { plainBackend, rolloutContext } from "../support/rollout-context.ts";
import { call, calls, ScriptedModel, says } from "../support/scripted-model.ts";
import { demoTools } from "./demo-tools.ts";

/** Plays one turn with these calls, then the end. */
async function answer(...toolCalls: ToolCall[]) {
  const { tools, ran } = demoTools();
  const server = new ScriptedModel(calls(...toolCalls), says("done"));
  const loop = new HermesAgentLoop({ server, tools, maxTurns: 5, temperature: 1 });
  const result = await loop.run([{ role: "user", content: "go" }], rolloutContext(plainBackend()));
  const assistant = result.messages[1] as AssistantMessage;
  const replies = result.messages.slice(2, -1) as ToolMessage[];
  return { result, ran, assistant, replies, server };
}

describe("arguments", () => {
  test.each<[string, string, string]>([
    ["null", "null", "must be a JSON object, got null"],
    ["an array", '[{"text":"x"}]', "must be a JSON object, got an array"],
    ["a number", "3", "must be a JSON object, got a number"],
    ["JSON inside a string", '"{\\"text\\":\\"x\\"}"', "must be a JSON object, got a string"],
    ["cut JSON", '{"text": "x', "not valid JSON"],
    ["no JSON", "text=x", "not valid JSON"],
    ["nothing", "", "not valid JSON"],
    ["two objects", '{"text":"x"}{"text":"y"}', "not valid JSON"],
    ["an object that does not fit", '{"txt":"x"}', "text: Invalid input: expected string"],
  ])("that are %s give the model an error, and the tool does not run", async (_name, args, problem) => {
    const { result, ran, replies, server } = await answer(call("echo", args));
    expect(JSON.parse(replies[0]?.content ?? "").error).toContain(problem);
    expect(ran).toEqual([]);
    expect(result.toolErrors).toEqual([
      {
        turn: 1,
        toolName: "echo",
        arguments: args,
        error: expect.stringContaining(problem),
        toolResult: replies[0]?.content,
      },
    ]);
    expect(result.toolCalls).toEqual({ attempted: 1, schemaValid: 0, executedOk: 0, executionErrors: 0 });
    expect(result.stop).toBe("finished");
    expect(server.requests).toHaveLength(2);
  });

  test("of each call are judged by themselves: a bad one never answers with another's result", async () => {
    const { replies, ran } = await answer(
      call("echo", { text: "first" }, "a"),
      call("echo", "null", "b"),
      call("echo", { text: "third" }, "c"),
    );
    expect(replies.map(({ tool_call_id }) => tool_call_id)).toEqual(["a", "b", "c"]);
    expect(replies.map(({ content }) => content)).toEqual([
      "first",
      expect.stringContaining("got null"),
      "third",
    ]);
    expect(ran).toEqual(["echo first", "echo third"]);
  });

  test("whatever their text, never end the rollout", async () => {
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.jsonValue().map((value) => JSON.stringify({ text: value })),
    );
    await fc.assert(
      fc.asyncProperty(text, fc.constantFrom("echo", "slow", "nope", "__proto__"), async (args, name) => {
        const { result, replies } = await answer(call(name, args));
        expect(result.stop).toBe("finished");
        expect(replies).toHaveLength(1);
      }),
      { numRuns: 150 },
    );
  });
});

test("an unknown tool gives an error that names the known ones", async () => {
  const { replies, result } = await answer(call("eco", { text: "x" }));
  expect(JSON.parse(replies[0]?.content ?? "").error).toBe(
    'Unknown tool "eco". Did you mean "echo"? Available tools: alone, broken-sandbox, echo, fails, never-ends, slow',
  );
  expect(result.toolErrors).toMatchObject([{ toolName: "eco", turn: 1 }]);
});

test.each(["memory", "session_search", "clarify"])(
  "%s answers that rollouts have none, and what to do",
  async (name) => {
    const { replies } = await answer(call(name, { action: "add" }));
    const { error } = JSON.parse(replies[0]?.content ?? "");
    expect(error).toMatch(new RegExp(`^${name} is not available in rollouts: .* Available tools: alone, `));
  },
);

test("a tool's own error is told to the model, recorded with both texts cut, and counted", async () => {
  const { replies, result } = await answer(
    call("fails", { note: "n".repeat(1000) }),
    call("echo", { text: "ok" }),
  );
  expect(JSON.parse(replies[0]?.content ?? "")).toEqual({ error: "it failed", code: 5 });
  expect(result.toolErrors).toMatchObject([{ toolName: "fails", error: "it failed" }]);
  expect(result.toolErrors[0]?.arguments).toHaveLength(200);
  expect(result.toolCalls).toEqual({ attempted: 2, schemaValid: 2, executedOk: 1, executionErrors: 1 });
});

describe("call ids", () => {
  test.each<[string, string[]]>([
    ["given ones stay", ["a", "b", "c"]],
    ["missing ones are made", ["", "", ""]],
    ["repeated ones are told apart", ["a", "a", "a"]],
    ["made ones avoid given ones", ["call_1_1", "", "call_1_2"]],
  ])("%s, unique in the turn and equal in call and reply", async (_name, ids) => {
    const { assistant, replies } = await answer(...ids.map((id, n) => call("echo", { text: `${n}` }, id)));
    const used = assistant.tool_calls?.map(({ id }) => id) ?? [];
    expect(new Set(used).size).toBe(3);
    expect(used.every((id) => id !== "")).toBe(true);
    expect(replies.map(({ tool_call_id }) => tool_call_id)).toEqual(used);
    for (const [index, id] of ids.entries()) {
      if (id !== "" && ids.indexOf(id) === index) expect(used[index]).toBe(id);
    }
  });
});

describe("several calls of one turn", () => {
  test("run one after the other by default", async () => {
    const { ran, replies } = await answer(
      call("alone", { id: "a", ms: 20 }, "1"),
      call("alone", { id: "b" }, "2"),
      call("slow", { id: "c" }, "3"),
    );
    expect(ran).toEqual(["start a", "end a", "start b", "end b", "start c", "end c"]);
    expect(replies.map(({ content }) => content)).toEqual(["a", "b", "c"]);
  });

  test("run together where neighbours all may, and answer in call order", async () => {
    const { ran, replies } = await answer(
      call("slow", { id: "a", ms: 60 }, "1"),
      call("slow", { id: "b", ms: 1 }, "2"),
      call("alone", { id: "c" }, "3"),
      call("slow", { id: "d", ms: 60 }, "4"),
      call("slow", { id: "e", ms: 1 }, "5"),
    );
    expect(ran).toEqual([
      ...["start a", "start b", "end b", "end a"],
      ...["start c", "end c"],
      ...["start d", "start e", "end e", "end d"],
    ]);
    expect(replies.map(({ content }) => content)).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("run together in a bounded number", async () => {
    const many = Array.from({ length: 40 }, (_, n) => call("slow", { id: `${n}`, ms: 2 }, `${n}`));
    const { ran, replies } = await answer(...many);
    let running = 0;
    let peak = 0;
    for (const line of ran) {
      running += line.startsWith("start") ? 1 : -1;
      peak = Math.max(peak, running);
    }
    expect(peak).toBe(8);
    expect(replies.map(({ content }) => content)).toEqual(many.map(({ id }) => id));
  });

  test("end before a failure of the machinery among them rejects", async () => {
    const { tools, ran } = demoTools();
    const server = new ScriptedModel(calls(call("broken-sandbox"), call("slow", { id: "a", ms: 20 })));
    const loop = new HermesAgentLoop({ server, tools, maxTurns: 5, temperature: 1 });
    const run = loop.run([{ role: "user", content: "go" }], rolloutContext(plainBackend()));
    await expect(run).rejects.toMatchObject({ code: "SANDBOX_DIED" });
    expect(ran).toEqual(["start a", "end a"]);
  });
});
