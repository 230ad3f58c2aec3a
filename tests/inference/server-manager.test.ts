import { once } from "node:events";
import type { ServerResponse } from "node:http";
import pino from "pino";
import { describe, expect, test } from "vitest";
import type { ChatRequest } from "../../src/contracts/chat.ts";
import { serverConfig } from "../../src/inference/server-config.ts";
import { ServerManager, type ServerManagerOptions } from "../../src/inference/server-manager.ts";
import { InstantClock } from "../support/instant-clock.ts";
import {
  type ChatScript,
  completion,
  deadPort,
  ScriptedChatServer,
  sendError,
  sendJson,
} from "../support/scripted-chat-server.ts";

const request: ChatRequest = { messages: [{ role: "user", content: "2+2?" }] };
const never = new AbortController().signal;
const logger = pino({ level: "silent" });

type Settings = Partial<Omit<ServerManagerOptions, "servers">>;

const manage = (urls: readonly string[], rest: object = {}, settings: Settings = {}) =>
  new ServerManager({
    servers: urls.map((base_url) => serverConfig.parse({ base_url, ...rest })),
    logger,
    clock: new InstantClock(),
    random: () => 1,
    ...settings,
  });

const answer: ChatScript = ({ body }, response) =>
  sendJson(response, 200, completion(Array.from({ length: Number(body.n ?? 1) }, () => "4")));

/** Holds every request until `release`; `arrived` resolves when that many are held. */
function gate() {
  const held: ServerResponse[] = [];
  let wanted: { count: number; resolve: () => void } | undefined;
  const script: ChatScript = (_call, response) => {
    held.push(response);
    if (wanted && held.length >= wanted.count) wanted.resolve();
  };
  const arrived = (count: number) =>
    new Promise<void>((resolve) => {
      wanted = { count, resolve };
      if (held.length >= count) resolve();
    });
  const release = (count = held.length) => {
    for (const response of held.splice(0, count)) sendJson(response, 200, completion(["4"]));
  };
  return { script, arrived, release, held };
}

describe("choice and limits", () => {
  test("a lone config keeps its base_url", async () => {
    await using server = await ScriptedChatServer.start(answer);
    await using manager = manage([server.url]);
    const { choices } = await manager.chatCompletion(request, { signal: never });
    expect(choices.map(({ message }) => message.content)).toEqual(["4"]);
    expect(server.calls).toHaveLength(1);
  });

  test("requests go where most slots are free, the first server at a tie", async () => {
    const gates = [gate(), gate()];
    await using first = await ScriptedChatServer.start(gates[0]!.script);
    await using second = await ScriptedChatServer.start(gates[1]!.script);
    await using manager = manage([first.url, second.url], { num_max_requests_at_once: 3 });
    const answers = Array.from({ length: 4 }, () => manager.chatCompletion(request, { signal: never }));
    await Promise.all(gates.map(({ arrived }) => arrived(2)));
    for (const { release } of gates) release();
    await Promise.all(answers);
    expect([first.calls.length, second.calls.length]).toEqual([2, 2]);
  });

  test("train and eval have limits of their own, and nobody overtakes", async () => {
    const { script, arrived, release } = gate();
    await using server = await ScriptedChatServer.start(script);
    await using manager = manage([server.url], { num_max_requests_at_once: 2, num_requests_for_eval: 1 });
    const done: string[] = [];
    const ask = (name: string, split: "train" | "eval") =>
      manager
        .chatCompletion({ messages: [{ role: "user", content: name }] }, { signal: never, split })
        .then(() => done.push(name));
    const all = [
      ask("t1", "train"),
      ask("t2", "train"),
      ask("t3", "train"),
      ask("e1", "eval"),
      ask("e2", "eval"),
    ];
    await arrived(3);
    const sent = () => server.calls.map(({ body }) => (body as unknown as ChatRequest).messages[0]?.content);
    expect(sent()?.toSorted()).toEqual(["e1", "t1", "t2"]);
    release();
    await arrived(2);
    expect(sent()?.slice(3).toSorted()).toEqual(["e2", "t3"]);
    release();
    await Promise.all(all);
    expect(server.peakInFlight).toBe(3);
    const names = Object.keys(manager.metrics());
    expect(names).toContain("server/server_0_request_time_avg");
    expect(names).toContain("server/server_0_eval_request_time_99p");
  });

  test("a lower weight narrows the train slots, a higher one wakes who waits", async () => {
    const { script, arrived, release } = gate();
    await using server = await ScriptedChatServer.start(script);
    await using manager = manage([server.url], { num_max_requests_at_once: 4 });
    manager.setWeight(0.3);
    const answers = Array.from({ length: 4 }, () => manager.chatCompletion(request, { signal: never }));
    await arrived(2);
    expect(server.inFlight).toBe(2);
    manager.setWeight(1);
    await arrived(4);
    release();
    await Promise.all(answers);
    expect(() => manager.setWeight(Number.NaN)).toThrow("between 0 and 1");
  });

  test("an abort leaves the queue and gives its place to the next", async () => {
    const { script, arrived, release } = gate();
    await using server = await ScriptedChatServer.start(script);
    await using manager = manage([server.url], { num_max_requests_at_once: 1 });
    const first = manager.chatCompletion(request, { signal: never });
    const abort = new AbortController();
    const second = manager.chatCompletion(request, { signal: abort.signal });
    const third = manager.chatCompletion(request, { signal: never });
    await arrived(1);
    abort.abort(new Error("cancelled"));
    await expect(second).rejects.toThrow("cancelled");
    release();
    await arrived(1);
    release();
    await Promise.all([first, third]);
    expect(server.calls).toHaveLength(2);
  });
});

describe("several completions", () => {
  test("19 are asked for as 8, 8 and 3, in order, with seeds that move on", async () => {
    await using server = await ScriptedChatServer.start(({ body }, response) => {
      const contents = Array.from({ length: Number(body.n) }, (_, index) =>
        String(Number(body.seed) + index),
      );
      sendJson(response, 200, completion(contents));
    });
    await using manager = manage([server.url]);
    const { choices, usage } = await manager.chatCompletion(
      { ...request, n: 19, seed: 100 },
      { signal: never },
    );
    expect(server.calls.map(({ body }) => body.n).toSorted()).toEqual([3, 8, 8]);
    expect(choices.map(({ index }) => index)).toEqual(Array.from({ length: 19 }, (_, index) => index));
    expect(choices.map(({ message }) => message.content)).toEqual(
      Array.from({ length: 19 }, (_, index) => String(100 + index)),
    );
    expect(usage).toEqual({ prompt_tokens: 9, completion_tokens: 6, total_tokens: 15 });
  });

  test.each([
    ["known from the config", true, [1, 1, 1, 1]],
    ["learned from the first answer", false, [4, 1, 1, 1]],
  ])("a server that ignores n is asked one by one: %s", async (_name, n_kwarg_is_ignored, expected) => {
    await using server = await ScriptedChatServer.start((_call, response) =>
      sendJson(response, 200, completion(["4"])),
    );
    await using manager = manage([server.url], { n_kwarg_is_ignored });
    const { choices } = await manager.chatCompletion({ ...request, n: 4 }, { signal: never });
    expect(choices).toHaveLength(4);
    expect(server.calls.map(({ body }) => body.n)).toEqual(expected);
    await manager.chatCompletion({ ...request, n: 2 }, { signal: never });
    expect(server.calls.slice(4).map(({ body }) => body.n)).toEqual([1, 1]);
  });

  test("any other count is no usable answer", async () => {
    await using server = await ScriptedChatServer.start((_call, response) =>
      sendJson(response, 200, completion(["4", "4"])),
    );
    await using manager = manage([server.url]);
    await expect(manager.chatCompletion({ ...request, n: 4 }, { signal: never })).rejects.toMatchObject({
      code: "INFERENCE_MALFORMED",
      message: expect.stringContaining("2 choices where n=4"),
    });
  });

  test("one failing part ends the others", async () => {
    const hung = Promise.withResolvers<ServerResponse>();
    await using server = await ScriptedChatServer.start(async ({ body }, response) => {
      if (body.n === 8) return hung.resolve(response);
      await hung.promise;
      sendError(response, 400, "no");
    });
    await using manager = manage([server.url]);
    const answered = manager.chatCompletion({ ...request, n: 9 }, { signal: never });
    const closed = hung.promise.then((response) => once(response, "close"));
    await expect(answered).rejects.toMatchObject({ code: "INFERENCE_REJECTED" });
    await closed;
  });
});

describe("retries", () => {
  const failing =
    (count: number, fail: ChatScript): ChatScript =>
    (call, response) =>
      call.index < count ? fail(call, response) : answer(call, response);

  test.each<[string, ChatScript]>([
    ["500", (_call, response) => sendError(response, 500, "boom")],
    ["a page", (_call, response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>")],
    ["a hang-up", (_call, response) => response.destroy()],
    [
      "half an answer",
      (_call, response) => response.writeHead(200, { "content-type": "application/json" }).end("{"),
    ],
  ])("three failures by %s are outlived, with doubling waits", async (_name, fail) => {
    const clock = new InstantClock();
    await using server = await ScriptedChatServer.start(failing(3, fail));
    await using manager = manage([server.url], { health_check: false }, { clock });
    await manager.chatCompletion(request, { signal: never });
    expect(clock.sleeps).toEqual([500, 1000, 2000]);
    expect(manager.metrics()["server/server_0_average_num_attempts"]).toBe(4);
  });

  test("after the fourth the error names server, attempts and cause, and allows a fresh rollout", async () => {
    await using server = await ScriptedChatServer.start((_call, response) =>
      sendError(response, 500, "boom"),
    );
    await using manager = manage([server.url], { health_check: false });
    const failure = manager.chatCompletion(request, { signal: never, split: "eval" });
    await expect(failure).rejects.toMatchObject({ code: "INFERENCE_FAILED", retryable: true });
    await expect(failure).rejects.toThrow(`${server.url} after 4 attempts`);
    await expect(failure).rejects.toThrow("HTTP 500 boom");
    expect(server.calls).toHaveLength(4);
  });

  test("a 429 storm with Retry-After is waited out, for all requests to that server", async () => {
    const clock = new InstantClock();
    const refuse: ChatScript = (_call, response) => sendError(response, 429, "slow", { "retry-after": "7" });
    await using server = await ScriptedChatServer.start(failing(6, refuse));
    await using manager = manage([server.url], {}, { clock, random: () => 0 });
    await manager.chatCompletion(request, { signal: never });
    expect(server.calls).toHaveLength(7);
    // Each wait for the retry (250, 500, ...) is made up to the seven seconds that were asked for.
    const waits = clock.sleeps.flatMap((ms, index) =>
      index % 2 ? [ms + (clock.sleeps[index - 1] ?? 0)] : [],
    );
    expect(waits).toEqual(Array.from({ length: 6 }, () => 7_000));
  });

  test("a Retry-After of an hour is cut to the cap", async () => {
    const clock = new InstantClock();
    const refuse: ChatScript = (_call, response) =>
      sendError(response, 429, "slow", { "retry-after": "3600" });
    await using server = await ScriptedChatServer.start(failing(1, refuse));
    await using manager = manage([server.url], {}, { clock });
    await manager.chatCompletion(request, { signal: never });
    expect(clock.sleeps.reduce((sum, ms) => sum + ms)).toBeLessThanOrEqual(60_500);
  });

  test("a request that failed at one server is tried at another first", async () => {
    await using broken = await ScriptedChatServer.start((_call, response) =>
      sendError(response, 500, "boom"),
    );
    await using sound = await ScriptedChatServer.start(answer);
    await using manager = manage([broken.url, sound.url]);
    await manager.chatCompletion(request, { signal: never });
    expect([broken.calls.length, sound.calls.length]).toEqual([1, 1]);
  });

  test("a retry goes to another server, without waiting for the pause of the first", async () => {
    const clock = new InstantClock();
    await using busy = await ScriptedChatServer.start((_call, response) =>
      sendError(response, 429, "slow", { "retry-after": "60" }),
    );
    await using free = await ScriptedChatServer.start(answer);
    await using manager = manage([busy.url, free.url], {}, { clock });
    await manager.chatCompletion(request, { signal: never });
    await manager.chatCompletion(request, { signal: never });
    expect([busy.calls.length, free.calls.length]).toEqual([1, 2]);
    expect(clock.sleeps).toEqual([500]);
  });

  test("a refused request is not tried again and keeps the server's words", async () => {
    await using server = await ScriptedChatServer.start((_call, response) =>
      sendError(response, 400, "bad tools"),
    );
    await using manager = manage([server.url]);
    await expect(manager.chatCompletion(request, { signal: never })).rejects.toMatchObject({
      code: "INFERENCE_REJECTED",
      retryable: false,
      message: expect.stringContaining("bad tools"),
    });
    expect(server.calls).toHaveLength(1);
  });

  test("a full context is told apart", async () => {
    await using server = await ScriptedChatServer.start((_call, response) =>
      sendError(response, 400, "This model's maximum context length is 100 tokens."),
    );
    await using manager = manage([server.url]);
    await expect(manager.chatCompletion(request, { signal: never })).rejects.toMatchObject({
      code: "INFERENCE_CONTEXT_FULL",
      retryable: false,
    });
  });
});

describe("health", () => {
  test("a dead server among two is set aside after three failures and not called again", async () => {
    const dead = `http://127.0.0.1:${deadPort}/v1`;
    await using alive = await ScriptedChatServer.start(answer);
    await using manager = manage([dead, alive.url], {}, { health: { firstProbeDelayMs: 1e9 } });
    for (let call = 0; call < 5; call += 1) await manager.chatCompletion(request, { signal: never });
    expect(alive.calls).toHaveLength(5);
    expect(manager.metrics()["server/server_1_average_num_attempts"]).toBe((2 + 2 + 2 + 1 + 1) / 5);
  });

  test("a server that came back is on probation: the next failure sets it aside again", async () => {
    await using server = await ScriptedChatServer.start((_call, response) => sendError(response, 500, "no"));
    const setAsideBefore: number[] = [];
    const lines = { write: (line: string) => JSON.parse(line).event === "server-set-aside" && note() };
    const note = () => setAsideBefore.push(server.calls.length);
    await using manager = manage([server.url], {}, { logger: pino({}, lines) });
    await expect(manager.chatCompletion(request, { signal: never })).rejects.toThrow("after 4 attempts");
    expect(setAsideBefore).toEqual([3, 4]);
  });

  test("a server that dies and comes back is found by its /models, and waiting requests go through", async () => {
    const notices: string[] = [];
    const server = await ScriptedChatServer.start(answer);
    const { port, url } = server;
    await using manager = manage(
      [url],
      { timeout: 20 },
      {
        clock: undefined,
        retry: { firstDelayMs: 1 },
        health: { firstProbeDelayMs: 10, maxProbeDelayMs: 20 },
        onNotice: ({ message }) => notices.push(message),
      },
    );
    await manager.chatCompletion(request, { signal: never });
    await server[Symbol.asyncDispose]();
    const answers = [
      manager.chatCompletion(request, { signal: never }),
      manager.chatCompletion(request, { signal: never }),
    ];
    await expect.poll(() => notices.length).toBe(1);
    await using again = await ScriptedChatServer.start(answer, port);
    await Promise.all(answers);
    expect(again.others.every((other) => other === "GET /v1/models")).toBe(true);
    expect(again.calls).toHaveLength(2);
    expect(notices).toEqual([expect.stringContaining(url), expect.stringContaining("answers again")]);
  });

  test("with no server at all a request fails after its timeout, never waiting forever", async () => {
    const url = `http://127.0.0.1:${deadPort}/v1`;
    await using manager = manage(
      [url],
      { timeout: 0.3 },
      {
        clock: undefined,
        retry: { firstDelayMs: 1, maxAttempts: 10 },
        health: { firstProbeDelayMs: 20, maxProbeDelayMs: 50 },
      },
    );
    const failure = manager.chatCompletion(request, { signal: never });
    await expect(failure).rejects.toMatchObject({ code: "INFERENCE_UNREACHABLE", retryable: true });
    await expect(failure).rejects.toThrow(/within 0.3 s.*ECONNREFUSED/);
  });

  test("once the run is stopping nobody waits for a server that is away, neither who waits already nor who comes", async () => {
    const url = `http://127.0.0.1:${deadPort}/v1`;
    const stopping = new AbortController();
    let outages = 0;
    await using manager = manage(
      [url],
      { timeout: 600 },
      {
        clock: undefined,
        retry: { firstDelayMs: 1, maxAttempts: 10 },
        stopping: stopping.signal,
        onNotice: () => {
          outages += 1;
        },
      },
    );
    const waiting = manager.chatCompletion(request, { signal: never });
    const ended = expect(waiting).rejects.toThrow(/is healthy, and the run is stopping.*ECONNREFUSED/);
    await expect.poll(() => outages).toBe(1);
    stopping.abort();
    await ended;
    await expect(manager.chatCompletion(request, { signal: never })).rejects.toMatchObject({
      code: "INFERENCE_UNREACHABLE",
    });
  });

  test("check() tells which servers are up", async () => {
    const dead = `http://127.0.0.1:${deadPort}/v1`;
    await using alive = await ScriptedChatServer.start(answer);
    await using manager = manage([alive.url, dead]);
    expect(await manager.check({ signal: never })).toEqual([
      { baseUrl: alive.url, error: null },
      { baseUrl: dead, error: expect.objectContaining({ code: "INFERENCE_UNREACHABLE" }) },
    ]);
    expect(alive.calls).toEqual([]);
  });
});

test("closing breaks off requests in flight and turns away those that wait", async () => {
  const { script, arrived } = gate();
  await using server = await ScriptedChatServer.start(script);
  const manager = manage([server.url], { num_max_requests_at_once: 1 });
  const answers = [
    manager.chatCompletion(request, { signal: never }),
    manager.chatCompletion(request, { signal: never }),
  ];
  const settled = Promise.allSettled(answers);
  await arrived(1);
  await manager.close();
  await manager.close();
  const closed = { status: "rejected", reason: expect.objectContaining({ code: "INFERENCE_CLOSED" }) };
  expect(await settled).toEqual([closed, closed]);
  await expect(manager.chatCompletion(request, { signal: never })).rejects.toMatchObject({
    code: "INFERENCE_CLOSED",
  });
  await expect.poll(() => server.inFlight).toBe(0);
});

test.each([
  ["no server", [], /at least one/],
  [
    "a server of tokens",
    [{ server_type: "sglang", base_url: "http://127.0.0.1:1/v1" }],
    /"sglang" speaks token ids, not chat/,
  ],
])("%s is a clear error", (_name, servers, message) => {
  expect(
    () => new ServerManager({ servers: servers.map((config) => serverConfig.parse(config)), logger }),
  ).toThrow(message);
});
