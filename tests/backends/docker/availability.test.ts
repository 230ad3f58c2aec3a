import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { daemonUnavailable } from "../../../backends/docker/docker-client.ts";
import { createBackend } from "../../../backends/index.ts";
import { neverAborted as signal } from "../../support/sandbox-contract-context.ts";

test.each([
  ["a socket that is not there", "unix:///no/such/docker.sock"],
  ["a port where nobody listens", "tcp://127.0.0.1:9"],
])("%s: no daemon answers, and the hint says how to start one", async (_what, host) => {
  await using backend = createBackend("docker", { host });
  await expect(backend.check({ signal })).rejects.toMatchObject({
    code: "SANDBOX_UNAVAILABLE",
    message: expect.stringContaining("No Docker daemon answers"),
    hint: expect.stringContaining("systemctl start docker"),
  });
});

test("a socket that this user may not use: the hint names the group", () => {
  const refusal = Object.assign(new Error("connect EACCES /var/run/docker.sock"), { code: "EACCES" });
  expect(daemonUnavailable(refusal)).toMatchObject({
    code: "SANDBOX_UNAVAILABLE",
    hint: expect.stringContaining("usermod -aG docker"),
  });
});

test("a daemon that is ill is named as such", async () => {
  const directory = await mkdtemp(join(tmpdir(), "lachesis-docker-"));
  const socket = join(directory, "docker.sock");
  const server = createServer((_request, response) => {
    response.writeHead(500, { "Content-Type": "application/json" }).end('{"message":"disk is full"}');
  });
  await new Promise<void>((done) => server.listen(socket, done));
  try {
    await using backend = createBackend("docker", { host: `unix://${socket}` });
    await expect(backend.check({ signal })).rejects.toMatchObject({
      code: "SANDBOX_UNAVAILABLE",
      message: expect.stringContaining("disk is full"),
    });
  } finally {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
    await rm(directory, { recursive: true });
  }
});

test.each(["ssh://host", "docker", "tcp//x"])("the address %s is refused", (host) => {
  expect(() => createBackend("docker", { host })).toThrow(
    expect.objectContaining({ code: "CONFIG_INVALID" }),
  );
});

test("certificates that cannot be read are refused by name", () => {
  expect(() => createBackend("docker", { host: "tcp://127.0.0.1:2376", cert_path: "/no/such" })).toThrow(
    expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining("/no/such/ca.pem") }),
  );
});
