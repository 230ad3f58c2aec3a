/** The `run-api` command and the example trainer as processes of their own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { RolloutApiClient } from "../../src/rollout-api/client.ts";
import { startRolloutServer } from "../support/rollout-server.ts";

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
      await using run = new Run("src/cli/run-api.ts", ["--port", "0"]);
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
    await using run = new Run("src/cli/run-api.ts", ["--port", String(taken.port)]);
    expect(await run.ended()).toEqual([1, null]);
    expect(run.stderr).toContain(`error PORT_IN_USE: can't listen on 127.0.0.1:${taken.port}`);
    expect(run.stderr).toContain("--port");
    expect(run.stdout).toBe("");
  });

  test.each([
    [["--port", "70000"], 2, /port/],
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

describe("scripts/pull-batches.ts", () => {
  test("takes the batches asked for and sums them up", async () => {
    await using server = await startRolloutServer();
    await using run = new Run("scripts/pull-batches.ts", [
      ...["--url", server.url, "--batches", "2", "--batch-size", "4", "--poll-ms", "5"],
    ]);
    await using client = new RolloutApiClient({ url: server.url, pollIntervalMs: 5 });
    await client.waitForTrainer({ signal });
    const group = {
      ...{ tokens: [[1], [2]], masks: [[1], [2]], scores: [0, 1], env_id: null, images: null },
      ...{ advantages: null, ref_logprobs: null, messages: null, generation_params: null },
      ...{ inference_logprobs: null, overrides: null, group_overrides: null },
      ...{ distill_token_ids: null, distill_logprobs: null },
    };
    await client.submitGroups([group, group, group, { ...group, scores: [1, 1] }], { signal });
    expect(await run.ended()).toEqual([0, null]);
    const [first, second, last] = run.stdout.trim().split("\n");
    expect(first).toBe("step 2  batch of 4 sequences in 2 groups  mean score 0.7500");
    expect(second).toBe("step 2  batch of 4 sequences in 2 groups  mean score 0.5000");
    expect(last).toBe("2 batches, 4 groups, 8 sequences, mean score 0.6250");
  });

  test("waits for a server that is away, and Ctrl-C ends it", async () => {
    const away = await startRolloutServer();
    await away.close();
    await using run = new Run("scripts/pull-batches.ts", ["--url", away.url]);
    await once(run.child.stderr ?? run.child, "data");
    run.child.kill("SIGINT");
    expect(await run.ended()).toEqual([130, null]);
    expect(run.stdout).toContain("0 batches, 0 groups, 0 sequences, mean score n/a");
  });
});
