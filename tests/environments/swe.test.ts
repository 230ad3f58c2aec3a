import { execFileSync, spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bundledSwe, SweEnv, sweConfig } from "../../environments/swe.ts";
import { readSweProblems, SweTeacher } from "../../environments/swe-teacher.ts";
import type { ChatServer } from "../../src/contracts/chat.ts";
import { PolicyServer } from "../../src/env/policies.ts";
import { validateEnvironment } from "../../src/env/validate.ts";
import { testServices } from "../support/env-services.ts";
import { call, calls, ScriptedModel, says } from "../support/scripted-model.ts";

const signal = new AbortController().signal;
const { rows: problems } = await readSweProblems(Object.values(bundledSwe), { signal });
const parse = (config: object) => sweConfig.parse({ ...SweEnv.defaults.env, ...config });

function taught(errs: boolean): ChatServer["chatCompletion"] {
  const teacher = new SweTeacher(problems);
  return async (request, options) => {
    const { messages, tools = [] } = request;
    const turn = teacher.recognise(messages)?.nextTurn({ messages, tools, seed: 3, errs });
    if (turn === undefined) throw new Error("the teacher doesn't know this problem");
    const made = turn.calls.map(({ name, arguments: args }, index) => call(name, args, `id-${index}`));
    const scripted = made.length > 0 ? calls(...made) : says(turn.content ?? "");
    return new ScriptedModel(scripted).chatCompletion(request, options);
  };
}

test.each([
  ["mends every bundled repository", false, 1],
  ["that errs mends none", true, 0],
])("the teacher %s", async (_what, errs, accuracy) => {
  await using services = await testServices(taught(errs));
  const env = new SweEnv({ services, config: parse({}) });
  await env.setup({ signal });
  const evaluation = await env.evaluate({ signal });
  expect(evaluation?.metrics).toMatchObject({ "eval/accuracy": accuracy, "eval/scored": 2 });
  await env.cleanup();
});

test("its reward can be trusted", async () => {
  const server = new PolicyServer();
  await using services = await testServices((request) => server.chatCompletion(request));
  const env = new SweEnv({ services, config: parse({}) });
  const report = await validateEnvironment({ env, server, items: 4, signal });
  expect(report.policies.filter(({ passes }) => !passes)).toEqual([]);
  expect(report.policies.map(({ scored }) => scored)).toEqual(report.policies.map(() => 4));
});

test("what ships says nothing of its tests or its solution in the prompt", async () => {
  await using services = await testServices();
  const env = new SweEnv({ services, config: parse({}) });
  await env.setup({ signal });
  const row = await env.getNextItem();
  expect(env.formatPrompt(row ?? {})).toMatch(/^Your working directory is a repository/);
  expect(env.formatPrompt(row ?? {})).not.toContain("assert");
  await env.cleanup();
});

test("a row with an image asks for a sandbox of it, with the repository as its workspace", async () => {
  await using services = await testServices();
  const env = new SweEnv({ services, config: parse({ image_prefix: "registry/" }) });
  expect(env.sandboxSpec({ image_name: "swe.x" })).toEqual({
    image: "registry/swe.x",
    workspace: "/testbed",
  });
  expect(env.sandboxSpec({})).toBeUndefined();
  await env.cleanup();
});

const noGit = spawnSync("git", ["--version"]).status === 0 ? undefined : "git is not installed";

test.skipIf(noGit !== undefined)(
  "SWE-smith's rows: an archive, its tests as they were, a patch that made the bug; tests that were changed are put back",
  async () => {
    const server = new PolicyServer();
    await using services = await testServices((request) => server.chatCompletion(request));
    const repository = join(services.runDirectory, "repository");
    await mkdir(join(repository, "tests"), { recursive: true });
    await writeFile(join(repository, "add.py"), "def add(a, b):\n    return a - b\n");
    await writeFile(
      join(repository, "tests/test_add.py"),
      "from add import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n",
    );
    execFileSync("tar", ["-C", repository, "-cf", join(services.runDirectory, "add.tar"), "."]);
    const patch =
      "--- a/add.py\n+++ b/add.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a + b\n+    return a - b\n";
    const row = {
      problem_statement: "add subtracts",
      repo_archive: "add.tar",
      patch,
      FAIL_TO_PASS: ["tests/test_add.py::test_add"],
      PASS_TO_PASS: [],
    };
    const hidden = {
      ...row,
      FAIL_TO_PASS: ["tests/test_zero.py::test_zero"],
      test_patch:
        "--- /dev/null\n+++ b/tests/test_zero.py\n@@ -0,0 +1,4 @@\n+from add import add\n+\n+def test_zero():\n+    assert add(0, 7) == 7\n",
    };
    const path = join(services.runDirectory, "rows.jsonl");
    await writeFile(path, `${JSON.stringify(row)}\n${JSON.stringify(hidden)}\n`);
    const config = { dataset_path: path, archive_directory: services.runDirectory, gold_patch: "reverse" };
    const env = new SweEnv({ services, config: parse(config) });
    env.policies = () => ({
      ...SweEnv.prototype.policies.call(env),
      cheats: [
        {
          name: "removes the tests' assertions",
          play: () => () => ({
            content: null,
            calls: [
              {
                name: "terminal",
                arguments: {
                  command: "ls tests | grep zero && echo LEAKED; sed -i 's/==/!=/' tests/*.py; ls -a . tests",
                },
              },
            ],
          }),
        },
      ],
    });
    const report = await validateEnvironment({ env, server, items: 2, signal });
    expect(report.policies.filter(({ passes }) => !passes)).toEqual([]);
    expect(report.policies.find(({ policy }) => policy === "gold")).toMatchObject({ scored: 2, mean: 1 });
  },
);

test("an archive outside of its directory is refused", async () => {
  await using services = await testServices(taught(false));
  const env = new SweEnv({ services, config: parse({ archive_directory: services.runDirectory }) });
  const { outcome } = await env.playRollout(
    { problem_statement: "x", repo_archive: "../x.tar", FAIL_TO_PASS: ["a.py::b"] },
    {
      rolloutId: "r",
      groupId: "g",
      seed: 0,
      split: "train",
      tools: env.chooseTools(0),
      signal,
      deadlineMs: Number.POSITIVE_INFINITY,
    },
  );
  if (outcome.kind !== "infra-failed") throw new Error(JSON.stringify(outcome));
  expect(`${outcome.error.message} ${outcome.error.cause}`).toContain(
    "../x.tar is not in env.archive_directory",
  );
  await env.cleanup();
});
