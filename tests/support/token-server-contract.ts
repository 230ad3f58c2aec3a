/** What every token server must do, whatever its wire. Run on each of `tokenWires`. */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import type { GenerateRequest, Sampling } from "../../src/contracts/token-server.ts";
import { createTokenServer } from "../../src/inference/create-inference-server.ts";
import { serverConfig } from "../../src/inference/server-config.ts";
import {
  type ChatCall,
  type ChatScript,
  deadPort,
  ScriptedChatServer,
  sendError,
  sendJson,
} from "./scripted-chat-server.ts";
import { contractSampling, type FakeSample, inputIds, routeMissing, type TokenWire } from "./token-wires.ts";

const never = new AbortController().signal;

export const tokenRequest = (sampling: Partial<Sampling> = {}, rest: Partial<GenerateRequest> = {}) => ({
  inputIds,
  sampling: { ...contractSampling, ...sampling },
  sessionId: "rollout-7",
  ...rest,
});

/** The script behind the wire's own path; a vLLM without the generate route says so at that one. */
export const behind =
  (wire: TokenWire, script: ChatScript): ChatScript =>
  (call, response) =>
    call.path === wire.path
      ? script(call, response)
      : sendJson(response, routeMissing.status, routeMissing.body);

export const openTokenServer = (wire: TokenWire, baseUrl: string, rest: object = {}) =>
  createTokenServer(
    serverConfig.parse({ server_type: wire.serverType, base_url: baseUrl, model_name: "m-7b", ...rest }),
  );

export const callsOf = (wire: TokenWire, server: ScriptedChatServer): ChatCall[] =>
  server.calls.filter(({ path }) => path === wire.path);

const paris: FakeSample = { ids: [3681, 13, 2], logprobs: [-0.12, -1.5, 0], finish: "stop", stopped: 2 };
const answering =
  (wire: TokenWire, samples: readonly FakeSample[], change = (answer: unknown) => answer): ChatScript =>
  ({ body }, response) =>
    sendJson(response, 200, change(wire.answer(samples, wire.promptOf(body) as number[])));

export function describeTokenServer(wire: TokenWire): void {
  /** One generate call against a server that does what the script says at the wire's path. */
  async function ask(script: ChatScript, { sampling = {}, config = {} } = {}) {
    await using scripted = await ScriptedChatServer.start(behind(wire, script));
    await using server = openTokenServer(wire, scripted.url, config);
    const answer = await server.generate(tokenRequest(sampling), { signal: never }).then(
      (generations) => ({ generations, error: undefined }),
      (error: unknown) => ({ generations: [], error }),
    );
    return { ...answer, calls: callsOf(wire, scripted) };
  }

  describe(wire.name, () => {
    test("is sent every sampling field under its own names, the ids, the key and the session", async () => {
      const { calls } = await ask(answering(wire, [paris]), { config: { api_key: "secret" } });
      const [call] = calls;
      const rid = call?.body.rid === undefined ? {} : { rid: "(made up)" };
      expect({ ...call?.body, ...rid }).toEqual(wire.expectedBody);
      expect(call?.headers[wire.sessionHeader]).toBe("rollout-7");
      expect(call?.headers.authorization).toBe("Bearer secret");
    });

    test("is told in its own way that samplers are off, and no seed", async () => {
      const off = { temperature: 1, top_p: 1, top_k: 0, min_p: 0, repetition_penalty: 1, seed: null };
      const { calls, generations } = await ask(answering(wire, [paris]), { sampling: off });
      const body = JSON.stringify(calls[0]?.body);
      const topKOff = { sglang: -1, trl: -1, atropos: -1, vllm: 0, llamacpp: 0, openai: 0 }[wire.serverType];
      expect(body).toContain(`"top_k":${topKOff}`);
      expect(body).toMatch(/"(repetition|repeat)_penalty":1[,}]/);
      expect([null, -1, undefined]).toContain(wire.seedOf(calls[0]!.body));
      expect(generations).toHaveLength(1);
    });

    test.each([
      ["", ""],
      ["/", ""],
      ["/v1", ""],
      ["/v1/", ""],
      ["/proxy/v1", "/proxy"],
    ])("is found below a base URL that ends in %j", async (path, root) => {
      const within = { ...wire, path: root + wire.path };
      await using scripted = await ScriptedChatServer.start(behind(within, answering(wire, [paris])));
      await using server = openTokenServer(wire, `http://127.0.0.1:${scripted.port}${path}`);
      await server.generate(tokenRequest(), { signal: never });
      expect(callsOf(within, scripted)).toHaveLength(1);
    });

    test("gives ids and log-probabilities as sampled, end and stop tokens kept", async () => {
      const { generations } = await ask(answering(wire, [paris]));
      expect(generations).toEqual([
        {
          ids: [3681, 13, 2],
          logprobs: [-0.12, -1.5, 0],
          logprobKind: wire.logprobKind,
          finishReason: "stop",
          stopReason: 2,
          ...(wire.serverType === "sglang" && { versions: [17, 17, 17] }),
        },
      ]);
    });

    test("an end token that nobody asked to stop at is no stop reason", async () => {
      const eos = { ids: [3681, 151_645], logprobs: [-0.1, -0.2], finish: "stop" } as const;
      const { generations } = await ask(answering(wire, [eos]), { sampling: { stop_token_ids: [] } });
      expect(generations).toMatchObject([{ ids: [3681, 151_645], finishReason: "stop", stopReason: null }]);
    });

    test("a cut sequence stays cut", async () => {
      const cut = { ids: [5, 6, 7, 8], logprobs: [-1, -1, -1, -1], finish: "length" } as const;
      const { generations } = await ask(answering(wire, [cut]), { sampling: { max_tokens: 4 } });
      expect(generations).toMatchObject([{ ids: [5, 6, 7, 8], finishReason: "length", stopReason: null }]);
    });

    test.runIf(wire.tellsStopString)("names the stop string that ended it", async () => {
      const word = { ids: [5, 6], logprobs: [-1, -1], finish: "stop", stopped: "</answer>" } as const;
      const { generations } = await ask(answering(wire, [word]));
      expect(generations).toMatchObject([{ finishReason: "stop", stopReason: "</answer>" }]);
    });

    test("log-probabilities are called what the configuration says", async () => {
      for (const logprob_kind of ["raw", "processed"]) {
        const { generations } = await ask(answering(wire, [paris]), { config: { logprob_kind } });
        expect(generations[0]?.logprobKind).toBe(logprob_kind);
      }
    });

    test.runIf(wire.samplesPerCall.unseeded > 1)("gives several samples in order", async () => {
      const samples = [0, 1, 2].map((index) => ({ ...paris, ids: [100 + index, 2], logprobs: [-index, -1] }));
      const { generations, calls } = await ask(answering(wire, samples), {
        sampling: { n: 3, seed: null },
      });
      expect(wire.nOf(calls[0]!.body)).toBe(3);
      expect(generations.map(({ ids }) => ids[0])).toEqual([100, 101, 102]);
      expect(generations.map(({ logprobs }) => logprobs[0])).toEqual([0, -1, -2]);
    });

    describe("an answer that can't be trained on is refused:", () => {
      const sample = (change: Partial<FakeSample>) => answering(wire, [{ ...paris, ...change }]);
      const rewrite =
        (from: RegExp, to: string): ChatScript =>
        ({ body }, response) => {
          const text = JSON.stringify(wire.answer([paris], wire.promptOf(body) as number[]));
          expect(text).toMatch(from);
          response.writeHead(200, { "content-type": "application/json" }).end(text.replace(from, to));
        };
      test.each<[string, ChatScript, RegExp]>([
        ["fewer log-probabilities than ids", sample({ logprobs: [-1, -1] }), /3 ids with 2 log-prob/],
        ["more log-probabilities than ids", sample({ logprobs: [-1, -1, -1, -1] }), /3 ids with 4 log-prob/],
        ["a missing log-probability", sample({ logprobs: [-1, null, -1] }), /log-probability of id 2/],
        ["-9999 for one", sample({ logprobs: [-1, -9999, -1] }), /-9999 as the log-probability of id 2/],
        ["NaN for one", rewrite(/-1\.5/g, "NaN"), /log-probability of id 2/],
        ["-Infinity for one", rewrite(/-1\.5/g, "-Infinity"), /log-probability of id 2/],
        ["a number beyond all floats for one", rewrite(/-1\.5/g, "-1e999"), /log-probability of id 2/],
        ["a probability above 1", sample({ logprobs: [-1, 0.5, -1] }), /0.5 as the log-probability of id 2/],
        ["no id at all", sample({ ids: [], logprobs: [] }), /without any id/],
        [
          "no log-probabilities",
          answering(wire, [paris], wire.withoutLogprobs),
          /no log-probabilities|3 ids with 0/,
        ],
        [
          "another prompt",
          ({ body }, response) =>
            sendJson(response, 200, wire.answer([paris], [...(wire.promptOf(body) as number[]), 9])),
          /a prompt of 4 ids where 3 were sent/,
        ],
      ])("%s", async (_name, script, message) => {
        const { error } = await ask(script);
        expect(error).toMatchObject({ code: "TOKEN_AUDIT_FAILED", retryable: true });
        expect((error as Error).message).toMatch(message);
        expect((error as Error).message).toContain("http://127.0.0.1:");
      });

      test("more ids than were asked for", async () => {
        const { error } = await ask(answering(wire, [{ ...paris, ids: [3681, 13, 4] }]), {
          sampling: { max_tokens: 2 },
        });
        expect(error).toMatchObject({ code: "TOKEN_AUDIT_FAILED" });
        expect((error as Error).message).toContain("max_tokens=2");
      });
    });

    test.runIf(wire.tellsFinish)("a generation that the server broke off is no answer", async () => {
      const { error } = await ask(answering(wire, [{ ...paris, finish: "abort" }]));
      expect(error).toMatchObject({ code: "INFERENCE_FAILED", kind: "server-error", retryable: true });
      expect((error as Error).message).toContain('"abort"');
    });

    test.each([
      [400, "rejected", false],
      [401, "rejected", false],
      [422, "rejected", false],
      [429, "rate-limited", true],
      [500, "server-error", true],
      [503, "server-error", true],
    ])("status %i is %s and keeps the server's words", async (status, kind, retryable) => {
      const refuse: ChatScript = (_call, response) =>
        sendError(response, status, "top_p must be in (0, 1]", { "retry-after": "7" });
      const { error } = await ask(refuse);
      expect(error).toMatchObject({ kind, retryable, retryAfterMs: 7_000, status });
      expect((error as Error).message).toContain(`HTTP ${status} top_p must be in (0, 1]`);
    });

    test("its way to say that the context is full is understood", async () => {
      const { status, body } = wire.contextFull;
      const { error } = await ask((_call, response) => sendJson(response, status, body));
      expect(error).toMatchObject({ code: "INFERENCE_CONTEXT_FULL", retryable: false });
    });

    test.each<[string, ChatScript]>([
      ["a web page", (_call, response) => response.writeHead(200).end("<html>It works!</html>")],
      ["half an answer", (_call, response) => response.writeHead(200).end('{"choices":[{"tok')],
      ["another API's answer", (_call, response) => sendJson(response, 200, { object: "list", data: [] })],
    ])("%s is malformed and may be retried", async (_name, script) => {
      const { error } = await ask(script);
      expect(error).toMatchObject({ code: "INFERENCE_MALFORMED", retryable: true });
    });

    test.each<[string, ChatScript, RegExp]>([
      ["hangs", () => undefined, /within 0.2 s/],
      ["hangs up", (_call, response) => response.destroy(), /broke off/],
    ])("a server that %s is unreachable", async (_name, script, message) => {
      const { error } = await ask(script, {
        config: message.source.includes("within") ? { timeout: 0.2 } : {},
      });
      expect(error).toMatchObject({ code: "INFERENCE_UNREACHABLE", retryable: true });
      expect((error as Error).message).toMatch(message);
    });

    test("an abort ends the call with its own reason and closes the connection", async () => {
      const called = Promise.withResolvers<ServerResponse>();
      const hang = behind(wire, (_call, response) => called.resolve(response));
      await using scripted = await ScriptedChatServer.start(hang);
      await using server = openTokenServer(wire, scripted.url);
      const abort = new AbortController();
      const answer = server.generate(tokenRequest(), { signal: abort.signal });
      const closed = called.promise.then((response) => once(response, "close"));
      await called.promise;
      abort.abort(new Error("rollout cancelled"));
      await expect(answer).rejects.toThrow("rollout cancelled");
      await closed;
      await expect(server.generate(tokenRequest(), { signal: abort.signal })).rejects.toThrow("cancelled");
    });

    test("disposing breaks off what is in flight and leaves no connection", async () => {
      const called = Promise.withResolvers<ServerResponse>();
      const hang = behind(wire, (_call, response) => called.resolve(response));
      await using scripted = await ScriptedChatServer.start(hang);
      const server = openTokenServer(wire, scripted.url);
      const ended = expect(server.generate(tokenRequest(), { signal: never })).rejects.toThrow();
      await called.promise;
      await server[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await ended;
      await expect.poll(() => scripted.openConnections).toBe(0);
    });

    test.each([
      [200, null],
      [404, null],
      [503, "server-error"],
    ])("a probe answered %i finds %s wrong, without a generation", async (status, kind) => {
      await using scripted = await ScriptedChatServer.start(() => undefined);
      scripted.modelsStatus = status;
      await using server = openTokenServer(wire, scripted.url);
      const error = await server.probe({ signal: never });
      expect(error && "kind" in error ? error.kind : null).toBe(kind);
      expect(scripted.others).toEqual([`GET ${wire.healthPath}`]);
      expect(scripted.calls).toEqual([]);
    });

    test("tells its weights' version where it has a word for it", async () => {
      await using scripted = await ScriptedChatServer.start(() => undefined);
      await using server = openTokenServer(wire, scripted.url);
      expect(await server.weightVersion({ signal: never })).toBeNull();
      if (wire.versionPage) scripted.pages[wire.versionPage.path] = wire.versionPage.body;
      expect(await server.weightVersion({ signal: never })).toBe(wire.versionPage?.version ?? null);
      scripted.modelsStatus = 404;
      expect(await server.weightVersion({ signal: never })).toBeNull();
    });

    test("tells how long prompt and answer may be where it has a page for it", async () => {
      await using scripted = await ScriptedChatServer.start(() => undefined);
      await using server = openTokenServer(wire, scripted.url);
      expect(await server.contextLength({ signal: never })).toBeNull();
      for (const { path, body, length } of wire.lengthPages) {
        scripted.pages[path] = body;
        expect(await server.contextLength({ signal: never })).toBe(length);
      }
      scripted.modelsStatus = 404;
      expect(await server.contextLength({ signal: never })).toBeNull();
    });

    test("a refused connection is unreachable", async () => {
      await using server = openTokenServer(wire, `http://127.0.0.1:${deadPort}/v1`);
      await expect(server.generate(tokenRequest(), { signal: never })).rejects.toMatchObject({
        code: "INFERENCE_UNREACHABLE",
        message: expect.stringContaining("ECONNREFUSED"),
      });
    });

    test("needs a base_url", () => {
      expect(() => openTokenServer(wire, "")).toThrow(`server_type "${wire.serverType}" needs a base_url`);
    });
  });
}
