/** The real command line, as a process of its own, against real servers and real sandboxes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { Gsm8kTeacher, readGsm8kProblems } from "../../environments/gsm8k-agent-teacher.ts";
import { bundledProblems } from "../../environments/gsm8k-bundled.ts";
import { practiceConfig } from "../../src/practice/practice-config.ts";
import { type RunningPracticeServer, startPracticeServer } from "../../src/practice/practice-server.ts";
import { RolloutApiClient } from "../../src/rollout-api/client.ts";
import { loadTokenizer } from "../../src/tokens/load-tokenizer.ts";
import { eventually, listDescendants } from "../support/host-processes.ts";
import { bubblewrapSkipReason } from "../support/local-sandboxes.ts";
import { RunningCli, runCli } from "./run-cli.ts";

const root = resolve(import.meta.dirname, "../..");
const isolation = `--env.terminal_isolation=${bubblewrapSkipReason === undefined ? "bubblewrap" : "none"}`;

// Each test starts real processes and sandboxes, on machines that do other work too.
vi.setConfig({ testTimeout: 90_000 });

const model = await loadTokenizer("practice", { signal: new AbortController().signal });

let cwd = "";
let practice: RunningPracticeServer;

async function startPractice(config: { error_rate?: number; latency_ms?: number }) {
  const { rows: problems } = await readGsm8kProblems(Object.values(bundledProblems), {
    signal: AbortSignal.timeout(5000),
  });
  const teacher = new Gsm8kTeacher(problems);
  return startPracticeServer({ teacher, config: practiceConfig.parse(config), model });
}

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), "lachesis-cli-"));
  practice = await startPractice({ error_rate: 0.3 });
});

/** A test that timed out has not disposed of its command. */
afterEach(() => {
  for (const { pid } of listDescendants()) process.kill(pid, "SIGKILL");
});

afterAll(async () => {
  await practice?.close();
  await rm(cwd, { recursive: true, force: true });
});

const gsm8k = (...flags: string[]) => ["gsm8k-agent", "--openai.base_url", practice.url, isolation, ...flags];

/** The practice server by its token ids; its model's name is also its tokenizer's. */
const tokenServer = ["--openai.server_type=vllm", "--openai.model_name=practice"];

const readLines = async (path: string): Promise<{ scores: number[]; messages: unknown[] }[]> =>
  (await readFile(path, "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

/** Nothing that the command started may outlive it. */
const expectNothingLeft = () => eventually(() => listDescendants().length === 0, "no process is left");

describe("process", () => {
  test("writes the groups, a configuration that --config reads back, and a log without secrets", async () => {
    const key = "sk-very-secret-123456";
    const flags = [
      "--env.total_steps",
      "3",
      "--env.data_path_to_save_groups",
      "out/groups.jsonl",
      "--run-dir",
      "run-a",
    ];
    const { code, stdout, stderr } = await runCli(["process", ...gsm8k(...flags, "--openai.api_key", key)], {
      cwd,
      env: { OPENAI_API_KEY: "sk-other-secret-654321" },
    });
    expect(stderr).not.toContain("error");
    expect(code).toBe(0);
    expect(stdout).toMatch(/saved +3 groups in out\/groups\.jsonl/);

    const groups = await readLines(join(cwd, "out/groups.jsonl"));
    expect(groups.map(({ scores }) => scores.length)).toEqual([4, 4, 4]);
    expect(groups.every(({ messages }) => messages.length === 4)).toBe(true);

    const saved = await readFile(join(cwd, "run-a/config.yaml"), "utf8");
    expect(parse(saved)).toMatchObject({ env: { total_steps: 3 }, openai: { base_url: practice.url } });
    const log = await readFile(join(cwd, "run-a/run.log"), "utf8");
    expect(log).toContain("run-end");
    for (const text of [saved, log, stdout, stderr]) {
      expect(text).not.toContain(key);
      expect(text).not.toContain("sk-other-secret");
    }

    const again = await runCli(
      [
        "process",
        "gsm8k-agent",
        "--config",
        "run-a/config.yaml",
        "--env.total_steps",
        "1",
        "--run-dir",
        "run-b",
      ],
      { cwd },
    );
    expect(again.code).toBe(0);
    expect(again.stdout).toMatch(/saved +1 group in out\/groups_1\.jsonl/);
    await expectNothingLeft();
  });

  test("plays in sandboxes of a pool and tells what they cost", async () => {
    const pool = ["--env.pool_size=2", "--env.pool_max_total=3"];
    const { code, stdout, stderr } = await runCli(["process", ...gsm8k("--env.total_steps=2", ...pool)], {
      cwd,
    });
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/sandboxes +\d+ made, 0 leaked, ready after [\d.]+ ms/);
    await expectNothingLeft();
  });

  test("a dataset row without an answer is skipped and told, with file and line", async () => {
    const rows = (await readFile(bundledProblems.train, "utf8")).split("\n").slice(0, 3);
    rows.splice(1, 0, JSON.stringify({ question: "What now?", answer: "" }));
    await writeFile(join(cwd, "rows.jsonl"), rows.join("\n"));
    const flags = ["--env.dataset_path=rows.jsonl", "--env.total_steps=2", "--env.group_size=1"];
    const { code, stderr } = await runCli(["process", ...gsm8k(...flags)], { cwd });
    expect(stderr).toMatch(/1 of 4 rows of rows\.jsonl are skipped; the first: .*rows\.jsonl:2:/);
    expect(code).toBe(0);
  });
});

describe("evaluate", () => {
  test("writes metrics.json and samples.jsonl into the run directory and shows the metrics", async () => {
    const flags = ["--env.eval_max_items", "10", "--run-dir", "run-eval"];
    const { code, stdout } = await runCli(["evaluate", ...gsm8k(...flags)], { cwd });
    expect(code).toBe(0);
    const metrics = JSON.parse(await readFile(join(cwd, "run-eval/metrics.json"), "utf8"));
    const accuracy: number = metrics.results.all["eval/accuracy"];
    expect(metrics.results.all["eval/scored"]).toBe(10);
    expect(stdout).toMatch(new RegExp(`accuracy +${accuracy === 1 ? "1" : accuracy.toFixed(4)}`));
    expect((await readFile(join(cwd, "run-eval/samples.jsonl"), "utf8")).trim().split("\n")).toHaveLength(10);
  });
});

describe("serve", () => {
  test("feeds a trainer through a real run-api until its steps are done", async () => {
    await using api = new RunningCli(["--port", "0"], { cwd, script: "src/cli/run-api.ts" });
    const [, url = ""] = await api.says(/(http:\/\/127\.0\.0\.1:\d+)/);
    await using trainer = new RolloutApiClient({ url });
    const signal = AbortSignal.timeout(60_000);
    await trainer.register(
      {
        wandb_group: "g",
        wandb_project: "p",
        batch_size: 8,
        max_token_len: 4096,
        checkpoint_dir: "",
        save_checkpoint_interval: -1,
        starting_step: 0,
        num_steps: 3,
      },
      { signal },
    );
    const flags = [
      "--env.rollout_server_url",
      url,
      "--env.total_steps",
      "-1",
      "--no-env.ensure_scores_are_not_same",
    ];
    await using serve = new RunningCli(["serve", ...gsm8k(...flags, ...tokenServer)], { cwd });
    const scores: number[] = [];
    while (scores.length < 24) {
      const batch = await trainer.batch({ signal });
      if (batch === null) await new Promise((wake) => setTimeout(wake, 50));
      for (const group of batch ?? []) scores.push(...group.scores);
    }
    const { code, stdout } = await serve.end();
    expect(code).toBe(0);
    expect(stdout).toMatch(/groups +\d+ sent/);
    expect(new Set(scores)).toEqual(new Set([0, 1]));
    api.signal("SIGTERM");
    await api.end();
    await expectNothingLeft();
  });
});

describe("Ctrl-C", () => {
  test("once: finishes what is in flight and says what was saved", async () => {
    const flags = [
      "--env.total_steps=-1",
      "--env.data_path_to_save_groups=once.jsonl",
      "--env.max_num_workers=2",
    ];
    await using cli = new RunningCli(["process", ...gsm8k(...flags)], { cwd });
    await eventually(
      () => existsSync(join(cwd, "once.jsonl")) && listDescendants(cli.pid).length > 2,
      "rollouts run",
    );
    cli.signal("SIGINT");
    const { code, stdout, stderr } = await cli.end();
    expect(code).toBe(130);
    expect(stderr).toContain("finishing what is in flight");
    const groups = await readLines(join(cwd, "once.jsonl"));
    expect(groups.length).toBeGreaterThanOrEqual(1);
    expect(stdout).toContain(`saved   ${groups.length} group`);
    await expectNothingLeft();
  });

  test("once, while the inference server is away: there is nothing to finish, so the run ends", async () => {
    const url = `http://127.0.0.1:${await freePort()}/v1`;
    await using cli = new RunningCli(["process", "gsm8k-agent", "--openai.base_url", url, isolation], {
      cwd,
    });
    await cli.says(/No inference server answers/);
    cli.signal("SIGINT");
    expect((await cli.end()).code).toBe(130);
    expect(cli.stdout).toContain("0 groups in");
  });

  test("twice: stops at once, also when the model never answers, and leaves nothing running", async () => {
    await using slow = await startPractice({ latency_ms: 600_000 });
    await using cli = new RunningCli(
      [
        "process",
        "gsm8k-agent",
        "--openai.base_url",
        slow.url,
        isolation,
        "--env.data_path_to_save_groups=twice.jsonl",
      ],
      { cwd },
    );
    await eventually(() => existsSync(join(cwd, "twice.jsonl")), "the run has begun");
    cli.signal("SIGINT");
    await cli.says(/finishing what is in flight/);
    await new Promise((wake) => setTimeout(wake, 500));
    cli.signal("SIGINT");
    const { code, stdout } = await cli.end();
    expect(code).toBe(130);
    expect(stdout).toContain("process stopped after");
    await expectNothingLeft();
  });
});

describe("inference server", () => {
  test("down at the start: waits and says so, then goes on when it comes", async () => {
    const port = await freePort();
    const flags = ["--env.total_steps=1", "--env.group_size=1"];
    await using cli = new RunningCli(
      ["process", "gsm8k-agent", "--openai.base_url", `http://127.0.0.1:${port}/v1`, isolation, ...flags],
      { cwd },
    );
    await cli.says(/No inference server answers/);
    const { rows: problems } = await readGsm8kProblems([bundledProblems.train], {
      signal: AbortSignal.timeout(5000),
    });
    await using _late = await startPracticeServer({
      teacher: new Gsm8kTeacher(problems),
      config: practiceConfig.parse({}),
      port,
    });
    expect((await cli.end()).code).toBe(0);
  });

  test("dying midway: no group is scored for it", async () => {
    const dying = await startPractice({ latency_ms: 20 });
    const flags = [
      "--env.total_steps=400",
      "--env.data_path_to_save_groups=dying.jsonl",
      "--openai.timeout=1",
    ];
    await using cli = new RunningCli(
      ["process", "gsm8k-agent", "--openai.base_url", dying.url, isolation, ...flags],
      { cwd },
    );
    await eventually(
      () => existsSync(join(cwd, "dying.jsonl")) && listDescendants(cli.pid).length > 2,
      "rollouts run",
    );
    await dying.close();
    await cli.says(/No inference server answers|Inference server .* (down|failed)/i);
    cli.signal("SIGTERM");
    const { code } = await cli.end();
    expect(code === 143 || code === 1).toBe(true);
    const text = await readFile(join(cwd, "dying.jsonl"), "utf8");
    const scores = text
      .split("\n")
      .filter(Boolean)
      .flatMap((line): number[] => JSON.parse(line).scores);
    expect(scores.every((score) => score === 1)).toBe(true);
    await expectNothingLeft();
  });
});

describe("bad input", () => {
  test("a port in use", async () => {
    await using taken = createServer();
    await new Promise<void>((listening) => taken.listen(0, "127.0.0.1", listening));
    const address = taken.address();
    const port = typeof address === "object" ? String(address?.port) : "";
    const api = await runCli(["--port", port], { cwd, script: "src/cli/run-api.ts" });
    expect([api.code, api.stderr]).toEqual([1, expect.stringContaining("PORT_IN_USE")]);
  });
});

test.skipIf(!existsSync("/dev/full"))("output that nobody can read or keep ends no run", async () => {
  const full = openSync("/dev/full", "w");
  const run = ["process", ...gsm8k("--env.total_steps=1", "--env.data_path_to_save_groups=full.jsonl")];
  const cli = spawn(process.execPath, [join(root, "src/cli/environment.ts"), ...run], {
    cwd,
    stdio: ["ignore", full, full],
  });
  const [code] = await once(cli, "exit");
  closeSync(full);
  expect(code).toBe(0);
  expect(await readLines(join(cwd, "full.jsonl"))).toHaveLength(1);
});

describe("an environment's own file", () => {
  const source = (isMain: boolean) => `
    import { hermesAgentEnvConfig } from "${root}/src/env/env-config.ts";
    import { HermesAgentBaseEnv } from "${root}/src/env/hermes-agent-base-env.ts";
    export default class MyEnv extends HermesAgentBaseEnv {
      static envName = "my-env";
      static description = "Mine.";
      static configSchema = hermesAgentEnvConfig;
      async getNextItem() { return "What is 2 + 2?"; }
      formatPrompt(item: string) { return item; }
      async computeReward(_item: string, result: { messages: unknown[] }) { return result.messages.length > 1 ? 0.5 : 0; }
    }
    ${isMain ? "if (import.meta.main) await MyEnv.cli();" : ""}`;

  test("is taken by its path, and runs by itself", async () => {
    const file = join(cwd, "my-env.ts");
    await writeFile(file, source(true));
    const flags = [
      "--openai.base_url",
      practice.url,
      isolation,
      "--env.total_steps=1",
      "--env.enabled_toolsets=python",
    ];
    const byPath = await runCli(["process", "./my-env.ts", ...flags], { cwd });
    expect(byPath.stdout).toMatch(/saved +1 group in data\/my-env\.jsonl/);
    const byItself = await runCli(["process", ...flags], { cwd, script: file });
    expect(byItself.stdout).toMatch(/saved +1 group in data\/my-env_1\.jsonl/);
    expect([byPath.code, byItself.code]).toEqual([0, 0]);
    const [group] = await readLines(join(cwd, "data/my-env.jsonl"));
    expect(group?.scores).toEqual([0.5, 0.5, 0.5, 0.5]);
  });
});

test("an environment's file may import the package from a folder that knows no packages", async () => {
  const guide = await readFile(join(root, "docs/environments.md"), "utf8");
  const [, source = ""] = guide.match(/```ts\n(\/\/ doubling\.ts\n.*?)```/s) ?? [];
  await writeFile(join(cwd, "doubling.ts"), source);
  const flags = ["--openai.base_url", practice.url, isolation, "--env.total_steps=1"];
  const { code, stdout } = await runCli(["process", "./doubling.ts", ...flags], { cwd });
  expect(stdout).toMatch(/saved +1 group in data\/doubling\.jsonl/);
  expect(code).toBe(0);
});

async function freePort(): Promise<number> {
  await using server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
