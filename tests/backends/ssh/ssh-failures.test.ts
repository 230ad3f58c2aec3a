import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Notice } from "../../../backends/backend-context.ts";
import { ownerMark } from "../../../backends/owner-mark.ts";
import { fingerprint } from "../../../backends/ssh/known-hosts.ts";
import { SshBackend, sshConfig } from "../../../backends/ssh.ts";
import { eventually, findByCommand, listDescendants } from "../../support/host-processes.ts";
import { isRunning } from "../../support/local-sandboxes.ts";
import { markerSeconds, neverAborted as signal, text } from "../../support/sandbox-contract-context.ts";
import {
  expectNothingOn,
  SshServer,
  sshBubblewrapSkipReason,
  sshSkipReason,
} from "../../support/ssh-server.ts";
import { TemporaryDirectory } from "../../support/temporary-directory.ts";

const title = (name: string, reason: string | undefined) =>
  reason === undefined ? name : `${name} (skipped: ${reason})`;
const isolations = [
  ["bubblewrap", sshBubblewrapSkipReason],
  ["directory", sshSkipReason],
] as const;

describe.skipIf(sshSkipReason !== undefined)(title("ssh", sshSkipReason), async () => {
  const server = await SshServer.start();
  afterAll(() => server[Symbol.asyncDispose]());
  const backendOn = (place: SshServer, more: Record<string, unknown> = {}, notices: Notice[] = []) =>
    new SshBackend(sshConfig.parse({ ...place.config, ...more }), {
      onNotice: (notice) => notices.push(notice),
    });
  const open = (more: Record<string, unknown> = {}, notices: Notice[] = []) =>
    backendOn(server, more, notices);
  const sshOf = { rolloutId: "failures", signal };

  describe("logging in", () => {
    test("a key that the server does not know is refused by name", async () => {
      await using backend = open({ key_path: server.foreignKeyPath });
      await expect(backend.check({ signal })).rejects.toMatchObject({
        code: "SSH_AUTH_FAILED",
        message: expect.stringContaining(server.user),
      });
    });

    test.each([
      ["missing", "/no/such/key", "/no/such/key"],
      ["no key at all", "/etc/hostname", "/etc/hostname"],
    ])("a private key that is %s is told", async (_what, path, word) => {
      await using backend = open({ key_path: path });
      await expect(backend.check({ signal })).rejects.toMatchObject({
        code: "SSH_KEY_INVALID",
        message: expect.stringContaining(word),
      });
    });

    test("a port where nobody listens, and no host at all", async () => {
      await using dead = open({ port: 1 });
      await expect(dead.check({ signal })).rejects.toMatchObject({
        code: "SSH_UNREACHABLE",
        retryable: true,
      });
      await using nowhere = new SshBackend(sshConfig.parse({}));
      await expect(nowhere.check({ signal })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    });

    test("a server that says nothing is given up", async () => {
      await using silent = await SshServer.start();
      silent.setSilent(true);
      await using backend = backendOn(silent, { connect_timeout: 0.2 });
      await expect(backend.check({ signal })).rejects.toMatchObject({ code: "SSH_UNREACHABLE" });
    });
  });

  describe("the host's key", () => {
    const hostFingerprint = fingerprint(Buffer.from(server.hostKey.split(" ")[1] ?? "", "base64"));

    test("an unknown one is refused with its fingerprint, which then lets in", async () => {
      await using directory = await TemporaryDirectory.make();
      const known = join(directory.path, "ssh", "known_hosts");
      await using strict = open({ known_hosts: known });
      await expect(strict.check({ signal })).rejects.toMatchObject({
        code: "SSH_HOST_KEY_UNKNOWN",
        message: expect.stringContaining(hostFingerprint),
        hint: expect.stringContaining(hostFingerprint),
      });
      await using pinned = open({ known_hosts: known, host_fingerprint: hostFingerprint });
      await pinned.check({ signal });
    });

    test("accept-new writes it down, once, and from then on it is known", async () => {
      await using directory = await TemporaryDirectory.make();
      const known = join(directory.path, "ssh", "known_hosts");
      for (const policy of ["accept-new", "accept-new", "strict"]) {
        await using backend = open({ known_hosts: known, host_key_policy: policy });
        await backend.check({ signal });
      }
      const [type, key] = server.hostKey.split(" ");
      expect(readFileSync(known, "utf8")).toBe(`[127.0.0.1]:${server.port} ${type} ${key}\n`);
    });

    test.each(["strict", "accept-new"])("a changed one is refused under the policy %s", async (policy) => {
      await using directory = await TemporaryDirectory.make();
      const known = join(directory.path, "known_hosts");
      const other = readFileSync(`${server.foreignKeyPath}.pub`, "utf8").split(" ").slice(0, 2).join(" ");
      writeFileSync(known, `[127.0.0.1]:${server.port} ${other}\n`);
      await using backend = open({ known_hosts: known, host_key_policy: policy });
      await expect(backend.check({ signal })).rejects.toMatchObject({ code: "SSH_HOST_KEY_CHANGED" });
      await using pinned = open({ host_fingerprint: fingerprint(Buffer.from("another key")) });
      await expect(pinned.check({ signal })).rejects.toMatchObject({ code: "SSH_HOST_KEY_CHANGED" });
    });
  });

  describe.each(isolations)("a broken connection, isolation %s", (isolation, reason) => {
    test.skipIf(reason !== undefined)(
      title("in the middle of a command: SANDBOX_DIED, nothing left there, and the next one works", reason),
      async () => {
        await using backend = open({ isolation });
        const sandbox = await backend.create(sshOf);
        const marker = markerSeconds();
        const running = sandbox.exec(
          { shell: `setsid sleep ${marker} & sleep ${marker}` },
          { timeoutMs: 60_000, signal },
        );
        await eventually(() => findByCommand(`sleep ${marker}`).length >= 2, "the command runs");
        server.cutConnections();
        await expect(running).rejects.toMatchObject({ code: "SANDBOX_DIED", retryable: true });
        await sandbox[Symbol.asyncDispose]();
        expect(isRunning(marker)).toBe(false);
        await expectNothingOn(server);
        await using next = await backend.create(sshOf);
        expect(text((await next.exec({ shell: "echo up" }, { timeoutMs: 20_000, signal })).stdout)).toBe(
          "up\n",
        );
      },
    );

    test.skipIf(reason !== undefined)(
      title("that only falls silent is noticed, and the remote side ended when the network is back", reason),
      async () => {
        await using own = await SshServer.start();
        await using backend = backendOn(own, { isolation, keepalive: 0.1, connect_timeout: 1 });
        const sandbox = await backend.create(sshOf);
        const marker = markerSeconds();
        const running = sandbox.exec({ shell: `sleep ${marker}` }, { timeoutMs: 60_000, signal });
        await eventually(() => isRunning(marker), "the command runs");
        own.setSilent(true);
        await expect(running).rejects.toMatchObject({ code: "SANDBOX_DIED" });
        expect(isRunning(marker)).toBe(true);
        await sandbox[Symbol.asyncDispose]();
        own.setSilent(false);
        await using next = await backend.create(sshOf);
        expect(isRunning(marker)).toBe(false);
        expect(own.listSandboxes()).toHaveLength(1);
        expect((await next.exec({ argv: ["true"] }, { timeoutMs: 20_000, signal })).exitCode).toBe(0);
      },
    );

    test.skipIf(reason !== undefined)(
      title("a sandbox that will not end with its input is ended over another channel", reason),
      async () => {
        await using backend = open({ isolation });
        const sandbox = await backend.create(sshOf);
        const marker = markerSeconds();
        const started = `setsid env -i sleep ${marker} & sleep 0.1`;
        await sandbox.exec({ shell: started }, { timeoutMs: 20_000, signal });
        expect(isRunning(marker)).toBe(true);
        for (const { pid, command } of listDescendants()) {
          if (command === "supervisor") process.kill(pid, "SIGSTOP");
        }
        await sandbox[Symbol.asyncDispose]();
        expect(isRunning(marker)).toBe(false);
        await expectNothingOn(server);
      },
    );
  });

  describe("sessions", () => {
    test("where the server allows two to a connection, more connections are opened, and closed at the end", async () => {
      await using small = await SshServer.start({ maxSessions: 2 });
      {
        await using backend = backendOn(small, { isolation: "directory" });
        const sandboxes = await Promise.all(Array.from({ length: 7 }, () => backend.create(sshOf)));
        const results = await Promise.all(
          sandboxes.map((sandbox, index) =>
            sandbox.exec({ shell: `echo ${index}` }, { timeoutMs: 20_000, signal }),
          ),
        );
        expect(results.map(({ stdout }) => text(stdout))).toEqual(sandboxes.map((_, index) => `${index}\n`));
        expect(small.connectionCount).toBe(4);
        await Promise.all(sandboxes.map((sandbox) => sandbox[Symbol.asyncDispose]()));
        const again = await Promise.all(Array.from({ length: 7 }, () => backend.create(sshOf)));
        expect(again).toHaveLength(7);
        expect(small.connectionCount).toBe(4);
      }
      await eventually(() => small.connectionCount === 0, "all connections are closed");
      await expectNothingOn(small);
    });

    test("beyond max_connections a sandbox is refused, and the others live on", async () => {
      await using small = await SshServer.start({ maxSessions: 2 });
      await using backend = backendOn(small, { isolation: "directory", max_connections: 1 });
      const [one] = await Promise.all([backend.create(sshOf), backend.create(sshOf)]);
      await expect(backend.create(sshOf)).rejects.toMatchObject({
        code: "SANDBOX_START_FAILED",
        hint: expect.stringContaining("ssh_max_connections"),
      });
      await one[Symbol.asyncDispose]();
      await backend.create(sshOf);
    });
  });

  describe("isolation", () => {
    test("without bubblewrap there, nothing weaker is taken unasked", async () => {
      await using backend = open({ bwrap_path: "no-such-bwrap" });
      await expect(backend.check({ signal })).rejects.toMatchObject({
        code: "SANDBOX_UNAVAILABLE",
        message: expect.stringContaining("no-such-bwrap"),
        hint: expect.stringContaining("ssh_isolation directory"),
      });
    });

    test("auto takes what there is, and says so", async () => {
      const notices: Notice[] = [];
      await using without = open({ bwrap_path: "no-such-bwrap", isolation: "auto" }, notices);
      expect(await without.isolation({ signal })).toBe("directory");
      expect(notices).toEqual([
        { level: "warn", message: expect.stringMatching(/without walls: .*no-such-bwrap/) },
      ]);
      const spec = { network: false };
      await expect(without.create({ ...sshOf, spec })).rejects.toMatchObject({
        code: "SANDBOX_SPEC_UNSUPPORTED",
      });
    });

    test.skipIf(sshBubblewrapSkipReason !== undefined)(
      "auto prefers bubblewrap, which has a network for who asks",
      async () => {
        await using backend = open({ isolation: "auto" });
        expect(await backend.isolation({ signal })).toBe("bubblewrap");
        const interfaces = async (network: boolean) => {
          await using sandbox = await backend.create({ ...sshOf, spec: { network } });
          return text(
            (await sandbox.exec({ shell: "wc -l < /proc/net/dev" }, { timeoutMs: 20_000, signal })).stdout,
          );
        };
        expect(Number(await interfaces(false))).toBe(3);
        expect(Number(await interfaces(true))).toBe(
          readFileSync("/proc/net/dev", "utf8").trim().split("\n").length,
        );
      },
    );
  });

  describe("leftovers", () => {
    test("those of dead processes are ended and removed at the first use, others' are left alone", async () => {
      const mine = await ownerMark();
      const dead = mine.replace(/\.\d+\.\d+$/, ".999999.1");
      const make = (mark: string, name: string) => {
        const directory = join(server.base, `lachesis-ssh-${mark}-${name}`);
        mkdirSync(join(directory, "workspace"), { recursive: true });
        return directory;
      };
      const [old, own, foreign] = [make(dead, "1a"), make(mine, "2b"), make(`elsewhere.${dead}`, "3c")];
      const marker = markerSeconds();
      const daemons = [old, own].map((directory) =>
        spawn("sleep", [marker], {
          env: { LACHESIS_SANDBOX: directory },
          ...server.identity,
          stdio: "ignore",
        }),
      );
      const [oldDaemon, ownDaemon] = daemons;
      for (const directory of [old, own, foreign]) server.giveToUser(directory);
      const notices: Notice[] = [];
      await using backend = open({ isolation: "directory" }, notices);
      await backend.check({ signal });
      expect(server.listSandboxes().toSorted()).toEqual(
        [own, foreign].map((path) => path.slice(server.base.length + 1)).toSorted(),
      );
      await eventually(() => oldDaemon?.signalCode === "SIGKILL", "the old daemon is dead");
      expect(ownDaemon?.signalCode).toBe(null);
      expect(notices[0]?.message).toContain("1 sandbox");
      ownDaemon?.kill("SIGKILL");
      for (const directory of [own, foreign]) server.removeDirectory(directory);
    });
  });
});
