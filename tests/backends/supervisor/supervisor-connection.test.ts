import { duplexPair } from "node:stream";
import { describe, expect, test } from "vitest";
import { encodeFrame, sandboxFrame } from "../../../backends/supervisor/frames.ts";
import {
  type JobListener,
  SupervisorConnection,
} from "../../../backends/supervisor/supervisor-connection.ts";

const request = { argv: ["x"], cwd: "/", env: {}, hasStdin: true };

function connect() {
  const [host, sandbox] = duplexPair();
  const connection = new SupervisorConnection(host);
  const heard: string[] = [];
  const listener: JobListener = {
    onOutput: (stream, chunk) => heard.push(`${stream}: ${chunk}`),
    onEnd: (stream) => heard.push(`${stream} ended`),
    onInputTaken: (bytes) => heard.push(`took ${bytes}`),
  };
  return { connection, sandbox, heard, job: connection.start(request, listener) };
}

function statusFrame(jobId: number, waitStatus: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(waitStatus);
  return encodeFrame(sandboxFrame.exit, jobId, payload);
}

test("output, ends and exit reach the job they belong to", async () => {
  const { connection, sandbox, heard, job } = connect();
  sandbox.write(encodeFrame(sandboxFrame.ready, 0));
  await connection.ready;
  sandbox.write(encodeFrame(sandboxFrame.stdout, 1, Buffer.from("hello")));
  sandbox.write(encodeFrame(sandboxFrame.stderr, 1));
  sandbox.write(statusFrame(1, 3 << 8));
  sandbox.write(encodeFrame(sandboxFrame.gone, 1));
  expect(await job.exited).toBe(3);
  await job.gone;
  expect(heard).toEqual(["stdout: hello", "stderr ended"]);
});

test.each([
  [0, 0],
  [1 << 8, 1],
  [9, 137],
  [15 | 0x80, 143],
])("wait status %i is exit code %i", async (waitStatus, exitCode) => {
  const { sandbox, job } = connect();
  sandbox.write(statusFrame(1, waitStatus));
  expect(await job.exited).toBe(exitCode);
});

describe("a sandbox that talks nonsense is given up, and everything that waits on it rejects", () => {
  test.each([
    ["noise", Buffer.alloc(100, 0xff)],
    ["text", Buffer.from("HTTP/1.1 200 OK\r\n\r\n")],
    ["a frame for an unknown job", encodeFrame(sandboxFrame.stdout, 7, Buffer.from("x"))],
    ["a frame of an unknown type", encodeFrame(99, 1)],
    ["an exit without a status", encodeFrame(sandboxFrame.exit, 1)],
    ["an acknowledgement of nothing", encodeFrame(sandboxFrame.taken, 1, Buffer.from([0, 0, 0, 9]))],
  ])("%s", async (_name, bytes) => {
    const { connection, sandbox, heard, job } = connect();
    sandbox.write(bytes);
    await expect(job.exited).rejects.toMatchObject({ code: "SANDBOX_DIED", retryable: true });
    await expect(job.gone).rejects.toMatchObject({ code: "SANDBOX_DIED" });
    expect(await connection.ended).toMatchObject({ code: "SANDBOX_DIED" });
    expect(heard).toEqual(["stdout ended", "stderr ended"]);
    expect(() => connection.start(request, { onOutput() {}, onEnd() {}, onInputTaken() {} })).toThrow("died");
  });
});

test("a sandbox that hangs up is dead", async () => {
  const { sandbox, job } = connect();
  sandbox.end();
  await expect(job.exited).rejects.toMatchObject({ code: "SANDBOX_DIED" });
});
