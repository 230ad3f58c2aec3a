import { describe, expect, test } from "vitest";
import type { z } from "zod";
import { environments } from "../../environments/index.ts";
import type { AgentResult } from "../../src/agent/agent-result.ts";
import { openToolServices } from "../../src/cli/tool-services.ts";
import { createEnvironment } from "../../src/env/create-environment.ts";
import type { EnvClass } from "../../src/env/env-class.ts";
import { hermesAgentEnvConfig } from "../../src/env/env-config.ts";
import { HermesAgentBaseEnv } from "../../src/env/hermes-agent-base-env.ts";
import { inTurn, PolicyServer, randomPolicy, type ValidationPolicies } from "../../src/env/policies.ts";
import { validateEnvironment } from "../../src/env/validate.ts";
import { testServices } from "../support/env-services.ts";
import { bubblewrapSkipReason } from "../support/local-sandboxes.ts";
import { plainBackend, walledBackend } from "../support/rollout-context.ts";

const { signal } = new AbortController();
type Config = z.output<typeof hermesAgentEnvConfig>;
type Item = { answer: string };

/** An environment whose reward a test chooses. */
class Guess extends HermesAgentBaseEnv<Item, Config> {
  static override readonly envName = "guess";
  static readonly description = "";
  static readonly configSchema = hermesAgentEnvConfig;
  scoring: (text: string, item: Item) => number = (text, { answer }) => (text === answer ? 1 : 0);
  known: ValidationPolicies<Item> | null = {
    gold: ({ answer }) => inTurn({ content: answer }),
    cheats: [{ name: "shouts", play: () => inTurn({ content: "EVERYTHING" }) }],
  };
  override async getNextItem(): Promise<Item> {
    return { answer: "42!" };
  }
  formatPrompt(): string {
    return "?";
  }
  override policies() {
    return this.known;
  }
  async computeReward(item: Item, { messages }: AgentResult): Promise<number> {
    return this.scoring(messages.at(-1)?.content ?? "", item);
  }
}

async function validate(prepare: (env: Guess) => void, items = 4) {
  const server = new PolicyServer();
  await using services = await testServices((request) => server.chatCompletion(request));
  const env = new Guess({
    services,
    config: hermesAgentEnvConfig.parse({ enabled_toolsets: [], rollout_retries: 1 }),
  });
  prepare(env);
  return await validateEnvironment({ env, server, items, signal });
}

const failing = ({ policies }: Awaited<ReturnType<typeof validate>>) =>
  policies.filter(({ passes }) => !passes).map(({ policy }) => policy);

describe("a reward", () => {
  test("that tells them apart passes", async () => {
    const report = await validate(() => {});
    expect(report.passes).toBe(true);
    expect(report.policies.map(({ policy, mean }) => [policy, mean])).toEqual([
      ["gold", 1],
      ["empty", 0],
      ["random", 0],
      ["cheat: shouts", 0],
    ]);
  });

  test.each<[string, Guess["scoring"], string[]]>([
    ["pays for nothing", (text, { answer }) => (text === answer || text === "" ? 1 : 0), ["empty"]],
    ["pays everybody", () => 1, ["empty", "random", "cheat: shouts"]],
    ["pays nobody", () => 0, ["gold"]],
    [
      "falls for the cheat",
      (text, { answer }) => (text === answer || /THING/.test(text) ? 1 : 0),
      ["cheat: shouts"],
    ],
  ])("that %s is found out", async (_what, scoring, expected) => {
    expect(failing(await validate((env) => Object.assign(env, { scoring })))).toEqual(expected);
  });

  test("that throws is a failure, not a 0, and says why", async () => {
    const report = await validate((env) => {
      env.scoring = (text, { answer }) => {
        if (text !== answer) throw new Error("no luck");
        return 1;
      };
    });
    expect(failing(report)).toEqual(["empty", "random", "cheat: shouts"]);
    expect(report.policies[1]).toMatchObject({
      scored: 0,
      failed: 4,
      lastFailure: expect.stringContaining("no luck"),
    });
  });
});

test("an item without a known solution proves nothing", async () => {
  expect(failing(await validate((env) => Object.assign(env, { known: { gold: () => null } })))).toEqual([
    "gold",
  ]);
});

test("an environment without policies says what to write", async () => {
  await expect(validate((env) => Object.assign(env, { known: null }))).rejects.toMatchObject({
    code: "VALIDATION_UNSUPPORTED",
  });
});

test("random play is the same for the same seed, and calls what there is with arguments of the right types", () => {
  const parameters = {
    type: "object",
    properties: { path: { type: "string" }, limit: { type: "integer" }, mode: { enum: ["a", "b"] } },
  };
  const tools = [{ type: "function" as const, function: { name: "look", description: "", parameters } }];
  const play = (seed: number) =>
    [0, 1, 2, 3].map((turn) => randomPolicy(seed)({ messages: [], tools, turn }));
  expect(play(1)).toEqual(play(1));
  const turns = Array.from({ length: 20 }, (_, seed) => play(seed)).flat();
  const calls = turns.flatMap((turn) => turn.calls ?? []);
  expect(calls.length).toBeGreaterThan(20);
  for (const { name, arguments: args } of calls) {
    expect(name).toBe("look");
    expect(args).toEqual({
      path: expect.any(String),
      limit: expect.any(Number),
      mode: expect.stringMatching(/^[ab]$/),
    });
  }
  expect(play(7)[3]?.calls).toBeUndefined();
});

/** `multi` has no items but other environments' (tests/environments/multi.test.ts). */
const validated = environments.filter(({ envName }) => envName !== "multi");

/** Cheats that get a shell plant files and kill processes: behind walls, or not at all. */
const hasTools = ({ defaults }: EnvClass): boolean => {
  const toolsets = defaults?.env?.enabled_toolsets;
  return !Array.isArray(toolsets) || toolsets.length > 0;
};

test.for(validated.map((envClass) => [envClass.envName, envClass] as const))(
  "%s can be trusted",
  async ([, envClass], { skip }) => {
    if (hasTools(envClass)) skip(bubblewrapSkipReason !== undefined, bubblewrapSkipReason);
    const server = new PolicyServer();
    await using backend = hasTools(envClass) ? walledBackend() : plainBackend();
    await using plain = await testServices((request) => server.chatCompletion(request));
    const services = { ...plain, backend };
    const given = { ...envClass.defaults?.env, ...envClass.validationDefaults?.env };
    const config = envClass.configSchema.parse(given);
    await using tools = await openToolServices(config);
    const env = createEnvironment(envClass, { config, services: { ...services, tools } });
    const report = await validateEnvironment({ env, server, items: 4, signal });
    expect(report.policies.filter(({ passes }) => !passes)).toEqual([]);
  },
);
