import { describe, expect, test } from "vitest";
import { bundledCode, CodeEnv, codeConfig } from "../../environments/code.ts";
import { CodeTeacher, readCodeProblems } from "../../environments/code-teacher.ts";
import type { ChatServer } from "../../src/contracts/chat.ts";
import { PolicyServer } from "../../src/env/policies.ts";
import { validateEnvironment } from "../../src/env/validate.ts";
import { testServices } from "../support/env-services.ts";
import { call, calls, ScriptedModel, says } from "../support/scripted-model.ts";

const signal = new AbortController().signal;
const { rows: problems } = await readCodeProblems(Object.values(bundledCode), { signal });

function taught(errs: boolean): ChatServer["chatCompletion"] {
  const teacher = new CodeTeacher(problems);
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
  ["gets every bundled problem right in files", false, "file", ["terminal", "file"], 1],
  ["gets them right by the terminal alone", false, "file", ["terminal"], 1],
  ["gets them right in its answer", false, "fence", [], 1],
  ["that errs gets none", true, "fence", [], 0],
])("the teacher %s", async (_what, errs, answer, toolsets, accuracy) => {
  await using services = await testServices(taught(errs));
  const config = codeConfig.parse({ ...CodeEnv.defaults.env, answer, enabled_toolsets: toolsets });
  const env = new CodeEnv({ services, config });
  await env.setup({ signal });
  const evaluation = await env.evaluate({ signal });
  expect(evaluation?.metrics).toMatchObject({ "eval/accuracy": accuracy, "eval/scored": 4 });
  await env.cleanup();
});

test("its reward can be trusted", async () => {
  const server = new PolicyServer();
  await using services = await testServices((request) => server.chatCompletion(request));
  const env = new CodeEnv({
    services,
    config: codeConfig.parse({ ...CodeEnv.defaults.env, answer: "fence" }),
  });
  const report = await validateEnvironment({ env, server, items: 8, signal });
  expect(report.policies.filter(({ passes }) => !passes)).toEqual([]);
  expect(report.policies.length).toBeGreaterThan(7);
});

test("bundled problems of training and evaluation differ, and all are solved", () => {
  expect(problems).toHaveLength(12);
  expect(new Set(problems.map(({ problem }) => problem)).size).toBe(problems.length);
});

describe("the prompt", () => {
  const row = {
    prompt: "Print it.",
    tests: [
      { input: "a\nb\n", output: "c" },
      { input: "z", output: "secret" },
    ],
  };

  test("shows the problem, one example, and where the program goes", async () => {
    await using services = await testServices();
    const env = new CodeEnv({ services, config: codeConfig.parse({}) });
    expect(env.formatPrompt(row)).toMatch(
      /^Print it\.\n[\s\S]* {4}a\n {4}b\n[\s\S]* {4}c\n[\s\S]*file solution\.py/,
    );
    expect(env.formatPrompt(row)).not.toContain("secret");
    await env.cleanup();
  });

  test("shows as many tests as are asked for, and a function without a body as code", async () => {
    await using services = await testServices();
    const env = new CodeEnv({ services, config: codeConfig.parse({ show_tests: 0, answer: "fence" }) });
    expect(env.formatPrompt(row)).not.toContain("    c");
    const code = {
      prompt: "def f(x):\n    '''Doubles.'''\n",
      entry_point: "f",
      test: "def check(candidate): pass",
    };
    expect(env.formatPrompt(code)).toMatch(
      /^Complete this Python code\.\n\n```python\ndef f[\s\S]*fenced block/,
    );
    await env.cleanup();
  });
});

test("rows without tests are left out", async () => {
  await using services = await testServices();
  const { writeFile } = await import("node:fs/promises");
  const path = `${services.runDirectory}/rows.jsonl`;
  const rows = [
    { prompt: "a" },
    { prompt: "b", tests: [{ input: "", output: "1" }] },
    { prompt: "c", tests: 3 },
  ];
  await writeFile(path, rows.map((row) => JSON.stringify(row)).join("\n"));
  const env = new CodeEnv({ services, config: codeConfig.parse({ dataset_path: path }) });
  await env.setup({ signal });
  expect([await env.getNextItem(), await env.getNextItem()].map((row) => row?.prompt)).toEqual(["b", "b"]);
  await env.cleanup();
});
