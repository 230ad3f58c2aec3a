import { pino } from "pino";
import { expect, test } from "vitest";
import { z } from "zod";
import { openJudge } from "../../src/cli/open-judge.ts";
import { readProcessEnvironment } from "../../src/cli/process-environment.ts";
import { serverConfig } from "../../src/inference/server-config.ts";
import { EventBus } from "../../src/telemetry/events.ts";
import { completion, ScriptedChatServer, sendJson } from "../support/scripted-chat-server.ts";

const policy = serverConfig.parse({ base_url: "http://127.0.0.1:9001/v1", model_name: "qwen" });
const open = (judge: object | null, environment: NodeJS.ProcessEnv = {}, servers = [policy]) =>
  openJudge({
    env: { judge },
    servers,
    logger: pino({ level: "silent" }),
    events: new EventBus(),
    environment: readProcessEnvironment(environment),
    stopping: new AbortController().signal,
  });

test.each(["http://127.0.0.1:9001/v1", "http://localhost:9001", "http://127.0.0.1:9001/v1/"])(
  "the policy's own model at %s is refused as its judge, unless that is said",
  async (base_url) => {
    expect(() => open({ base_url, model_name: "qwen" })).toThrow(
      expect.objectContaining({ code: "JUDGE_IS_POLICY" }),
    );
    await open({ base_url, model_name: "qwen", may_be_policy: true })?.[Symbol.asyncDispose]();
  },
);

test("another model, or another server, may judge; without a section there is no judge", async () => {
  await open({ base_url: "http://127.0.0.1:9001/v1", model_name: "other" })?.[Symbol.asyncDispose]();
  await open({ base_url: "http://127.0.0.1:9002/v1", model_name: "qwen" })?.[Symbol.asyncDispose]();
  expect(open(null)).toBeUndefined();
});

test.each([
  ["its own key", { OPENAI_API_KEY: "for-openai", JUDGE_API_KEY: "for-judge" }, "Bearer for-judge"],
  ["never OpenAI's, where it is another server", { OPENAI_API_KEY: "for-openai" }, undefined],
])("a judge is sent %s", async (_what, environment, authorization) => {
  await using server = await ScriptedChatServer.start((_call, response) =>
    sendJson(response, 200, completion(['{"fine": true}'])),
  );
  const judge = open({ base_url: server.url, model_name: "judge", cache: false }, environment);
  await using closing = judge;
  await closing?.ask(
    { messages: [], verdictName: "v", verdict: z.object({ fine: z.boolean() }), vote: 0, votes: 1 },
    { signal: new AbortController().signal },
  );
  expect(server.calls[0]?.headers.authorization).toBe(authorization);
});
