/** Rollouts know how long they may become from the servers that play them, where no one configured it. */
import pino from "pino";
import { expect, test } from "vitest";
import { getParser } from "../../parsers/index.ts";
import { ManagedServers, type ManagedServersOptions } from "../../src/inference/managed-servers.ts";
import { serverConfig } from "../../src/inference/server-config.ts";
import { TokenServerManager } from "../../src/inference/token-server-manager.ts";
import { question, startTokenPractice } from "../practice/token-practice.ts";
import { InstantClock } from "../support/instant-clock.ts";
import { ScriptedChatServer } from "../support/scripted-chat-server.ts";
import { practiceFormat } from "../support/scripted-tokens.ts";

const never = new AbortController().signal;
const messages = [{ role: "user" as const, content: question.repeat(4) }];
const request = { messages, max_tokens: 4000 };

function manage(urls: readonly string[], options: Partial<ManagedServersOptions> = {}, type = "vllm") {
  const manager = new TokenServerManager({
    servers: urls.map((base_url) =>
      serverConfig.parse({ server_type: type, base_url, model_name: "practice", timeout: 5 }),
    ),
    logger: pino({ level: "silent" }),
    clock: new InstantClock(),
    random: () => 1,
  });
  const parser = getParser("hermes");
  return new ManagedServers({
    manager,
    format: practiceFormat,
    parser,
    modelName: "practice",
    runId: "r",
    ...options,
  });
}

test.each(["vllm", "sglang", "llamacpp"])(
  "%s is never asked for more than its context holds",
  async (type) => {
    await using practice = await startTokenPractice({ max_model_len: 64 });
    await using servers = manage([practice.url], {}, type);
    const asking = servers.openSession({ sessionId: "a" }).chatCompletion(request, { signal: never });
    await expect(asking).rejects.toMatchObject({
      code: "INFERENCE_CONTEXT_FULL",
      message: expect.stringContaining("the context holds 64, answer included"),
    });
    expect(practice.entries).toEqual([]);
  },
);

test("the least of several servers counts, and of a session's own limit", async () => {
  await using small = await startTokenPractice({ max_model_len: 2000 });
  await using large = await startTokenPractice({ max_model_len: 4000 });
  await using servers = manage([large.url, small.url]);
  expect(await servers.contextLength({ signal: never })).toBe(2000);
  const session = servers.openSession({ sessionId: "a", contextLength: 50 });
  await expect(session.chatCompletion(request, { signal: never })).rejects.toMatchObject({
    message: expect.stringContaining("holds 50,"),
  });
});

test("the answer is asked for once, whoever plays, and not at all where it is configured", async () => {
  await using server = await ScriptedChatServer.start(() => undefined);
  server.pages["/v1/models"] = { data: [{ id: "practice", max_model_len: 10 }] };
  await using servers = manage([server.url]);
  const sessions = ["a", "b", "c"].map((sessionId) => servers.openSession({ sessionId }));
  const asked = sessions.map((session) => session.chatCompletion(request, { signal: never }));
  for (const outcome of await Promise.allSettled(asked)) {
    expect(outcome).toMatchObject({ reason: { code: "INFERENCE_CONTEXT_FULL" } });
  }
  expect(server.others).toEqual(["GET /v1/models"]);

  await using configured = manage([server.url], { contextLength: 20 });
  const asking = configured.openSession({ sessionId: "d" }).chatCompletion(request, { signal: never });
  await expect(asking).rejects.toMatchObject({ message: expect.stringContaining("holds 20,") });
  expect(server.others).toEqual(["GET /v1/models"]);
  expect(server.calls).toEqual([]);
});

test("a server that is away says nothing yet, and is asked again", async () => {
  await using server = await ScriptedChatServer.start(() => undefined);
  server.modelsStatus = 503;
  await using servers = manage([server.url]);
  expect(await servers.contextLength({ signal: never })).toBeNull();
  server.modelsStatus = 200;
  server.pages["/v1/models"] = { data: [{ id: "practice", max_model_len: 10 }] };
  expect(await servers.contextLength({ signal: never })).toBe(10);
});
