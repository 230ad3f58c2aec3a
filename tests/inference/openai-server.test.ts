import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import type { ChatRequest } from "../../src/contracts/chat.ts";
import { OpenAiServer } from "../../src/inference/openai-server.ts";
import { serverConfig } from "../../src/inference/server-config.ts";
import { ServerFailure } from "../../src/inference/server-failure.ts";
import {
  type ChatScript,
  completion,
  deadPort,
  ScriptedChatServer,
  sendError,
  sendJson,
} from "../support/scripted-chat-server.ts";

const request: ChatRequest = { messages: [{ role: "user", content: "2+2?" }] };
const never = () => new AbortController().signal;
/** The servers' clock stands still. */
const nowMs = Date.UTC(2026, 0, 1);

const openServer = (baseUrl: string, rest: object = {}) =>
  new OpenAiServer({ config: serverConfig.parse({ base_url: baseUrl, ...rest }), now: () => nowMs });

async function failureOf(script: ChatScript, rest: object = {}): Promise<ServerFailure> {
  await using scripted = await ScriptedChatServer.start(script);
  await using server = openServer(scripted.url, rest);
  const failure = await server.complete(request, { signal: never() }).catch((error: unknown) => error);
  if (!(failure instanceof ServerFailure)) throw new Error("expected a ServerFailure", { cause: failure });
  return failure;
}

describe("the request", () => {
  test("carries the config's model and key, the tools and the extra body", async () => {
    await using scripted = await ScriptedChatServer.start((_call, response) =>
      sendJson(response, 200, completion(["4"])),
    );
    await using server = openServer(scripted.url, { model_name: "m-7b", api_key: "secret" });
    const parameters = { type: "object", properties: {} };
    const tools = [{ type: "function" as const, function: { name: "python", description: "", parameters } }];
    await server.complete({ ...request, n: 1, tools, extra_body: { top_k: 20 } }, { signal: never() });
    expect(scripted.calls[0]?.path).toBe("/v1/chat/completions");
    expect(scripted.calls[0]?.headers.authorization).toBe("Bearer secret");
    expect(scripted.calls[0]?.body).toEqual({ ...request, n: 1, tools, top_k: 20, model: "m-7b" });
  });

  test.each(["/v1", "/v1/", "/deep/api"])("goes below a base URL ending in %s", async (path) => {
    await using scripted = await ScriptedChatServer.start((_call, response) =>
      sendJson(response, 200, completion(["4"])),
    );
    await using server = openServer(`http://127.0.0.1:${scripted.port}${path}`);
    await server.complete(request, { signal: never() });
    expect(scripted.calls[0]?.path).toBe(`${path.replace(/\/$/, "")}/chat/completions`);
  });

  test("without a key sends no Authorization header, whatever the environment holds", async () => {
    await using scripted = await ScriptedChatServer.start((_call, response) =>
      sendJson(response, 200, completion(["4"])),
    );
    process.env.OPENAI_API_KEY = "from-the-environment";
    process.env.OPENAI_ORG_ID = "from-the-environment";
    try {
      await using server = openServer(scripted.url);
      await server.complete(request, { signal: never() });
    } finally {
      delete process.env.OPENAI_API_KEY;
      delete process.env.OPENAI_ORG_ID;
    }
    expect(JSON.stringify(scripted.calls[0]?.headers)).not.toContain("from-the-environment");
    expect(scripted.calls[0]?.headers.authorization).toBeUndefined();
  });

  test("reuses its connections", async () => {
    await using scripted = await ScriptedChatServer.start((_call, response) =>
      sendJson(response, 200, completion(["4"])),
    );
    await using server = openServer(scripted.url);
    for (let call = 0; call < 20; call += 1) await server.complete(request, { signal: never() });
    // Two: undici opens one more when the first answer's socket is not back in the pool yet.
    expect(scripted.connections).toBeLessThanOrEqual(2);
  });
});

describe("the answer", () => {
  const answered = async (body: unknown) => {
    await using scripted = await ScriptedChatServer.start((_call, response) => sendJson(response, 200, body));
    await using server = openServer(scripted.url);
    return await server.complete(request, { signal: never() });
  };

  test("keeps tool calls, every form of reasoning and the finish reason", async () => {
    const message = {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "call_1", type: "function", function: { name: "python", arguments: '{"code":' } }],
      reasoning_content: "first",
      reasoning: "second",
      reasoning_details: [{ type: "reasoning.text", text: "third", signature: "s" }],
    };
    const got = await answered({ choices: [{ index: 0, message, finish_reason: "length" }] });
    expect(got.choices).toEqual([{ index: 0, message, finish_reason: "length" }]);
  });

  test("gives an id to a tool call that came without one", async () => {
    const call = (name: string) => ({ function: { name, arguments: "{}" } });
    const message = { content: "", tool_calls: [call("a"), call("b")] };
    const { choices } = await answered({ choices: [{ message, finish_reason: "tool_calls" }] });
    const ids = choices[0]?.message.tool_calls?.map(({ id }) => id);
    expect(new Set(ids).size).toBe(2);
    expect(ids?.every((id) => id.startsWith("call_"))).toBe(true);
  });

  test("with counts that make no sense is used without them", async () => {
    expect((await answered(completion(["4"], { usage: { prompt_tokens: "many" } }))).usage).toBeUndefined();
  });
});

const raw =
  (contentType: string, body: string): ChatScript =>
  (_call, response) =>
    response.writeHead(200, { "content-type": contentType }).end(body);
const choice = (rest: object) => JSON.stringify({ choices: [rest] });
const message = { role: "assistant", content: "4" };

test.each([
  ["no choices", raw("application/json", "{}")],
  ["empty choices", raw("application/json", '{"choices":[]}')],
  ["no message", raw("application/json", choice({ finish_reason: "stop" }))],
  [
    "content of a wrong type",
    raw("application/json", choice({ message: { content: 4 }, finish_reason: "stop" })),
  ],
  ["no finish_reason", raw("application/json", choice({ message }))],
  [
    "tool arguments that are no text",
    raw(
      "application/json",
      choice({
        message: { tool_calls: [{ function: { name: "f", arguments: {} } }] },
        finish_reason: "stop",
      }),
    ),
  ],
  ["an error under status 200", raw("application/json", '{"error":{"message":"out of memory"}}')],
  ["a web page", raw("text/html", "<html>It works!</html>")],
  ["truncated JSON", raw("application/json", '{"choices":[{"mess')],
  ["an empty body", raw("application/json", "")],
])("an answer with %s is malformed and may be retried", async (_name, script) => {
  const failure = await failureOf(script);
  expect(failure).toMatchObject({ code: "INFERENCE_MALFORMED", kind: "malformed", retryable: true });
});

test.each(["abort", "error"])(
  "a completion that the server dropped itself (%s) is no answer",
  async (reason) => {
    const failure = await failureOf(raw("application/json", choice({ message, finish_reason: reason })));
    expect(failure).toMatchObject({ code: "INFERENCE_FAILED", kind: "server-error", retryable: true });
    expect(failure.message).toContain(`finish_reason "${reason}"`);
  },
);

test("a timeout beyond what a timer can hold is no timeout of a millisecond", async () => {
  const script = raw("application/json", choice({ message, finish_reason: "stop" }));
  await using scripted = await ScriptedChatServer.start(script);
  await using server = openServer(scripted.url, { timeout: 10_000_000 });
  expect(await server.complete(request, { signal: never() })).toMatchObject({ choices: [{ message }] });
});

test.each([
  [
    "OpenAI",
    { message: "This model's maximum context length is 8192 tokens.", code: "context_length_exceeded" },
  ],
  [
    "vLLM",
    {
      message: "This model's maximum context length is 2048 tokens. However, you requested 4096 tokens.",
      code: 400,
    },
  ],
  ["SGLang", { message: "The input (5000 tokens) is longer than the model's context length (4096 tokens)." }],
  [
    "llama.cpp",
    {
      message: "the request exceeds the available context size",
      type: "exceed_context_size_error",
      code: 400,
    },
  ],
])("%s's way to say that the context is full is understood", async (_name, error) => {
  const failure = await failureOf((_call, response) => sendJson(response, 400, { error }));
  expect(failure).toMatchObject({ code: "INFERENCE_CONTEXT_FULL", retryable: false });
});

test.each([
  [400, "rejected", false],
  [401, "rejected", false],
  [404, "rejected", false],
  [408, "server-error", true],
  [422, "rejected", false],
  [429, "rate-limited", true],
  [500, "server-error", true],
  [501, "rejected", false],
  [503, "server-error", true],
])("status %i is %s and keeps the server's words", async (status, kind, retryable) => {
  const failure = await failureOf((_call, response) =>
    sendError(response, status, "temperature must be positive"),
  );
  expect(failure).toMatchObject({ kind, retryable });
  expect(failure.message).toContain(`HTTP ${status} temperature must be positive`);
});

test("an exhausted quota is not waited for", async () => {
  const error = { message: "You exceeded your quota", code: "insufficient_quota" };
  const failure = await failureOf((_call, response) => sendJson(response, 429, { error }));
  expect(failure).toMatchObject({ kind: "rejected", retryable: false });
});

test.each([
  ["seconds", { "retry-after": "7" }, 7_000],
  ["a date", { "retry-after": new Date(nowMs + 3_600_000).toUTCString() }, 3_600_000],
  ["milliseconds", { "retry-after-ms": "250" }, 250],
  ["nonsense", { "retry-after": "soon" }, undefined],
])("Retry-After in %s is read", async (_name, headers, expected) => {
  const failure = await failureOf((_call, response) => sendError(response, 429, "slow down", headers));
  expect(failure.retryAfterMs).toBe(expected);
});

const hang = () => undefined;
const hangMidway: ChatScript = (_call, response) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.write('{"choices":');
};
const dieMidway: ChatScript = (_call, response: ServerResponse) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
  response.write('{"choices":', () => response.destroy());
};

test.each([
  ["hangs", hang, /within 0.1 s/],
  ["hangs within its answer", hangMidway, /within 0.1 s/],
  ["dies before its answer", (_call: unknown, response: ServerResponse) => response.destroy(), /broke off/],
  ["dies within its answer", dieMidway, /broke off/],
])("a server that %s is unreachable", async (_name, script, message) => {
  const failure = await failureOf(script, message.source.includes("within") ? { timeout: 0.1 } : {});
  expect(failure).toMatchObject({ code: "INFERENCE_UNREACHABLE", retryable: true });
  expect(failure.message).toMatch(message);
});

test("an answered call leaves no timer that would keep the process alive", async () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  await using scripted = await ScriptedChatServer.start((_call, response) =>
    sendJson(response, 200, completion(["4"])),
  );
  await using server = openServer(scripted.url);
  const before = timers();
  for (let call = 0; call < 10; call += 1) await server.complete(request, { signal: never() });
  expect(timers()).toBeLessThan(before + 5);
});

test("a refused connection is unreachable and the message says so", async () => {
  await using server = openServer(`http://127.0.0.1:${deadPort}/v1`);
  await expect(server.complete(request, { signal: never() })).rejects.toMatchObject({
    code: "INFERENCE_UNREACHABLE",
    message: expect.stringContaining("ECONNREFUSED"),
  });
});

test("an abort ends a hanging call with its own reason and closes the connection", async () => {
  const called = Promise.withResolvers<ServerResponse>();
  await using scripted = await ScriptedChatServer.start((_call, response) => called.resolve(response));
  await using server = openServer(scripted.url);
  const abort = new AbortController();
  const answer = server.complete(request, { signal: abort.signal });
  const response = await called.promise;
  const closed = new Promise((resolve) => response.once("close", resolve));
  abort.abort(new Error("rollout cancelled"));
  await expect(answer).rejects.toThrow("rollout cancelled");
  await closed;
});

test.each([
  [200, null],
  [404, null],
  [503, "server-error"],
])("a probe answered %i finds %s wrong, without a generation", async (status, kind) => {
  await using scripted = await ScriptedChatServer.start(hang);
  scripted.modelsStatus = status;
  await using server = openServer(`${scripted.url}/`);
  const error = await server.probe({ signal: never() });
  expect(error && "kind" in error ? error.kind : null).toBe(kind);
  expect(scripted.others).toEqual(["GET /v1/models"]);
  expect(scripted.calls).toEqual([]);
});
