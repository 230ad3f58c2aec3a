import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { describe, expect, test } from "vitest";
import { readTaskFolders } from "../../../environments/benchmarks/harbor/task-folder.ts";
import { HarborEnv, harborConfig } from "../../../environments/benchmarks/harbor.ts";
import { TerminalBenchEnv, terminalBenchConfig } from "../../../environments/benchmarks/terminal-bench-2.ts";
import { inTurn, type Policy, PolicyServer, type PolicyTurn } from "../../../src/env/policies.ts";
import { validateEnvironment } from "../../../src/env/validate.ts";
import { type TestServices, testServices } from "../../support/env-services.ts";
import { walledBackend, walledBackendProblem } from "../../support/rollout-context.ts";

const signal = new AbortController().signal;
const problem = await walledBackendProblem();

const shell = (command: string, more: { background?: boolean } = {}): PolicyTurn => ({
  calls: [{ name: "terminal", arguments: { command, ...more } }],
});
const done: PolicyTurn = { content: "Done." };

async function writeTask(root: string, files: Record<string, string>): Promise<string> {
  for (const [name, content] of Object.entries({
    "task.toml": 'version = "1.0"',
    "instruction.md": "Do it.",
    ...files,
  })) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
  return root;
}

/** Plays the folder's first task and tells how the rollout ended. */
async function play(services: TestServices, server: PolicyServer, tasks_path: string, policy: Policy) {
  const env = new HarborEnv({
    services,
    config: harborConfig.parse({ ...HarborEnv.defaults.env, tasks_path }),
  });
  await env.setup({ signal });
  const task = (await env.getNextItem())!;
  const rollout = await server.playAs(policy, () =>
    env.playRollout(task, {
      rolloutId: "r",
      groupId: "g",
      seed: 1,
      split: "eval",
      tools: env.chooseTools(1),
      signal,
      deadlineMs: Number.POSITIVE_INFINITY,
    }),
  );
  await env.cleanup();

  return rollout.outcome;
}

async function walledServices() {
  const server = new PolicyServer();
  const services = await testServices((request) => server.chatCompletion(request));
  await services.backend[Symbol.asyncDispose]();
  const backend = walledBackend();
  const walled: TestServices = {
    ...services,
    backend,
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
      await services[Symbol.asyncDispose]();
    },
  };
  return { server, services: walled };
}

describe.skipIf(problem !== null)(
  `on local sandboxes${problem === null ? "" : ` (skipped: ${problem})`}`,
  () => {
    test("the tasks that ship: the solutions get 1, nothing and cheats get 0", {
      timeout: 120_000,
    }, async () => {
      const { server, services } = await walledServices();
      await using _services = services;
      const env = new HarborEnv({ services, config: harborConfig.parse(HarborEnv.defaults.env) });
      const report = await validateEnvironment({ env, server, items: 10, signal });
      expect(report.policies.filter(({ passes }) => !passes)).toEqual([]);
      expect(report.items).toBe(3);
    });

    const writesReward = (content: string, file = "reward.txt") =>
      `test -e made && printf '%s' '${content}' >"$VERIFIER_LOGS_DIR/${file}"\n`;

    test.each([
      ["reward.txt", "0.25\n", 0.25],
      ["reward.json", '{"reward": 0.5, "other": 3}', 0.5],
      ["reward.json", '{"checks": 0.75}', 0.75],
      ["reward.json", "1", 1],
    ])("the verdict may stand in %s as %j", async (file, content, reward) => {
      const { server, services } = await walledServices();
      await using _services = services;
      const path = await writeTask(join(services.runDirectory, "t"), {
        "tests/test.sh": writesReward(content, file),
      });
      expect(await play(services, server, path, inTurn(shell("touch made"), done))).toMatchObject({
        kind: "scored",
        reward,
      });
    });

    test.each([
      ["nothing is written", "true"],
      ["the verdict is no number", 'echo passed >"$VERIFIER_LOGS_DIR/reward.txt"'],
      ["the verdict is several numbers", `echo '{"a": 1, "b": 0}' >"$VERIFIER_LOGS_DIR/reward.json"`],
      ["the tests succeed without a verdict", "exit 0"],
      ["the tests' report is missing", 'false --ctrf ctrf.json || echo 0 >"$VERIFIER_LOGS_DIR/reward.txt"'],
    ])("%s: a failure of the machinery, never a score", async (_what, script) => {
      const { server, services } = await walledServices();
      await using _services = services;
      const path = await writeTask(join(services.runDirectory, "t"), {
        "tests/test.sh": `echo the end; ${script}`,
      });
      expect(await play(services, server, path, inTurn(done))).toMatchObject({
        kind: "infra-failed",
        stage: "reward",
        error: { code: "TASK_VERIFIER_FAILED", message: expect.stringContaining("the end") },
      });
    });

    test("tests that only fail where the model was are the model's doing: 0", async () => {
      const { server, services } = await walledServices();
      await using _services = services;
      const script = '[ -e trap ] && exit 1; echo 1 >"$VERIFIER_LOGS_DIR/reward.txt"';
      const path = await writeTask(join(services.runDirectory, "t"), { "tests/test.sh": script });
      expect(await play(services, server, path, inTurn(shell("touch trap"), done))).toMatchObject({
        kind: "scored",
        reward: 0,
      });
    });

    test("tests that hang where the model was give 0, too", async () => {
      const { server, services } = await walledServices();
      await using _services = services;
      const path = await writeTask(join(services.runDirectory, "t"), {
        "task.toml": "[verifier]\ntimeout_sec = 1.5",
        "tests/test.sh": '[ -e trap ] && sleep 600; echo 1 >"$VERIFIER_LOGS_DIR/reward.txt"',
      });
      expect(await play(services, server, path, inTurn(shell("touch trap"), done))).toMatchObject({
        kind: "scored",
        reward: 0,
      });
    });

    test("what the model left running is ended before the tests come in", async () => {
      const { server, services } = await walledServices();
      await using _services = services;
      const script =
        'sleep 0.3; [ -s beat ] || exit 1; a=$(cat beat); sleep 0.3; [ "$a" = "$(cat beat)" ] && echo 1 >"$VERIFIER_LOGS_DIR/reward.txt"';
      const path = await writeTask(join(services.runDirectory, "t"), { "tests/test.sh": script });
      // Whenever it is killed, `beat` is whole.
      const loop = "while :; do date +%N >next && mv next beat; sleep 0.01; done";
      const policy = inTurn(
        shell(`echo 'trap "" TERM; ${loop}' >loop.sh; (setsid bash loop.sh >/dev/null 2>&1 &) ; sleep 0.2`),
        shell(loop, { background: true }),
        done,
      );
      expect(await play(services, server, path, policy)).toMatchObject({ kind: "scored", reward: 1 });
    });

    test("the older layout is judged by its exit code", async () => {
      const { server, services } = await walledServices();
      await using _services = services;
      const root = join(services.runDirectory, "older");
      await mkdir(join(root, "tests"), { recursive: true });
      await writeFile(
        join(root, "task.yaml"),
        "instruction: |\n  Make it.\ncategory: old\nmax_test_timeout_sec: 30\n",
      );
      await writeFile(join(root, "tests", "check.sh"), "test -e made");
      await writeFile(join(root, "run-tests.sh"), 'bash "$TEST_DIR/check.sh"');
      expect(await play(services, server, root, inTurn(shell("touch made"), done))).toMatchObject({
        kind: "scored",
        reward: 1,
      });
      expect(await play(services, server, root, inTurn(done))).toMatchObject({ kind: "scored", reward: 0 });
    });
  },
);

describe("task folders", () => {
  test("say what they need", async () => {
    await using services = await testServices();
    const root = join(services.runDirectory, "tasks");
    await writeTask(join(root, "b"), {
      "task.toml":
        '[metadata]\ncategory = "x"\ntags = ["t"]\n[environment]\ncpus = 2\nmemory = "2G"\nallow_internet = false\n[verifier]\ntimeout_sec = 900\nenv = { A = 1 }',
      "environment/Dockerfile": "FROM a AS one\nWORKDIR /first\nFROM b\nworkdir /src\nRUN true",
      "tests/test.sh": "true",
      "solution/solve.sh": "true",
    });
    await writeTask(join(root, "a"), {
      "task.toml": '[environment]\ndocker_image = "x/y:1"',
      "tests/test.sh": "true",
    });
    await mkdir(join(root, "no-task"));
    const [a, b] = await readTaskFolders(root);
    expect(a).toMatchObject({
      name: "a",
      image: "x/y:1",
      dockerfileDirectory: null,
      network: true,
      solutionScript: null,
    });
    expect(b).toMatchObject({
      name: "b",
      category: "x",
      image: null,
      dockerfileDirectory: join(root, "b", "environment"),
      workspace: "/src",
      cpus: 2,
      memoryMb: 2048,
      network: false,
      testTimeoutSeconds: 900,
      testEnvironment: { A: "1" },
      solutionScript: join(root, "b", "solution", "solve.sh"),
    });
  });

  test.each([
    [{ "task.toml": "a = ", "tests/test.sh": "" }, /broken task\.toml: line 1/],
    [{ "task.toml": "[agent]\ntimeout_sec = -1", "tests/test.sh": "" }, /doesn't fit[\s\S]*timeout_sec/],
    [{}, /no tests\/test\.sh/],
  ])("that can't be played are refused with the reason: %#", async (files, message) => {
    await using services = await testServices();
    const root = await writeTask(join(services.runDirectory, "t"), files);
    await expect(readTaskFolders(root)).rejects.toMatchObject({
      code: "TASKS_INVALID",
      message: expect.stringMatching(message),
    });
  });

  test("a Dockerfile without a published image, on a backend that can't build, fails that rollout and says what to do", async () => {
    const server = new PolicyServer();
    await using services = await testServices((request) => server.chatCompletion(request));
    const path = await writeTask(join(services.runDirectory, "t"), {
      "environment/Dockerfile": "FROM x",
      "tests/test.sh": "",
    });
    expect(await play(services, server, path, inTurn(done))).toMatchObject({
      kind: "infra-failed",
      error: { code: "TASK_IMAGE_MISSING", hint: expect.stringContaining("terminal_backend docker") },
    });
    expect(services.sandboxes.opened).toBe(0);
  });

  test("a task that doesn't exist can't be chosen", async () => {
    await using services = await testServices();
    const env = new HarborEnv({ services, config: harborConfig.parse({ task_names: ["nope"] }) });
    await expect(env.setup({ signal })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      hint: expect.stringContaining("primes"),
    });
    await env.cleanup();
  });
});

test("terminal-bench-2 makes tasks of the published rows", async () => {
  await using services = await testServices();
  const archive = async (name: string, content: string) => {
    const tar = pack();
    tar.entry({ name }, content);
    tar.finalize();
    return gzipSync(await buffer(Readable.from(tar))).toString("base64");
  };
  const row = {
    task_name: "hello-1.2",
    category: "system",
    instruction: "Say hello.",
    docker_image: "x/hello:1",
    environment_tar: await archive("Dockerfile", "FROM debian\nWORKDIR /srv/app"),
    tests_tar: await archive("test_outputs.py", "assert True"),
    test_sh: "echo 1",
  };
  const path = join(services.runDirectory, "rows.jsonl");
  await writeFile(
    path,
    [row, { ...row, task_name: "../evil" }].map((given) => JSON.stringify(given)).join("\n"),
  );
  const open = async (config: Record<string, unknown>) => {
    const env = new TerminalBenchEnv({
      services,
      config: terminalBenchConfig.parse({ dataset_path: path, ...config }),
    });
    await env.setup({ signal });
    const tasks = [await env.getNextItem(), await env.getNextItem()];
    const spec = env.sandboxSpec(tasks[0]!);
    await env.cleanup();
    return { tasks, spec };
  };
  const published = await open({ task_network: "never" });
  expect(published.tasks).toMatchObject([
    { name: "hello-1.2", category: "system", testTimeoutSeconds: 600 },
    null,
  ]);
  expect(published.spec).toEqual({ image: "x/hello:1", workspace: "/srv/app", network: false });
  const built = await open({ force_build: true });
  expect(built.tasks[0]).toMatchObject({
    image: null,
    dockerfileDirectory: expect.stringMatching(/environment$/),
  });
});
