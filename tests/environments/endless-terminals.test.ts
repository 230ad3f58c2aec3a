import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { createBackend } from "../../backends/index.ts";
import { readContainerDefinition } from "../../environments/endless-terminals/container-definition.ts";
import { testFinalState } from "../../environments/endless-terminals/final-state.ts";
import { readTerminalTasks } from "../../environments/endless-terminals/terminal-task.ts";
import { EndlessTerminalsEnv, endlessTerminalsConfig } from "../../environments/endless-terminals.ts";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import { PolicyServer } from "../../src/env/policies.ts";
import { validateEnvironment } from "../../src/env/validate.ts";
import { ToolContext } from "../../src/tools/tool-context.ts";
import { docker, dockerSkipReason, dockerTestImage } from "../support/docker-sandboxes.ts";
import { testServices } from "../support/env-services.ts";
import {
  plainBackend,
  rolloutContext,
  walledBackend,
  walledBackendProblem,
} from "../support/rollout-context.ts";

const signal = new AbortController().signal;
const problem = await walledBackendProblem();

async function validate(backend: SandboxBackend, config: Record<string, unknown> = {}, items = 5) {
  const server = new PolicyServer();
  await using services = await testServices((request) => server.chatCompletion(request));
  const env = new EndlessTerminalsEnv({
    services: { ...services, backend },
    config: endlessTerminalsConfig.parse({ ...EndlessTerminalsEnv.defaults.env, ...config }),
  });
  return await validateEnvironment({ env, server, items, signal });
}

async function writeTasks(root: string, files: Record<string, string>): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
  return root;
}

test.skipIf(problem !== null)(
  "the tasks that ship: solutions get 1, nothing and cheats get 0",
  { timeout: 120_000 },
  async () => {
    await using backend = walledBackend();
    const report = await validate(backend);
    expect(report.policies.filter(({ passes }) => !passes)).toEqual([]);
  },
);

/** Fails where a program that the tests start finds their text in the memory of any other process. */
const secretTests = `
import subprocess, sys
finder = """
import glob, os, re
needle = b"known to" + b" the tests only"
for process in glob.glob("/proc/[0-9]*"):
    if process == f"/proc/{os.getpid()}":
        continue
    try:
        with open(process + "/mem", "rb", 0) as memory, open(process + "/maps") as maps:
            for start, end in re.findall("^([0-9a-f]+)-([0-9a-f]+) rw", maps.read(), re.M):
                memory.seek(int(start, 16))
                if needle in memory.read(int(end, 16) - int(start, 16)):
                    print(open(process + "/comm").read())
    except OSError:
        pass
"""
def test_a():
    "known to the tests only"
    done = subprocess.run([sys.executable, "-c", finder], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done
`;

describe("the tests of the final state", () => {
  const verdict = async (verifier: string, timeoutMs = 20_000, backend = plainBackend()) => {
    await using _backend = backend;
    await using context = rolloutContext(backend);
    return await testFinalState(verifier, new ToolContext({ context, tools: [] }), {
      timeoutMs,
      signal: context.signal,
    });
  };

  test.each([
    ["a passing function", "def test_a(): assert 1 + 1 == 2", 1],
    ["a failing one among others", "def test_a(): pass\ndef test_b(): assert False, 'why'", 0],
    ["a class", "class TestA:\n    def test_a(self): assert True", 1],
    [
      "parameters",
      "import pytest\n@pytest.mark.parametrize('a,b', [(1, 1), (2, 3)])\ndef test_a(a, b): assert a == b",
      0,
    ],
    [
      "fixtures of fixtures",
      "import pytest\n@pytest.fixture\ndef one():\n    yield 1\n@pytest.fixture()\ndef two(one): return one + 1\ndef test_a(two, tmp_path): assert two == 2 and tmp_path.is_dir()",
      1,
    ],
    ["raises", "import pytest\ndef test_a():\n    with pytest.raises(ValueError, match='lit'): int('x')", 1],
    ["raises nothing", "import pytest\ndef test_a():\n    with pytest.raises(ValueError): pass", 0],
    ["approx", "import pytest\ndef test_a(): assert 0.1 + 0.2 == pytest.approx(0.3)", 1],
    ["a module that looks for the result at once", "open('/nowhere/result.txt')\ndef test_a(): pass", 0],
    ["only skipped tests", "import pytest\ndef test_a(): pytest.skip('not here')", null],
    ["no tests", "x = 1", null],
    ["no Python", "def test_a(:", null],
    ["an unknown library", "import no_such_library\ndef test_a(): pass", null],
    ["a process that ends itself", "import os\ndef test_a(): os._exit(0)", null],
    [
      "a false report",
      'import os\ndef test_a():\n    os.write(1, b\'{"passed": 1, "failed": []}\')\n    os._exit(0)',
      null,
    ],
    ["an exit", "import sys\ndef test_a(): sys.exit(0)", 0],
  ])("%s", async (_what, verifier, reward) => {
    expect((await verdict(verifier)).reward).toBe(reward);
  });

  test.skipIf(problem !== null)("can't be read by a program that they start", async () => {
    expect(await verdict(secretTests, 20_000, walledBackend())).toEqual({ reward: 1, why: "" });
  });

  test("have a time limit", async () => {
    expect(await verdict("import time\ndef test_a(): time.sleep(600)", 1500)).toEqual({
      reward: null,
      why: "the tests were not done within 1.5 seconds",
    });
  });
});

describe("task folders", () => {
  test("are read as published, and what can't be played is left out with a reason", async () => {
    const root = await mkdtemp(join(tmpdir(), "lachesis-endless-"));
    try {
      await writeTasks(root, {
        "task_1/environment/task.json": '{"description": "Do it.", "truth": "…"}',
        "task_1/environment/container.def": "Bootstrap: docker\nFrom: ubuntu:22.04\n",
        "task_1/tests/test_final_state.py": "def test(): pass",
        "task_2/instruction.md": "No tests.",
        "task_3/tests/test_final_state.py": "",
      });
      const { tasks, leftOut } = await readTerminalTasks(root);
      expect(tasks).toMatchObject([
        { name: "task_1", prompt: "Do it.", imageSource: expect.stringMatching(/container\.def$/) },
      ]);
      expect(leftOut).toEqual([
        "task_2 has no tests/test_final_state.py",
        "task_3 has neither an instruction.md nor a task.json with a description",
      ]);
    } finally {
      await rm(root, { recursive: true });
    }
  });

  test("a container.def becomes a Dockerfile", () => {
    const text = `Bootstrap: docker
From: ubuntu:22.04

%files
    data.csv /home/user/data.csv
%post
    apt-get update
    mkdir -p /home/user
%environment
    export LANG=C.UTF-8
    export NOTE="two words"
%runscript
    exec bash
`;
    expect(readContainerDefinition(text)).toEqual({
      files: [{ source: "data.csv", target: "/home/user/data.csv" }],
      post: "set -e\n    apt-get update\n    mkdir -p /home/user\n",
      dockerfile:
        'FROM ubuntu:22.04\nCOPY ["data.csv","/home/user/data.csv"]\nCOPY post.sh /tmp/post.sh\nRUN sh /tmp/post.sh && rm /tmp/post.sh\nENV LANG="C.UTF-8"\nENV NOTE="two words"\n',
    });
    expect(() => readContainerDefinition("Bootstrap: localimage\nFrom: x.sif")).toThrow(
      /Bootstrap localimage/,
    );
  });
});

test("training and held-out tasks differ; a checkpoint goes on where it was", async () => {
  await using services = await testServices();
  const open = async () => {
    const env = new EndlessTerminalsEnv({
      services,
      config: endlessTerminalsConfig.parse({ eval_share: 0.5 }),
    });
    await env.setup();
    return env;
  };
  const [first, second] = [await open(), await open()];
  const drawn = [];
  for (let count = 0; count < 6; count += 1) drawn.push((await first.getNextItem())?.name);
  expect(new Set(drawn.slice(0, 3)).size).toBe(3);
  expect(new Set(drawn)).toEqual(new Set(drawn.slice(0, 3)));
  await second.restoreState(first.checkpointState());
  expect(await second.getNextItem()).toEqual(await first.getNextItem());
  await Promise.all([first.cleanup(), second.cleanup()]);
});

test.skipIf(dockerSkipReason !== undefined)(
  `images come from container.def${dockerSkipReason ? ` (skipped: ${dockerSkipReason})` : ""}`,
  { timeout: 120_000 },
  async () => {
    const root = await mkdtemp(join(tmpdir(), "lachesis-endless-"));
    const before = docker("image", "ls", "--quiet", "lachesis-task");
    try {
      for (const name of ["a", "b"]) {
        await writeTasks(join(root, name), {
          "instruction.md": "Copy the note.",
          "environment/container.def": `Bootstrap: docker\nFrom: ${dockerTestImage}\n%files\n  note.txt /home/user/note.txt\n%post\n  test -s /home/user/note.txt\n`,
          "environment/note.txt": "hello",
          "tests/test_final_state.py":
            "def test(): assert open('/home/user/copy.txt').read() == open('/home/user/note.txt').read() == 'hello'",
          "solution/solve.sh": "cp note.txt copy.txt",
        });
      }
      await using backend = createBackend("docker", { image: dockerTestImage, pull: "never" });
      const report = await validate(backend, { tasks_path: root }, 1);
      expect(report.policies.filter(({ passes }) => !passes)).toEqual([]);
    } finally {
      await rm(root, { recursive: true });
      const made = docker("image", "ls", "--quiet", "lachesis-task").split("\n");
      for (const image of made)
        if (image !== "" && !before.includes(image)) docker("image", "rm", "--force", image);
    }
  },
);
