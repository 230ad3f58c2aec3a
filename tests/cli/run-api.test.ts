/** The `run-api` command and the example trainer as processes of their own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { runApiCommand } from "../../src/cli/run-api-main.ts";
import { RolloutApiClient } from "../../src/rollout-api/client.ts";
import { startRolloutServer } from "../support/rollout-server.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";

const trainer = {
  wandb_group: "g",
  wandb_project: "p",
  batch_size: 4,
  max_token_len: 128,
  checkpoint_dir: "ck",
  save_checkpoint_interval: 5,
  starting_step: 0,
  num_steps: 100,
};
const environment = {
  max_token_length: 128,
  desired_name: "env",
  weight: 1,
  group_size: 2,
  min_batch_allocation: null,
};
/** A group of two sequences. */
const pair = {
  ...{ tokens: [[1], [2]], masks: [[1], [2]], scores: [0, 1], env_id: null, images: null },
  ...{ advantages: null, ref_logprobs: null, messages: null, generation_params: null },
  ...{ inference_logprobs: null, overrides: null, group_overrides: null },
  ...{ distill_token_ids: null, distill_logprobs: null },
};

const root = fileURLToPath(new URL("../..", import.meta.url));
const { signal } = new AbortController();

class Run implements AsyncDisposable {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  #wake: () => void = () => undefined;

  constructor(script: string, args: readonly string[]) {
    this.child = spawn(process.execPath, [script, ...args], { cwd: root });
    this.child.stdout?.on("data", (chunk) => {
      this.stdout += String(chunk);
      this.#wake();
    });
    this.child.stderr?.on("data", (chunk) => {
      this.stderr += String(chunk);
    });
    this.child.on("exit", () => this.#wake());
  }

  async seen(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stdout);
      if (match !== null) return match;
      if (this.child.exitCode !== null) throw new Error(`ended before ${pattern}: ${this.stderr}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Exit code and signal. */
  async ended(): Promise<[number | null, string | null]> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, "close");
    return [this.child.exitCode, this.child.signalCode];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.ended();
  }
}

describe("run-api", () => {
  test.each(["SIGINT", "SIGTERM"] as const)(
    "serves from the line it prints until %s, also past idle and stuck connections",
    async (stopSignal) => {
      await using run = new Run("src/cli/run-api.ts", ["--port", "0", "--store", "memory"]);
      const [, port = ""] = await run.seen(/^Rollout API ready: http:\/\/127\.0\.0\.1:(\d+)\n$/);
      const agent = new http.Agent({ keepAlive: true });
      const idle = http.get({ host: "127.0.0.1", port, path: "/info", agent });
      const [response] = (await once(idle, "response")) as [http.IncomingMessage];
      response.resume();
      const stuck = http.request({ host: "127.0.0.1", port, path: "/scored_data", method: "POST" });
      stuck.on("error", () => undefined);
      stuck.write("{");
      await once(stuck, "socket");
      run.child.kill(stopSignal);
      expect(await run.ended()).toEqual([0, null]);
      agent.destroy();
    },
  );

  test("a taken port is a clear error", async () => {
    await using taken = await startRolloutServer();
    await using run = new Run("src/cli/run-api.ts", [...["--port", String(taken.port), "--store", "memory"]]);
    expect(await run.ended()).toEqual([1, null]);
    expect(run.stderr).toContain(`error PORT_IN_USE: can't listen on 127.0.0.1:${taken.port}`);
    expect(run.stderr).toContain("--port");
    expect(run.stdout).toBe("");
  });

  test.each([
    [["--port", "70000"], 2, /port/],
    [["--max-body", "3 apples"], 2, /max-body.*512MB/],
    [["--store", "redis"], 2, /"memory" or "sqlite:PATH"/],
    [["--token", "two words"], 2, /without spaces/],
    [["--nope"], 2, /unknown option '--nope'/],
    [["extra"], 2, /too many arguments/],
  ])("%j is a usage error", async (args, exitCode, message) => {
    await using run = new Run("src/cli/run-api.ts", args);
    expect(await run.ended()).toEqual([exitCode, null]);
    expect(run.stderr).toMatch(message);
  });

  test("--help shows examples", async () => {
    await using run = new Run("src/cli/run-api.ts", ["--help"]);
    expect(await run.ended()).toEqual([0, null]);
    expect(run.stdout).toContain("$ run-api --port 0");
  });
});

test("docs/rollout-api.md has every flag", async () => {
  let help = "";
  const stdout = { write: (text: string) => (help += text) };
  const environment = { openaiApiKey: undefined, rolloutServerToken: undefined, hubToken: undefined };
  const io = {
    stdout,
    stderr: stdout,
    environment: {
      ...environment,
      cacheDirectory: "",
      sandboxSecrets: {},
      toolSettings: {},
      allowsColor: false,
    },
  };
  expect(await runApiCommand(["--help"], io)).toBe(0);
  const flags = [...help.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, flag = ""]) => flag);
  expect(flags).toContain("--max-inflated");
  const page = await readFile(join(root, "docs/rollout-api.md"), "utf8");
  expect(flags.filter((flag) => !page.includes(`\`${flag}`))).toEqual([]);
});

describe("run-api's store", () => {
  /** Starts it on a store in the directory, on any port; resolves with its URL. */
  async function start(directory: string, ...args: string[]) {
    const run = new Run("src/cli/run-api.ts", ["--port", "0", "--run-dir", directory, ...args]);
    const [, url = ""] = await run.seen(/^Rollout API ready: (\S+)\n/);
    return { run, url, client: new RolloutApiClient({ url, pollIntervalMs: 5 }) };
  }

  test("a server that is killed goes on where it stopped, and says what it found", async () => {
    await using directory = await TemporaryDirectory.make();
    const path = join(directory.path, "new", "run");
    const first = await start(path);
    await first.client.register({ ...trainer, starting_step: 7 }, { signal });
    expect(await first.client.batch({ signal })).toBeNull();
    const { env_id } = await first.client.registerEnv(environment, { signal });
    for (const score of [1, 2, 3]) {
      await first.client.submitGroups([{ ...pair, scores: [score, 0], env_id }], { signal });
    }
    await first.client.leaseBatch(3600, { signal });
    first.run.child.kill("SIGKILL");
    await first.run.ended();
    await first.client.close();

    const second = await start(path);
    await second.run.seen(
      /\nGoing on with what is in .*store\.sqlite: run default at step 8 with 1 group queued/,
    );
    expect(await second.client.status({ signal })).toEqual({ current_step: 8, queue_size: 1 });
    expect(await second.client.statusEnv(env_id, { signal })).toMatchObject({ self_queue_size: 1 });
    await second.client.close();
    await second.run[Symbol.asyncDispose]();

    const third = await start(path, "--reset");
    expect(await third.client.info({ signal })).toMatchObject({ batch_size: -1 });
    expect(third.run.stdout).not.toContain("Going on");
    await third.client.close();
    await third.run[Symbol.asyncDispose]();
  });

  test("is refused to a second server while the first has it", async () => {
    await using directory = await TemporaryDirectory.make();
    const first = await start(directory.path);
    await using second = new Run("src/cli/run-api.ts", ["--port", "0", "--run-dir", directory.path]);
    expect(await second.ended()).toEqual([1, null]);
    expect(second.stderr).toContain("error STORE_LOCKED");
    await first.client.close();
    await first.run[Symbol.asyncDispose]();
  });
});

describe("run-api and other machines", () => {
  test("without tokens it does not listen for them", async () => {
    await using run = new Run("src/cli/run-api.ts", [
      "--host",
      "0.0.0.0",
      "--port",
      "0",
      "--store",
      "memory",
    ]);
    expect(await run.ended()).toEqual([1, null]);
    expect(run.stderr).toContain("error BIND_UNPROTECTED");
    expect(run.stderr).toContain("--insecure");
  });

  test("with a token file it does, and asks for tokens", async () => {
    await using directory = await TemporaryDirectory.make();
    const file = join(directory.path, "tokens");
    await writeFile(file, "env: env-token\ntrainer: trainer-token\n");
    await using run = new Run("src/cli/run-api.ts", [
      ...["--host", "0.0.0.0", "--port", "0", "--store", "memory", "--token-file", file],
    ]);
    const [, port = ""] = await run.seen(/^Rollout API ready: \S+:(\d+)\n/);
    const url = `http://127.0.0.1:${port}`;
    await using stranger = new RolloutApiClient({ url });
    await expect(stranger.register(trainer, { signal })).rejects.toMatchObject({
      code: "ROLLOUT_API_REJECTED",
      message: expect.stringContaining("401"),
      hint: expect.stringContaining("LACHESIS_ROLLOUT_TOKEN"),
    });
    await using known = new RolloutApiClient({ url, token: "trainer-token" });
    await known.register(trainer, { signal });
    expect(run.stdout + run.stderr).not.toMatch(/env-token|trainer-token/);
  });
});

describe("scripts/pull-batches.ts", () => {
  test("takes the batches asked for and sums them up", async () => {
    await using server = await startRolloutServer();
    await using run = new Run("scripts/pull-batches.ts", [
      ...["--url", server.url, "--batches", "2", "--batch-size", "4", "--poll-ms", "5"],
    ]);
    await using client = new RolloutApiClient({ url: server.url, pollIntervalMs: 5 });
    await client.waitForTrainer({ signal });
    await client.submitGroups([pair, pair, pair, { ...pair, scores: [1, 1] }], { signal });
    expect(await run.ended()).toEqual([0, null]);
    const [first, second, last] = run.stdout.trim().split("\n");
    expect(first).toBe("step 2  batch of 4 sequences in 2 groups  mean score 0.5000");
    expect(second).toBe("step 2  batch of 4 sequences in 2 groups  mean score 0.7500");
    expect(last).toBe("2 batches, 4 groups, 8 sequences, mean score 0.6250");
  });

  test("waits for a server that is away, and Ctrl-C ends it", async () => {
    const away = await startRolloutServer();
    await away.close();
    await using run = new Run("scripts/pull-batches.ts", ["--url", away.url]);
    await once(run.child.stderr ?? run.child, "data");
    run.child.kill("SIGINT");
    expect(await run.ended()).toEqual([130, null]);
    expect(run.stderr).toMatch(/^trying again: \w+ http:.*ECONNREFUSED/);
    expect(run.stdout).toContain("0 batches, 0 groups, 0 sequences, mean score n/a");
  });
});
