/** What a hostile command meets in a container: each wall is tried. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createBackend } from "../../../backends/index.ts";
import type { ExecOptions, Sandbox, SandboxBackend } from "../../../src/contracts/sandbox.ts";
import { dockerSkipReason, dockerTestImage, expectNoContainerLeft } from "../../support/docker-sandboxes.ts";
import { neverAborted as signal, text } from "../../support/sandbox-contract-context.ts";

describe.skipIf(dockerSkipReason !== undefined)(
  `a container's walls${dockerSkipReason === undefined ? "" : ` (skipped: ${dockerSkipReason})`}`,
  () => {
    let backend: SandboxBackend;
    let sandbox: Sandbox;

    beforeAll(async () => {
      const limits = { memory_mb: 96, max_processes: 24, workspace_mb: 16, cpus: 0.5 };
      backend = createBackend("docker", { image: dockerTestImage, pull: "never", ...limits });
      sandbox = await backend.create({ rolloutId: "walls", signal });
    });
    afterAll(async () => {
      await backend[Symbol.asyncDispose]();
      await expectNoContainerLeft();
    });

    const run = (shell: string, more: Partial<ExecOptions> = {}) =>
      sandbox.exec({ shell }, { timeoutMs: 30_000, signal, ...more });
    const say = async (shell: string) => text((await run(shell)).stdout).trim();

    test("there is no network but its own loopback, and nobody to ask for names", async () => {
      expect(await say("ls /sys/class/net")).toBe("lo");
      const dial = `import socket
s = socket.socket(); s.settimeout(5)
try: s.connect(("1.1.1.1", 53))
except OSError as error: print(error.strerror)`;
      expect(await say(`python3 -c '${dial}'`)).toBe("Network is unreachable");
    });

    test("nobody is root, has a capability or can gain one", async () => {
      expect(await say("id -u")).toBe("1000");
      const status = await say("grep -E '^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status");
      expect(status.replaceAll(/\s+/g, " ")).toBe(
        "CapPrm: 0000000000000000 CapEff: 0000000000000000 CapBnd: 0000000000000000 CapAmb: 0000000000000000 NoNewPrivs: 1 Seccomp: 2",
      );
      expect((await run("unshare --user --map-root-user true")).exitCode).not.toBe(0);
    });

    test("the image's files are read-only, and nothing of the host is mounted", async () => {
      for (const path of ["/new", "/etc/passwd", "/usr/bin/new", "/proc/sys/kernel/hostname"])
        expect((await run(`echo x >> ${path}`)).exitCode).not.toBe(0);
      const writable = await say("findmnt -rn -o TARGET,FSTYPE,OPTIONS | awk '$3 ~ /^rw/ {print $1, $2}'");
      const disks = writable
        .split("\n")
        .filter((line) => !/ (tmpfs|proc|devpts|mqueue|cgroup2?)$/.test(line));
      expect(disks).toEqual([]);
      expect(await say("find / -name 'docker.sock*' -not -path '/proc/*' 2>/dev/null")).toBe("");
    });

    test("workspace and /tmp hold what they may, in bytes and in files", async () => {
      for (const directory of [sandbox.workspace, "/tmp"]) {
        const full = await run(
          `head -c 100M /dev/zero > ${directory}/big; stat -c %s ${directory}/big; rm ${directory}/big`,
        );
        expect(text(full.stderr)).toContain("No space left");
        expect(text(full.stdout)).toBe(`${16 * 1_048_576}\n`);
      }
      const many = await run(
        `mkdir many && cd many && seq 5000 | xargs touch; ls | wc -l; cd .. && rm -r many`,
      );
      expect(text(many.stderr)).toContain("No space left");
    });

    test("a fork bomb stops at the limit and dies by the timeout", async () => {
      const bomb = await run("bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 60", { timeoutMs: 1_500 });
      expect(bomb.exitCode).not.toBe(0);
      expect(Number(await say("ls -d /proc/[0-9]* | wc -l"))).toBeLessThan(24);
      expect((await run("true")).exitCode).toBe(0);
    });

    test("a memory bomb dies of its limit", async () => {
      const bomb = "python3 -c 'x = bytearray(1); x = [bytearray(1 << 20) for _ in range(400)]'";
      expect((await run(bomb)).exitCode).toBe(137);
      expect((await run("true")).exitCode).toBe(0);
    });

    test("the supervisor can be neither killed nor looked into", async () => {
      await run("kill -9 -1; kill -9 1; kill -STOP 1");
      expect((await run("true")).exitCode).toBe(0);
      for (const secret of ["ls /proc/1/fd", "cat /proc/1/environ", "cat /proc/1/mem"])
        expect((await run(secret)).exitCode).not.toBe(0);
    });
  },
);
