import { describe, expect, test } from "vitest";
import { environments } from "../../environments/index.ts";
import { teachers } from "../../environments/teachers.ts";
import type { ChatServer } from "../../src/contracts/chat.ts";
import { createEnvironment } from "../../src/env/create-environment.ts";
import { startEnvironment } from "../../src/env/start-environment.ts";
import { testServices } from "../support/env-services.ts";
import { bubblewrapSkipReason } from "../support/local-sandboxes.ts";
import { plainBackend, walledBackend } from "../support/rollout-context.ts";
import { call, calls, ScriptedModel, says } from "../support/scripted-model.ts";

const { signal } = new AbortController();

type Taught = { env: string; teacher: keyof typeof teachers; hasShell: boolean; config?: object };

const taught: readonly Taught[] = [
  { env: "endless-terminals", teacher: "endless-terminals", hasShell: true, config: { eval_share: 0.5 } },
  { env: "harbor", teacher: "harbor", hasShell: true },
  { env: "terminal-bench-2", teacher: "harbor", hasShell: true },
  { env: "ifeval", teacher: "ifeval", hasShell: false },
  { env: "aime", teacher: "aime", hasShell: false },
  { env: "math500", teacher: "math-agent", hasShell: false },
  { env: "gsm8k", teacher: "gsm8k", hasShell: false },
  { env: "mmlu", teacher: "mmlu", hasShell: false },
];

async function accuracyOf({ env: name, teacher: teacherName, hasShell, config }: Taught, errs: boolean) {
  const { teacher } = await teachers[teacherName].open({ dataset: undefined, signal });
  const model: ChatServer["chatCompletion"] = async (request, options) => {
    const { messages, tools = [] } = request;
    const turn = teacher.recognise(messages)?.nextTurn({ messages, tools, seed: 3, errs });
    if (turn === undefined) throw new Error("the teacher doesn't know this task");
    const made = turn.calls.map((each, index) => call(each.name, each.arguments, `id-${index}`));
    const scripted = made.length > 0 ? calls(...made) : says(turn.content ?? "");
    return new ScriptedModel(scripted).chatCompletion(request, options);
  };
  const envClass = environments.find(({ envName }) => envName === name);
  if (envClass === undefined) throw new Error(`no ${name}`);
  await using backend = hasShell ? walledBackend() : plainBackend();
  await using services = await testServices(model);
  const given = { ...envClass.defaults?.env, ...envClass.validationDefaults?.env, ...config };
  const env = createEnvironment(envClass, {
    config: envClass.configSchema.parse(given),
    services: { ...services, backend },
  });
  await using _started = await startEnvironment(env, signal);
  return (await env.evaluate({ signal }))?.metrics["eval/accuracy"];
}

describe("the practice server's teacher", () => {
  test.for(taught)("$teacher solves every item of $env, and none where it errs", async (each, { skip }) => {
    if (each.hasShell) skip(bubblewrapSkipReason !== undefined, bubblewrapSkipReason);
    expect(await accuracyOf(each, false)).toBe(1);
    expect(await accuracyOf(each, true)).toBe(0);
  });

  test("multi says what it knows of each", async () => {
    const { knows } = await teachers.multi.open({ dataset: undefined, signal });
    expect(knows).toContain("math-agent: 44 problems; ");
  });
});
