import { expect, test } from "vitest";
import { readLittleWeb } from "../../environments/web-research/little-web.ts";
import { researchTurn } from "../../environments/web-research/research-play.ts";
import { bundledResearch, WebResearchEnv, webResearchConfig } from "../../environments/web-research.ts";
import { readResearchRows, WebResearchTeacher } from "../../environments/web-research-teacher.ts";
import { openToolServices } from "../../src/cli/tool-services.ts";
import type { ChatServer } from "../../src/contracts/chat.ts";
import { createEnvironment } from "../../src/env/create-environment.ts";
import { PolicyServer } from "../../src/env/policies.ts";
import { validateEnvironment } from "../../src/env/validate.ts";
import { testServices } from "../support/env-services.ts";
import { startLittleWeb } from "../support/little-web-server.ts";
import { call, calls, ScriptedModel, says } from "../support/scripted-model.ts";

const signal = new AbortController().signal;
const { rows } = await readResearchRows(Object.values(bundledResearch), { signal });
const config = (more: object = {}) => webResearchConfig.parse({ ...WebResearchEnv.defaults.env, ...more });

function taught(errs: boolean): ChatServer["chatCompletion"] {
  const teacher = new WebResearchTeacher(rows);
  return async (request, options) => {
    const { messages, tools = [] } = request;
    const turn = teacher.recognise(messages)?.nextTurn({ messages, tools, seed: 3, errs });
    if (turn === undefined) throw new Error("the teacher doesn't know this question");
    const [only] = turn.calls;
    const scripted = only ? calls(call(only.name, only.arguments)) : says(turn.content ?? "");
    return new ScriptedModel(scripted).chatCompletion(request, options);
  };
}

test.each([
  ["answers every bundled question from the pages that it read", false, 1],
  ["that errs is worth nothing", true, 0],
])("the teacher %s", async (_what, errs, score) => {
  await using services = await testServices(taught(errs));
  const env = new WebResearchEnv({ services, config: config() });
  await env.setup({ signal });
  const evaluation = await env.evaluate({ signal });
  expect(evaluation?.metrics).toMatchObject({ "eval/mean_reward": score, "eval/scored": 4 });
  await env.cleanup();
});

test("gold is worth 1, and nothing, chance and each cheat 0", async () => {
  await using services = await testServices();
  const server = new PolicyServer();
  const env = createEnvironment(WebResearchEnv, {
    config: config(),
    services: { ...services, servers: server },
  });
  const report = await validateEnvironment({ env, server, items: 8, signal });
  expect(report.passes).toBe(true);
  expect(report.policies.map(({ policy, mean }) => [policy === "gold", mean])).toEqual(
    report.policies.map(({ policy }) => [policy === "gold", policy === "gold" ? 1 : 0]),
  );
  expect(report.policies.length).toBeGreaterThan(6);
});

test("over a real search engine and real pages it plays the same way", async () => {
  await using web = await startLittleWeb();
  await using tools = await openToolServices({
    web_searxng_url: web.url,
    web_plain_fetch: true,
    web_allowed_hosts: [web.host],
  });
  const [row] = rows;
  if (row === undefined) throw new Error("there are questions");
  const { sources: _bundled, ...unknownSources } = row;
  await using services = await testServices((request, options) => {
    const turn = request.messages.filter(({ role }) => role === "assistant").length;
    const { content, calls: made } = researchTurn(unknownSources, row.answer, {
      turn,
      messages: request.messages,
    });
    const [only] = made ?? [];
    const scripted = only ? calls(call(only.name, only.arguments)) : says(content ?? "");
    return new ScriptedModel(scripted).chatCompletion(request, options);
  });
  const env = new WebResearchEnv({
    services: { ...services, tools },
    config: config({ web: "configured" }),
  });
  await env.prepare({ signal });
  const played = await env.playRollout(row, {
    rolloutId: "r",
    groupId: "g",
    seed: 0,
    split: "train",
    tools: env.chooseTools(0),
    signal,
    deadlineMs: Number.POSITIVE_INFINITY,
  });
  // All pages stand on one site here: half of what sources are worth.
  expect(played.outcome).toMatchObject({ kind: "scored", reward: expect.closeTo(0.925) });
  expect(env.rewardOf(played)?.parts).toMatchObject({
    short_answer: { raw: 1 },
    used_tools: { raw: 1 },
    turn_efficiency: { raw: 1 },
    cited_sources: { raw: 0.5 },
  });
  const paths = web.requests.map(({ path }) => path);
  expect(paths[0]).toMatch(/^\/search\?q=/);
  expect(paths.filter((path) => !path.startsWith("/search")).length).toBeGreaterThan(1);
  await env.cleanup();
});

test("a dataset of one's own is played on the configured web, and says what to set where there is none", async () => {
  await using services = await testServices();
  const env = new WebResearchEnv({ services, config: config({ dataset_path: bundledResearch.train }) });
  await expect(env.prepare({ signal })).rejects.toThrow(/web_searxng_url|web_search/);
  await env.cleanup();
});

test("every bundled question rests on pages of two sites that exist", async () => {
  const pages = await readLittleWeb();
  const known = new Set(pages.map(({ url }) => url));
  expect(new Set(rows.map(({ question }) => question)).size).toBe(12);
  for (const { question, sources = [] } of rows) {
    expect([question, sources.filter((url) => !known.has(url))]).toEqual([question, []]);
    expect(new Set(sources.map((url) => new URL(url).hostname)).size).toBeGreaterThan(1);
  }
});
