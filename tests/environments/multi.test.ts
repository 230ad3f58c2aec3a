import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { environments } from "../../environments/index.ts";
import { MultiEnv, multiConfig } from "../../environments/multi.ts";
import { teachers } from "../../environments/teachers.ts";
import { heldOutTasks } from "../../environments/terminal-test-tasks.ts";
import { openServices } from "../../src/cli/environment-services.ts";
import type { ChatServer } from "../../src/contracts/chat.ts";
import { HermesAgentBaseEnv } from "../../src/env/hermes-agent-base-env.ts";
import { PolicyServer } from "../../src/env/policies.ts";
import { processEnvironment } from "../../src/env/process.ts";
import { startEnvironment } from "../../src/env/start-environment.ts";
import { validateEnvironment } from "../../src/env/validate.ts";
import { EventBus } from "../../src/telemetry/events.ts";
import { neverStopped } from "../support/env-services.ts";
import { call, calls, ScriptedModel, says } from "../support/scripted-model.ts";

const { signal } = new AbortController();
const { teacher } = await teachers.multi.open({ dataset: undefined, signal });

const taught: ChatServer = {
  async chatCompletion(request, options) {
    const { messages, tools = [] } = request;
    const lesson = teacher.recognise(messages);
    if (!lesson) throw new Error("no teacher knows this task");
    const turn = lesson.nextTurn({ messages, tools, seed: 3, errs: false });
    const scripted =
      turn.calls.length > 0
        ? calls(...turn.calls.map((each) => call(each.name, each.arguments)))
        : says(turn.content ?? "");
    return new ScriptedModel(scripted).chatCompletion(request, options);
  },
};

const shell = { name: "terminal-test", config: { terminal_isolation: "none", max_agent_turns: 4 } };
const cards = { name: "games", weight: 3, config: { games: ["blackjack"], eval_items: 4 } };

/** The environment in a run of its own, wired as the command line does. */
async function open(config: object, model: ChatServer = taught) {
  const started = new AsyncDisposableStack();
  const runDirectory = await mkdtemp(join(tmpdir(), "lachesis-multi-"));
  started.defer(() => rm(runDirectory, { recursive: true, force: true }));
  const parsed = multiConfig.parse({ environments: [shell, cards], group_size: 2, ...config });
  const services = started.use(
    await openServices({
      env: parsed,
      servers: [],
      environments,
      model,
      runDirectory,
      logger: pino({ level: "silent" }),
      events: new EventBus(),
      environment: {
        openaiApiKey: undefined,
        rolloutServerToken: undefined,
        hubToken: undefined,
        cacheDirectory: runDirectory,
        sandboxSecrets: {},
        toolSettings: {},
        allowsColor: false,
      },
      stopping: signal,
    }),
  );
  const env = new MultiEnv({ config: parsed, services });
  return { env, runDirectory, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

test("items come by weight, and each environment's groups are its own", async () => {
  await using run = await open({ total_steps: 8, ensure_scores_are_not_same: false, include_messages: true });
  const { env, runDirectory } = run;
  const path = join(runDirectory, "groups.jsonl");
  Object.assign(env.config, { data_path_to_save_groups: path });
  const { groups } = await processEnvironment({ env, ...neverStopped() });
  expect(groups).toBe(8);
  const lines = (await readFile(path, "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const whose = lines.map(({ group_overrides: overrides }) => overrides.environment).sort();
  expect(whose).toEqual([...Array(6).fill("games"), ...Array(2).fill("terminal-test")]);
  for (const { group_overrides: overrides, messages, scores } of lines) {
    expect(scores).toEqual([1, 1]);
    const used = JSON.stringify(messages).includes('"tool"');
    expect(used).toBe(overrides.environment === "terminal-test");
  }
});

test("metrics, evaluations and their samples say whose they are", async () => {
  await using run = await open({});
  await using _started = await startEnvironment(run.env, signal);
  const evaluation = await run.env.evaluate({ signal });
  expect(evaluation?.metrics).toMatchObject({
    "games/eval/accuracy": 1,
    "games/eval/scored": 4,
    "terminal-test/eval/accuracy": 1,
  });
  const whose = evaluation?.samples.map(({ environment }) => environment) ?? [];
  expect(whose.filter((label) => label === "games")).toHaveLength(4);
  expect(whose.filter((label) => label === "terminal-test").length).toBeGreaterThan(1);
  expect(Object.keys(run.env.takeMetrics()).every((name) => /^(games|terminal-test)\//.test(name))).toBe(
    true,
  );
});

test("each has its own tools, sandboxes and seed; what is the run's is the run's", async () => {
  await using run = await open({ seed: 5 });
  await using _started = await startEnvironment(run.env, signal);
  const parts = new Map(run.env.parts().map(({ label, env }) => [label, env]));
  const [terminal, games] = [parts.get("terminal-test"), parts.get("games")];
  if (!(terminal instanceof HermesAgentBaseEnv && games instanceof HermesAgentBaseEnv))
    throw new Error("not opened");
  expect(terminal.chooseTools(1).map(({ name }) => name)).toContain("terminal");
  expect(games.chooseTools(1)).toEqual([]);
  expect(terminal.services.backend).not.toBe(games.services.backend);
  expect(terminal.services.servers).toBe(games.services.servers);
  expect([terminal.config.group_size, games.config.group_size]).toEqual([2, 2]);
  expect([terminal.config.max_agent_turns, games.config.max_token_length]).toEqual([4, 512]);
  expect(new Set([5, terminal.config.seed, games.config.seed]).size).toBe(3);
});

test("a checkpoint holds each environment's own, and the mix goes on from it", async () => {
  const take = async (env: MultiEnv, count: number) => {
    const taken: unknown[] = [];
    for (let index = 0; index < count; index += 1) taken.push(await env.getNextItem({ signal }));
    return taken;
  };
  await using first = await open({});
  await using _first = await startEnvironment(first.env, signal);
  await take(first.env, 5);
  const state = JSON.parse(JSON.stringify(first.env.checkpointState()));
  const expected = await take(first.env, 6);
  await using second = await open({});
  await using _second = await startEnvironment(second.env, signal);
  await second.env.restoreState(state);
  const games = (items: unknown[]) => items.filter((item) => JSON.stringify(item).includes('"games"'));
  const went = await take(second.env, 6);
  expect(games(went)).toEqual(games(expected));
  expect(games(went).length).toBeGreaterThan(3);
});

test("validation plays each of them", async () => {
  const server = new PolicyServer();
  await using run = await open({}, server);
  const report = await validateEnvironment({ env: run.env, server, items: 3, signal });
  expect(report.policies.filter(({ passes }) => !passes)).toEqual([]);
  expect(report.policies.map(({ policy }) => policy)).toEqual(
    expect.arrayContaining(["terminal-test: gold", "games: gold", "games: cheat: says that it has won"]),
  );
  expect(report.items).toBe(6);
});

test("validation of a benchmark in the mix plays the rows that ship, as it does alone", async () => {
  const server = new PolicyServer();
  await using run = await open({ environments: [cards, { name: "mmlu" }] }, server);
  const report = await validateEnvironment({ env: run.env, server, items: 2, signal });
  expect(report).toMatchObject({ passes: true, items: 4, environments: 2 });
});

describe("a configuration", () => {
  test.each([
    ["of an unknown environment", [{ name: "gamez" }], "ENVIRONMENT_UNKNOWN", "gamez"],
    [
      "with a wrong key",
      [{ name: "games", config: { eval_itemz: 1 } }],
      "CONFIG_INVALID",
      "env.environments.0.config",
    ],
    [
      "with a wrong value",
      [{ name: "games", config: { eval_items: 0 } }],
      "CONFIG_INVALID",
      "env.environments.0.config.eval_items",
    ],
    [
      "with what is the run's",
      [cards, { name: "terminal-test", config: { group_size: 9 } }],
      "CONFIG_INVALID",
      "env.environments.1.config.group_size",
    ],
    ["with one name twice", [cards, cards], "CONFIG_INVALID", "env.environments.1: a second"],
  ])("%s is refused, by its place", async (_what, environments, code, message) => {
    await using run = await open({ environments });
    await expect(startEnvironment(run.env, signal)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });

  test("of one name twice needs labels", async () => {
    await using run = await open({
      environments: [cards, { ...cards, label: "words", config: { games: ["words"] } }],
    });
    await using _started = await startEnvironment(run.env, signal);
    expect(run.env.parts().map(({ label }) => label)).toEqual(["games", "words"]);
  });
});

test("the teacher of all tells their tasks apart", () => {
  const index = (content: string) => teacher.recognise([{ role: "user", content }])?.index;
  const games = [1, 2, 3].map((number) => index(`Game ${number}. Let's play blackjack: …`));
  const files = heldOutTasks.map(({ prompt }) => index(prompt));
  const known = [...games, ...files];
  expect(known.every((each) => each !== undefined)).toBe(true);
  expect(new Set(known).size).toBe(known.length);
  expect(index("Tell me a joke.")).toBeUndefined();
});
