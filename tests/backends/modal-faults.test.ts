/** What Modal does to us, and what we leave on it. */
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createBackend } from "../../backends/index.ts";
import { ownerMark } from "../../backends/owner-mark.ts";
import { eventually } from "../support/host-processes.ts";
import { bubblewrapSkipReason } from "../support/local-sandboxes.ts";
import { modalStatus } from "../support/modal/modal-sandbox.ts";
import { credentials, expectNoModalSandboxLeft, startModalServer } from "../support/modal/modal-sandboxes.ts";
import { ModalRefusal, type ModalServer } from "../support/modal/modal-server.ts";

const signal = new AbortController().signal;
const request = { rolloutId: "faults", signal };
let server: ModalServer;

beforeEach(async () => {
  server = await startModalServer();
});
afterEach(async () => {
  await expectNoModalSandboxLeft(server);
  await server[Symbol.asyncDispose]();
});

const refuse = (code: number, details: string) => () => {
  throw new ModalRefusal(code, details);
};

describe("credentials", () => {
  test("without any, the error says how to get them", async () => {
    await using backend = createBackend("modal", {});
    await expect(backend.check({ signal })).rejects.toMatchObject({
      code: "SANDBOX_UNAVAILABLE",
      message: "There are no credentials for Modal.",
      hint: expect.stringContaining("MODAL_TOKEN_ID"),
    });
  });

  test("refused ones are told apart from missing ones, and asked for afresh the next time", async () => {
    await using backend = createBackend("modal", { ...credentials, token_secret: "as-wrong" });
    for (const _ of [1, 2]) {
      await expect(backend.check({ signal })).rejects.toMatchObject({
        code: "SANDBOX_UNAVAILABLE",
        message: expect.stringContaining("Token validation failed"),
      });
    }
  });
});

const skipped = bubblewrapSkipReason === undefined ? "" : ` (skipped: ${bubblewrapSkipReason})`;
describe.skipIf(bubblewrapSkipReason !== undefined)(`faults of Modal${skipped}`, () => {
  test("a create that failed on the way is made again, and makes one sandbox", async () => {
    await using backend = createBackend("modal", credentials);
    server.faultOnce("SandboxCreateV2", refuse(status.UNAVAILABLE, "try again"));
    await using sandbox = await backend.create(request);
    expect(server.running.map(({ id }) => id)).toEqual([sandbox.id]);
  });

  test("no room on Modal is a failure that may pass", async () => {
    await using backend = createBackend("modal", credentials);
    server.faultOnce("SandboxCreateV2", refuse(status.RESOURCE_EXHAUSTED, "too many sandboxes"));
    await expect(backend.create(request)).rejects.toMatchObject({
      code: "SANDBOX_START_FAILED",
      retryable: true,
      message: expect.stringContaining("too many sandboxes"),
      hint: expect.stringContaining("fewer rollouts"),
    });
  });

  test("a sandbox whose command can't be started is terminated", async () => {
    await using backend = createBackend("modal", credentials);
    server.faultOnce("TaskExecStart", refuse(status.INVALID_ARGUMENT, "no such shell"));
    await expect(backend.create(request)).rejects.toMatchObject({
      code: "SANDBOX_START_FAILED",
      message: expect.stringContaining("no such shell"),
    });
  });

  test("output that breaks off goes on where it was", async () => {
    await using backend = createBackend("modal", credentials);
    await using sandbox = await backend.create(request);
    const running = sandbox.exec(
      { shell: "for i in $(seq 1 200); do echo $i; sleep 0.005; done | tee file" },
      { timeoutMs: 60_000, signal },
    );
    for (let broken = 0; broken < 4; broken += 1) {
      await new Promise((resolve) => setTimeout(resolve, 150));
      server.breakStreams();
    }
    const { stdout } = await running;
    expect(Buffer.from(stdout).toString()).toBe(
      Array.from({ length: 200 }, (_, index) => `${index + 1}\n`).join(""),
    );
    expect(server.calls.get("TaskExecStdioRead")).toBeGreaterThan(2);
  });

  test("input whose answer got lost is not written twice", async () => {
    await using backend = createBackend("modal", credentials);
    await using sandbox = await backend.create(request);
    const content = Buffer.from(Array.from({ length: 600_000 }, (_, index) => (index * 7) % 256));
    server.loseAnswerOnce("TaskExecStdinWrite");
    const writing = sandbox.writeFile("file", content, { signal });
    server.loseAnswerOnce("TaskExecStdinWrite");
    await writing;
    expect(content.equals(await sandbox.readFile("file", { signal }))).toBe(true);
  });

  test.each([
    ["terminated from outside", (id: string) => server.terminate(id), "terminated on Modal"],
    ["out of time", (id: string) => server.terminate(id, modalStatus.timeout), "modal_timeout"],
    ["lost with its machine", (id: string) => server.vanish(id), "no word from Modal"],
  ])("a sandbox %s says so as SANDBOX_DIED", async (_what, end, words) => {
    await using backend = createBackend("modal", credentials);
    await using sandbox = await backend.create(request);
    const running = sandbox.exec({ shell: "sleep 60" }, { timeoutMs: 60_000, signal });
    setTimeout(() => void end(sandbox.id), 100);
    await expect(running).rejects.toMatchObject({
      code: "SANDBOX_DIED",
      retryable: true,
      message: expect.stringContaining(words),
    });
  });

  test("a sandbox that comes after its create was cancelled is terminated, and closing waits for that", async () => {
    const backend = createBackend("modal", credentials);
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const controller = new AbortController();
    const reason = new Error("cancelled");
    const { promise: came, resolve: come } = Promise.withResolvers<void>();
    server.faultOnce("SandboxCreateV2", () => {
      come();
      return held;
    });
    const creating = backend.create({ rolloutId: "late", signal: controller.signal });
    await came;
    controller.abort(reason);
    await expect(creating).rejects.toBe(reason);
    const closing = backend[Symbol.asyncDispose]();
    expect(server.sandboxes.size).toBe(0);
    release();
    await closing;
    expect([server.sandboxes.size, server.running.length]).toEqual([1, 0]);
  });

  test("a queued sandbox with a GPU leaves the queue when its create is cancelled", async () => {
    await using backend = createBackend("modal", { ...credentials, gpu: "H100" });
    server.hasNoRoom = true;
    const controller = new AbortController();
    const creating = backend.create({ rolloutId: "queued", signal: controller.signal });
    creating.catch(() => {});
    await eventually(() => server.calls.has("SandboxGetTaskId"), "the sandbox is queued");
    controller.abort(new Error("cancelled"));
    await expect(creating).rejects.toThrow("cancelled");
    await expectNoModalSandboxLeft(server);
    expect(server.sandboxes.size).toBe(1);
  });

  test("what dead processes left is terminated at first use, and nobody else's", async () => {
    const mark = await ownerMark();
    const dead = [...mark.split(".").slice(0, 4), "1"].join(".");
    await using earlier = createBackend("modal", credentials);
    const left = await Promise.all(Array.from({ length: 6 }, () => earlier.create(request)));
    const owners = [dead, mark, "another.host.x.1.1", dead, dead, dead];
    for (const [index, { id }] of left.entries()) {
      for (const tag of server.sandboxes.get(id)?.tags ?? []) {
        if (tag.tagName === "lachesis-owner") tag.tagValue = owners[index] ?? "";
      }
    }
    const notices: string[] = [];
    const onNotice = ({ message }: { message: string }) => void notices.push(message);
    const backend = createBackend("modal", credentials, { onNotice });
    await using sandbox = await backend.create(request);
    await eventually(() => notices.length > 0, "the leftovers are gone");
    expect(notices).toEqual(["Terminated 4 sandbox(es) on Modal that dead processes had left."]);
    const spared = [left[1], left[2], sandbox].map((each) => each?.id);
    expect(server.running.map(({ id }) => id).toSorted()).toEqual(spared.toSorted());
    await backend[Symbol.asyncDispose]();
    await Promise.all(left.map((each) => each[Symbol.asyncDispose]()));
  });
});
