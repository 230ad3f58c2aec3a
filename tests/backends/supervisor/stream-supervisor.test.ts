import { spawn } from "node:child_process";
import { access, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { JoinedStream } from "../../../backends/supervisor/joined-stream.ts";
import {
  openStreamSandbox,
  type StreamSupervisorOptions,
  streamSupervisorCommand,
} from "../../../backends/supervisor/stream-supervisor.ts";
import { neverAborted as signal, text } from "../../support/sandbox-contract-context.ts";

const systemPath = "/usr/local/bin:/usr/bin:/bin";
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "lachesis-stream-supervisor-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

type Place = { argv: readonly [string, ...string[]]; env?: Record<string, string>; signal?: AbortSignal };

/** A plain child process as the place, its stdin and stdout as the stream. */
function openPlace({ argv, env = { PATH: systemPath }, signal: startSignal = signal }: Place) {
  const child = spawn(argv[0], argv.slice(1), { stdio: ["pipe", "pipe", "ignore"], env });
  const ended = new Promise<string>((resolve) => {
    child.once("close", (code, name) => resolve(name === null ? `exit code ${code}` : `signal ${name}`));
  });
  let demolitions = 0;
  const opening = openStreamSandbox({
    id: "place",
    workspace: directory,
    baseEnv: { OURS: "ours" },
    stream: new JoinedStream(child.stdin, child.stdout),
    ended,
    demolish: async () => {
      demolitions += 1;
      const giveUp = setTimeout(() => child.kill("SIGKILL"), 1_000);
      await ended;
      clearTimeout(giveUp);
    },
    signal: startSignal,
  });
  return { child, opening, demolitions: () => demolitions };
}

async function runThere(options: StreamSupervisorOptions, shell: string, env?: Record<string, string>) {
  const { opening } = openPlace({ argv: streamSupervisorCommand(options), ...(env && { env }) });
  await using sandbox = await opening;
  return text((await sandbox.exec({ shell }, { timeoutMs: 20_000, signal })).stdout);
}

test("commands see the place's environment under their own, unless it is not to be inherited", async () => {
  const env = { PATH: systemPath, OURS: "theirs", IMAGE: "1", PERL5OPT: "-Mno_such_module" };
  const question = 'echo "$OURS $IMAGE"';
  expect(await runThere({}, question, env)).toBe("ours 1\n");
  expect(await runThere({ inheritEnvironment: false }, question, env)).toBe("ours \n");
});

test("limits hold for every process, where some are given", async () => {
  const limits = { dataBytes: 64_000_000, fileBytes: 4_096 };
  expect(await runThere({ limits }, "ulimit -d; ulimit -f; ulimit -c")).toBe("62500\n4\n0\n");
});

test("what the place says before the supervisor starts is skipped", async () => {
  const [program, ...rest] = streamSupervisorCommand();
  const { opening } = openPlace({
    argv: ["sh", "-c", 'echo "Welcome!"; printf "> "; exec "$@"', "sh", program, ...rest],
  });
  await using sandbox = await opening;
  expect((await sandbox.exec({ argv: ["true"] }, { timeoutMs: 20_000, signal })).exitCode).toBe(0);
});

test("the supervisor removes its doomed directory when the stream ends", async () => {
  const doomedDirectory = join(directory, "doomed");
  expect(
    await runThere(
      { doomedDirectory },
      `mkdir -p ${doomedDirectory}; echo x > ${doomedDirectory}/x; cat ${doomedDirectory}/x`,
    ),
  ).toBe("x\n");
  await expect.poll(() => readable(doomedDirectory)).toBe(false);
});

test("a place without an interpreter is unavailable, and says what it lacks", async () => {
  await symlink("/usr/bin/uname", join(directory, "uname"));
  const { opening, demolitions } = openPlace({
    argv: ["/bin/sh", ...streamSupervisorCommand().slice(1)],
    env: { PATH: directory },
  });
  await expect(opening).rejects.toMatchObject({
    code: "SANDBOX_UNAVAILABLE",
    message: expect.stringContaining("perl"),
    hint: expect.stringContaining("image"),
  });
  expect(demolitions()).toBe(1);
});

test("so is a machine whose system calls are unknown", async () => {
  await writeFile(join(directory, "uname"), "#!/bin/sh\necho pdp11\n", { mode: 0o755 });
  const { opening } = openPlace({
    argv: streamSupervisorCommand(),
    env: { PATH: `${directory}:${systemPath}` },
  });
  await expect(opening).rejects.toMatchObject({
    code: "SANDBOX_UNAVAILABLE",
    message: expect.stringContaining("pdp11"),
  });
});

test("a place that ends early fails the start with its last words", async () => {
  const { opening, demolitions } = openPlace({ argv: ["sh", "-c", "echo no space left; exit 3"] });
  await expect(opening).rejects.toMatchObject({
    code: "SANDBOX_START_FAILED",
    retryable: true,
    message: expect.stringMatching(/no space left.*exit code 3/),
  });
  expect(demolitions()).toBe(1);
});

test("an aborted start rejects with the signal's reason and demolishes the place", async () => {
  const reason = new Error("no longer wanted");
  const controller = new AbortController();
  const { opening, child, demolitions } = openPlace({ argv: ["sleep", "1000"], signal: controller.signal });
  controller.abort(reason);
  await expect(opening).rejects.toBe(reason);
  expect([demolitions(), child.signalCode]).toEqual([1, "SIGKILL"]);
});

test("when the place ends, how it ended is the reason of what waits", async () => {
  const { opening, child } = openPlace({ argv: streamSupervisorCommand() });
  await using sandbox = await opening;
  const running = sandbox.exec({ argv: ["cat", "/dev/zero"] }, { timeoutMs: 20_000, signal });
  child.kill("SIGKILL");
  await expect(running).rejects.toMatchObject({
    code: "SANDBOX_DIED",
    message: expect.stringContaining("signal SIGKILL"),
  });
});

async function readable(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
