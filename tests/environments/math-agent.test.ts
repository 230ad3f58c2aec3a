import { describe, expect, test } from "vitest";
import { bundledMaths, MathAgentEnv, mathAgentConfig } from "../../environments/math-agent.ts";
import { MathAgentTeacher, readMathsProblems } from "../../environments/math-agent-teacher.ts";
import { verifyMath } from "../../rewards/index.ts";
import type { ChatServer } from "../../src/contracts/chat.ts";
import { testServices } from "../support/env-services.ts";
import { call, calls, ScriptedModel, says } from "../support/scripted-model.ts";

const signal = new AbortController().signal;
const { rows: problems } = await readMathsProblems(Object.values(bundledMaths), { signal });

function taught(errs: boolean): ChatServer["chatCompletion"] {
  const teacher = new MathAgentTeacher(problems);
  return async (request, options) => {
    const { messages, tools = [] } = request;
    const turn = teacher.recognise(messages)?.nextTurn({ messages, tools, seed: 3, errs });
    if (turn === undefined) throw new Error("the teacher doesn't know this problem");
    const [only] = turn.calls;
    const scripted = only ? calls(call(only.name, only.arguments)) : says(turn.content ?? "");
    return new ScriptedModel(scripted).chatCompletion(request, options);
  };
}

test.each([
  ["gets every bundled problem right", false, 1],
  ["that errs gets none", true, 0],
])("the teacher %s", async (_what, errs, accuracy) => {
  await using services = await testServices(taught(errs));
  const env = new MathAgentEnv({ services, config: mathAgentConfig.parse(MathAgentEnv.defaults.env) });
  await env.setup({ signal });
  const evaluation = await env.evaluate({ signal });
  expect(evaluation?.metrics).toMatchObject({ "eval/accuracy": accuracy, "eval/scored": 12 });
  if (!errs) expect(evaluation?.metrics["eval/mean_turns"]).toBe(2);
  await env.cleanup();
});

describe("the bundled problems", () => {
  test.each(problems)("$problem", ({ problem, answer, python }) => {
    expect(verifyMath(answer, `\\boxed{${answer}}`)).toMatchObject({ equal: true });
    expect(problem).toMatch(/[.?]$/);
    expect(python).toContain("print(");
  });

  test("of training and evaluation differ", () => {
    expect(new Set(problems.map(({ problem }) => problem)).size).toBe(problems.length);
  });
});

test("the prompt asks for a box, unless it has a template of its own", async () => {
  await using services = await testServices();
  const plain = new MathAgentEnv({ services, config: mathAgentConfig.parse({}) });
  expect(plain.formatPrompt({ problem: "1 + 1?" })).toMatch(/^1 \+ 1\?\n[\s\S]*\\boxed\{\}/);
  const own = new MathAgentEnv({
    services,
    config: mathAgentConfig.parse({ prompt_template: "{problem} Go!" }),
  });
  expect(own.formatPrompt({ problem: "1 + 1?" })).toBe("1 + 1? Go!");
  await Promise.all([plain.cleanup(), own.cleanup()]);
});
