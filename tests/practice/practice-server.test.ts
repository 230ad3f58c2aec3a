import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Gsm8kTeacher } from "../../environments/gsm8k-agent-teacher.ts";
import type { ChatMessage, ChatRequest } from "../../src/contracts/chat.ts";
import { OpenAiServer } from "../../src/inference/openai-server.ts";
import { serverConfig } from "../../src/inference/server-config.ts";
import { practiceConfig } from "../../src/practice/practice-config.ts";
import { createPracticeServer, startPracticeServer } from "../../src/practice/practice-server.ts";

const question = "A crate holds 12 jars. How many jars do 7 crates hold, if 5 jars are broken?";
const teacher = new Gsm8kTeacher([
  { question, answer: "There are 12*7=<<12*7=84>>84 jars.\nWhole are 84-5=<<84-5=79>>79.\n#### 79" },
]);
const python = {
  type: "function" as const,
  function: { name: "python", description: "", parameters: { type: "object" } },
};
const ask: ChatMessage[] = [{ role: "user", content: question }];
const never = new AbortController().signal;

const createApp = (config: object = {}) =>
  createPracticeServer({ teacher, config: practiceConfig.parse(config) });

const post = (app: ReturnType<typeof createApp>, payload: object) =>
  app.inject({ method: "POST", url: "/v1/chat/completions", payload });

/** Plays a whole rollout against a server, as an agent loop would, with a tool that knows its sums. */
async function playRollout(server: OpenAiServer, request: ChatRequest): Promise<ChatMessage[]> {
  const messages = [...request.messages];
  for (let turn = 0; turn < 10; turn += 1) {
    const { choices } = await server.complete({ ...request, messages }, { signal: never });
    const message = choices[0]!.message;
    messages.push(message);
    if (!message.tool_calls) return messages;
    for (const { id } of message.tool_calls)
      messages.push({ role: "tool", tool_call_id: id, content: "84\n79\n" });
  }
  throw new Error("the teacher never answered");
}

describe("over a real connection, by our own client", () => {
  test("rollouts of one task end right or wrong, evenly, and stay what they are over their turns", async () => {
    await using practice = await startPracticeServer({
      teacher,
      config: practiceConfig.parse({ error_rate: 0.5 }),
    });
    await using server = new OpenAiServer({ config: serverConfig.parse({ base_url: practice.url }) });
    const rollouts = await Promise.all(
      Array.from({ length: 8 }, () => playRollout(server, { messages: ask, tools: [python] })),
    );
    const answers = rollouts.map((messages) => messages.at(-1)?.content ?? "");
    expect(answers.every((answer) => /\\boxed\{\d+\}/.test(answer))).toBe(true);
    expect(answers.filter((answer) => answer.includes("\\boxed{79}"))).toHaveLength(4);
    const ids = rollouts.flatMap((messages) =>
      messages.flatMap((message) =>
        (message.role === "assistant" ? (message.tool_calls ?? []) : []).map(({ id }) => id),
      ),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("n choices are n rollouts, and usage is counted", async () => {
    await using practice = await startPracticeServer({
      teacher,
      config: practiceConfig.parse({ error_rate: 0.5 }),
    });
    await using server = new OpenAiServer({
      config: serverConfig.parse({ base_url: practice.url, model_name: "m" }),
    });
    const { choices, usage, model } = await server.complete({ messages: ask, n: 4 }, { signal: never });
    expect(choices.filter(({ message }) => message.content?.includes("\\boxed{79}"))).toHaveLength(2);
    expect(choices.map(({ finish_reason }) => finish_reason)).toEqual(["stop", "stop", "stop", "stop"]);
    expect(model).toBe("m");
    expect(usage?.total_tokens).toBe((usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0));
    expect(await server.probe({ signal: never })).toBeNull();
  });

  test("a client that hangs up and a server that closes do not wait for each other", async () => {
    const config = practiceConfig.parse({ latency_ms: 3_600_000 });
    await using practice = await startPracticeServer({ teacher, config });
    await using server = new OpenAiServer({ config: serverConfig.parse({ base_url: practice.url }) });
    const answer = server.complete({ messages: ask }, { signal: never }).catch((error: unknown) => error);
    await practice.close();
    expect(await answer).toMatchObject({ kind: expect.stringMatching(/unreachable|server-error/) });
  });
});

describe("requests", () => {
  test("health and models", async () => {
    await using app = createApp({ model_name: "teacher-1" });
    expect((await app.inject("/health")).json()).toEqual({ status: "ok" });
    expect((await app.inject("/v1/models")).json().data).toMatchObject([
      { id: "teacher-1", object: "model" },
    ]);
  });

  test.each([
    ["no messages", { messages: [] }, /^messages: /],
    ["a bad role", { messages: [{ role: "robot", content: "" }] }, /^messages/],
    ["n of 0", { messages: ask, n: 0 }, /^n: /],
    ["a stream", { messages: ask, stream: true }, /does not stream/],
    ["a tool without a name", { messages: ask, tools: [{ type: "function", function: {} }] }, /^tools/],
  ])("%s is refused in OpenAI's shape", async (_name, body, message) => {
    await using app = createApp();
    const response = await post(app, body);
    expect(response.statusCode).toBe(400);
    expect(response.json().error).toEqual({
      message: expect.stringMatching(message),
      type: "invalid_request_error",
      param: null,
      code: null,
    });
  });

  test("broken JSON and unknown routes too", async () => {
    await using app = createApp();
    const headers = { "content-type": "application/json" };
    const broken = await app.inject({ method: "POST", url: "/v1/chat/completions", payload: "{", headers });
    expect([broken.statusCode, broken.json().error.type]).toEqual([400, "invalid_request_error"]);
    const unknown = await app.inject("/v2/models");
    expect([unknown.statusCode, unknown.json().error.message]).toEqual([404, "Unknown route GET /v2/models"]);
  });

  test("what Atropos' and OpenAI's clients send besides is taken", async () => {
    await using app = createApp();
    const parts = [
      { type: "text", text: question.slice(0, 20) },
      { type: "text", text: question.slice(20) },
    ];
    const response = await post(app, {
      model: "any",
      messages: [
        { role: "developer", content: "Be brief." },
        { role: "user", content: parts },
      ],
      temperature: 1,
      n: null,
      max_tokens: null,
      tool_choice: "none",
      tools: [python],
    });
    expect(response.json().choices[0].message.content).toContain("\\boxed{79}");
  });

  test("an unknown problem gets an honest guess", async () => {
    await using app = createApp({ error_rate: 1 });
    const content = "There are 3 cats and 1,200 dogs. How many?";
    const { choices } = (await post(app, { messages: [{ role: "user", content }], tools: [python] })).json();
    expect(choices[0]).toMatchObject({
      finish_reason: "stop",
      message: { content: expect.stringContaining("don't know") },
    });
    expect(choices[0].message.content).toContain("\\boxed{1,200}");
  });

  test.each([
    [1, [], "length"],
    [10, [], "length"],
    [1000, [], "stop"],
    [10, [python], "length"],
    [1000, [python], "tool_calls"],
  ])("at most %i tokens with tools %j end by %s", async (max_tokens, tools, finish) => {
    await using app = createApp();
    const { choices } = (await post(app, { messages: ask, max_tokens, tools })).json();
    expect(choices[0].finish_reason).toBe(finish);
    if (finish === "length") {
      expect(choices[0].message.content.length).toBeLessThanOrEqual(max_tokens * 4);
      expect(choices[0].message.tool_calls).toBeUndefined();
    }
  });
});

describe("faults", () => {
  const statuses = async (config: object, count: number, now?: () => number) => {
    await using app = createPracticeServer({
      teacher,
      config: practiceConfig.parse(config),
      ...(now && { now }),
    });
    const responses = [];
    for (let call = 0; call < count; call += 1) responses.push(await post(app, { messages: ask }));
    return responses;
  };

  test("come at their rates, the same again for the same seed", async () => {
    const kinds = async (seed: number) => {
      const responses = await statuses({ fail_rate: 0.3, malformed_rate: 0.2, seed }, 100);
      return responses.map(({ statusCode, body }) =>
        statusCode === 200 && !body.includes("boxed") ? "bad" : statusCode,
      );
    };
    const first = await kinds(5);
    const share = (kind: unknown) => first.filter((one) => one === kind).length / first.length;
    expect(share(500)).toBeCloseTo(0.3, 0);
    expect(share("bad")).toBeGreaterThan(0.1);
    expect(share(200)).toBeGreaterThan(0.35);
    expect(await kinds(5)).toEqual(first);
    expect(await kinds(6)).not.toEqual(first);
  });

  test("every malformed answer is one to our client", async () => {
    await using practice = await startPracticeServer({
      teacher,
      config: practiceConfig.parse({ malformed_rate: 1 }),
    });
    await using server = new OpenAiServer({ config: serverConfig.parse({ base_url: practice.url }) });
    for (let call = 0; call < 8; call += 1) {
      const failure = await server
        .complete({ messages: ask }, { signal: never })
        .catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: "INFERENCE_MALFORMED" });
    }
  });

  test("beyond the rate limit comes 429 with Retry-After, until the second is over", async () => {
    let nowMs = 0;
    const responses = await statuses({ rate_limit: 3 }, 8, () => {
      nowMs += 60;
      return nowMs;
    });
    const codes = responses.map(({ statusCode }) => statusCode);
    expect(codes.slice(0, 4)).toEqual([200, 200, 200, 429]);
    expect(responses[3]?.headers["retry-after"]).toBe("1");
    expect(responses[3]?.json().error.code).toBe("rate_limit_exceeded");
  });
});

describe("files and ports", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "practice-"));
  });
  afterAll(() => rm(directory, { recursive: true }));

  test("the log has each request with what was answered", async () => {
    const logPath = join(directory, "log.jsonl");
    {
      const config = practiceConfig.parse({ error_rate: 1 });
      await using practice = await startPracticeServer({ teacher, config, logPath });
      await using server = new OpenAiServer({ config: serverConfig.parse({ base_url: practice.url }) });
      await server.complete({ messages: ask, n: 2 }, { signal: never });
      await server.complete({ messages: [], n: 1 }, { signal: never }).catch(() => undefined);
    }
    const lines = (await readFile(logPath, "utf8"))
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      {
        task: 0,
        errs: [true, true],
        fault: null,
        status: 200,
        request: { n: 2 },
        response: { choices: [{}, {}] },
      },
      { task: null, errs: null, fault: null, status: 400, response: { error: {} } },
    ]);
  });

  test("a port in use and a log that can't be written are told by their codes", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const config = practiceConfig.parse({});
    await expect(startPracticeServer({ teacher, config, port })).rejects.toMatchObject({
      code: "PORT_IN_USE",
      message: expect.stringContaining(String(port)),
    });
    await new Promise((resolve) => other.close(resolve));
    await expect(startPracticeServer({ teacher, config, logPath: directory })).rejects.toMatchObject({
      code: "OUTPUT_UNWRITABLE",
    });
  });
});
