import type { ServerResponse } from "node:http";
import pino from "pino";
import { describe, expect, test } from "vitest";
import { serverConfig } from "../../src/inference/server-config.ts";
import type { ServerPoolOptions } from "../../src/inference/server-pool.ts";
import { SessionAffinity } from "../../src/inference/session-affinity.ts";
import { TokenServerManager } from "../../src/inference/token-server-manager.ts";
import { InstantClock } from "../support/instant-clock.ts";
import { type ChatScript, ScriptedChatServer, sendError, sendJson } from "../support/scripted-chat-server.ts";
import { behind, callsOf, tokenRequest } from "../support/token-server-contract.ts";
import { type FakeSample, type TokenWire, tokenWires } from "../support/token-wires.ts";

const never = new AbortController().signal;
const logger = pino({ level: "silent" });
const vllm = tokenWires.find(({ name }) => name === "vllm")!;

const manage = (
  wire: TokenWire,
  urls: readonly string[],
  rest: object = {},
  settings: Partial<ServerPoolOptions> = {},
) =>
  new TokenServerManager({
    servers: urls.map((base_url) => serverConfig.parse({ server_type: wire.serverType, base_url, ...rest })),
    logger,
    clock: new InstantClock(),
    random: () => 1,
    ...settings,
  });

/** Ids made of the request's seed and the sample's number, so that each sample can be told. */
const sampling =
  (wire: TokenWire): ChatScript =>
  ({ body }, response) => {
    const first = Number(wire.seedOf(body) ?? 0);
    const samples = Array.from({ length: wire.nOf(body) }, (_, index): FakeSample => {
      return { ids: [100 + first + index, 2], logprobs: [-1, -0.5], finish: "stop", stopped: 2 };
    });
    sendJson(response, 200, wire.answer(samples, wire.promptOf(body) as number[]));
  };

describe.each(tokenWires.map((wire) => [wire.name, wire] as const))("%s", (_name, wire) => {
  const start = (script = sampling(wire)) => ScriptedChatServer.start(behind(wire, script));

  test.each(["seeded", "unseeded"] as const)(
    "gives four samples, asked for as it can take them, %s",
    async (how) => {
      await using server = await start();
      await using manager = manage(wire, [server.url]);
      const seed = how === "seeded" ? 7 : null;
      const generations = await manager.generate(tokenRequest({ n: 4, seed }), { signal: never });
      expect(generations).toHaveLength(4);
      const calls = callsOf(wire, server);
      expect(calls.map(({ body }) => wire.nOf(body))).toEqual(
        Array.from({ length: 4 / wire.samplesPerCall[how] }, () => wire.samplesPerCall[how]),
      );
      if (how === "seeded") expect(generations.map(({ ids }) => ids[0])).toEqual([107, 108, 109, 110]);
    },
  );

  test("n_kwarg_is_ignored asks one by one, with seeds that differ", async () => {
    await using server = await start();
    await using manager = manage(wire, [server.url], { n_kwarg_is_ignored: true });
    const generations = await manager.generate(tokenRequest({ n: 3 }), { signal: never });
    expect(generations.map(({ ids }) => ids[0])).toEqual([107, 108, 109]);
    const asked = callsOf(wire, server).map(({ body }) => [wire.nOf(body), wire.seedOf(body)].join());
    expect(asked.toSorted()).toEqual(["1,7", "1,8", "1,9"]);
  });

  test("fails over with the same ids, the same sampling and the same session", async () => {
    await using broken = await start((_call, response) => sendError(response, 500, "boom"));
    await using sound = await start();
    await using manager = manage(wire, [broken.url, sound.url]);
    const generations = await manager.generate(tokenRequest(), { signal: never });
    const [failed, answered] = [broken, sound].map((server) => callsOf(wire, server));
    const sent = ({ body }: { body: Record<string, unknown> }) => ({ ...body, rid: "" });
    expect(failed?.map(sent)).toEqual(answered?.map(sent));
    expect(answered?.[0]?.headers[wire.sessionHeader]).toBe("rollout-7");
    expect(generations).toMatchObject([{ ids: [107, 2] }]);
  });

  test("a storm of 429 is outlived", async () => {
    await using server = await start((call, response) =>
      callsOf(wire, server).length < 4
        ? sendError(response, 429, "slow", { "retry-after": "7" })
        : sampling(wire)(call, response),
    );
    await using manager = manage(wire, [server.url]);
    await manager.generate(tokenRequest(), { signal: never });
    expect(callsOf(wire, server)).toHaveLength(4);
  });

  test("an answer that can't be trained on fails the turn at once, and nothing is asked again", async () => {
    const empty: FakeSample = { ids: [5, 2], logprobs: [-1, -9999], finish: "stop" };
    await using server = await start(({ body }, response) =>
      sendJson(response, 200, wire.answer([empty], wire.promptOf(body) as number[])),
    );
    await using manager = manage(wire, [server.url]);
    await expect(manager.generate(tokenRequest(), { signal: never })).rejects.toMatchObject({
      code: "TOKEN_AUDIT_FAILED",
      retryable: true,
    });
    expect(callsOf(wire, server)).toHaveLength(1);
  });

  test.runIf(wire.tellsFinish)(
    "what a server breaks off is sampled anew, and in the end fails the turn",
    async () => {
      const aborted: FakeSample = { ids: [5], logprobs: [-1], finish: "abort" };
      await using server = await start(({ body }, response) =>
        sendJson(response, 200, wire.answer([aborted], wire.promptOf(body) as number[])),
      );
      await using manager = manage(wire, [server.url], { health_check: false });
      await expect(manager.generate(tokenRequest(), { signal: never })).rejects.toMatchObject({
        code: "INFERENCE_FAILED",
        retryable: true,
        message: expect.stringMatching(/after 4 attempts.*"abort"/),
      });
    },
  );
});

describe("sessions", () => {
  /** Holds what comes until `release`. */
  function gate() {
    const held: (() => void)[] = [];
    const script: ChatScript = (call, response: ServerResponse) => {
      held.push(() => sampling(vllm)(call, response));
    };
    return { script, held, release: () => held.splice(0).forEach((answer) => void answer()) };
  }
  const turn = (manager: TokenServerManager, sessionId: string) =>
    manager.generate(tokenRequest({}, { sessionId }), { signal: never });

  test("stay where they were answered last, while the balance would move them", async () => {
    const { script, held, release } = gate();
    await using first = await ScriptedChatServer.start(script);
    await using second = await ScriptedChatServer.start(sampling(vllm));
    await using manager = manage(vllm, [first.url, second.url]);
    const a = turn(manager, "a");
    await expect.poll(() => held.length).toBe(1);
    await turn(manager, "b");
    release();
    await a;
    // Both servers idle: without its session, "b" would go to the first.
    await turn(manager, "b");
    expect([first.calls.length, second.calls.length]).toEqual([1, 2]);
  });

  test("move on when their server is full, rather than wait", async () => {
    const { script, held, release } = gate();
    await using first = await ScriptedChatServer.start(script);
    await using second = await ScriptedChatServer.start(sampling(vllm));
    await using manager = manage(vllm, [first.url, second.url], { num_max_requests_at_once: 1 });
    const before = turn(manager, "a");
    await expect.poll(() => held.length).toBe(1);
    release();
    await before;
    const other = turn(manager, "x");
    await expect.poll(() => held.length).toBe(1);
    await turn(manager, "a");
    expect(second.calls).toHaveLength(1);
    release();
    await other;
  });

  test("leave a server that fails, and do not return to it at once", async () => {
    let broken = false;
    await using first = await ScriptedChatServer.start((call, response) =>
      broken ? sendError(response, 500, "boom") : sampling(vllm)(call, response),
    );
    await using second = await ScriptedChatServer.start(sampling(vllm));
    await using manager = manage(vllm, [first.url, second.url]);
    await turn(manager, "a");
    broken = true;
    await turn(manager, "a");
    broken = false;
    await turn(manager, "a");
    expect([first.calls.length, second.calls.length]).toEqual([2, 2]);
  });

  test("beyond the capacity forget the one unused for the longest time", () => {
    const sessions = new SessionAffinity<number>(2);
    sessions.set("a", 1);
    sessions.set("b", 2);
    sessions.set("a", 3);
    sessions.set("c", 4);
    expect(["a", "b", "c"].map((session) => sessions.get(session))).toEqual([3, undefined, 4]);
  });
});

test("tells each server's weight version, and who is up", async () => {
  await using first = await ScriptedChatServer.start(sampling(vllm));
  await using second = await ScriptedChatServer.start(sampling(vllm));
  first.pages["/weight_info"] = { weight_version: "12" };
  await using manager = manage(vllm, [first.url, second.url]);
  expect(await manager.weightVersions({ signal: never })).toEqual([
    { baseUrl: first.url, version: "12" },
    { baseUrl: second.url, version: null },
  ]);
  expect(await manager.check({ signal: never })).toEqual([
    { baseUrl: first.url, error: null },
    { baseUrl: second.url, error: null },
  ]);
});

test("train and eval are counted apart, under Atropos' names", async () => {
  await using server = await ScriptedChatServer.start(sampling(vllm));
  await using manager = manage(vllm, [server.url]);
  await manager.generate(tokenRequest(), { signal: never });
  await manager.generate(tokenRequest(), { signal: never, split: "eval" });
  const names = Object.keys(manager.metrics());
  expect(names).toContain("server/server_0_request_time_avg");
  expect(names).toContain("server/server_0_eval_request_time_avg");
});

test("closing breaks off what is in flight and leaves no connection", async () => {
  const called = Promise.withResolvers<void>();
  await using server = await ScriptedChatServer.start(() => called.resolve());
  const manager = manage(vllm, [server.url]);
  const ended = expect(manager.generate(tokenRequest(), { signal: never })).rejects.toMatchObject({
    code: "INFERENCE_CLOSED",
  });
  await called.promise;
  await manager.close();
  await ended;
  await expect.poll(() => server.openConnections).toBe(0);
});

test.each([
  ["no server", [], /at least one/],
  ["a chat server", [{ base_url: "http://127.0.0.1:1/v1" }], /"openai" gives no exact tokens/],
  [
    "two tokenizers",
    [
      { server_type: "vllm", base_url: "http://127.0.0.1:1", model_name: "a" },
      { server_type: "vllm", base_url: "http://127.0.0.1:2", model_name: "b" },
    ],
    /one tokenizer; got a, b/,
  ],
])("%s is a clear error", (_name, servers, message) => {
  const parsed = servers.map((config) => serverConfig.parse(config));
  expect(() => new TokenServerManager({ servers: parsed, logger })).toThrow(message);
});

test.each([0, -1, 1.5])("n=%d is a clear error", async (n) => {
  await using manager = manage(vllm, ["http://127.0.0.1:1"]);
  await expect(manager.generate(tokenRequest({ n }), { signal: never })).rejects.toThrow(
    "n is a whole number",
  );
});

test("servers of one tokenizer may have models of different names", async () => {
  await using manager = new TokenServerManager({
    servers: ["a", "b"].map((model_name) =>
      serverConfig.parse({
        server_type: "vllm",
        base_url: "http://127.0.0.1:1",
        model_name,
        tokenizer_name: "Qwen/Qwen3-8B",
      }),
    ),
    logger,
  });
  expect(manager.tokenizerName).toBe("Qwen/Qwen3-8B");
});
