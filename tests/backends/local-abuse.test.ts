/** What hostile code tries in a bubblewrap sandbox, and what it meets. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { Readable } from "node:stream";
import tarStream from "tar-stream";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { createBackend } from "../../backends/index.ts";
import type { Sandbox } from "../../src/contracts/sandbox.ts";
import { findByCommand, listDescendants } from "../support/host-processes.ts";
import { bubblewrapSkipReason, expectNoSandboxLeft } from "../support/local-sandboxes.ts";

const signal = new AbortController().signal;
const repository = resolve(import.meta.dirname, "../..");
const maxProcesses = 40;
const runAsUid = 20_117;
const title = `abuse of a bubblewrap sandbox${bubblewrapSkipReason === undefined ? "" : ` (skipped: ${bubblewrapSkipReason})`}`;

describe.skipIf(bubblewrapSkipReason !== undefined)(title, () => {
  const backend = createBackend("local", {
    memory_mb: 200,
    workspace_mb: 16,
    max_processes: maxProcesses,
    run_as_uid: runAsUid,
  });
  let sandbox: Sandbox;

  beforeEach(async () => {
    sandbox = await backend.create({ rolloutId: "abuse", signal });
  });
  afterEach(async () => {
    await sandbox[Symbol.asyncDispose]();
    await expectNoSandboxLeft();
  });
  afterAll(async () => {
    await backend[Symbol.asyncDispose]();
  });

  const run = async (shell: string, timeoutMs = 20_000) => {
    const result = await sandbox.exec({ shell }, { timeoutMs, signal });
    const [stdout, stderr] = [Buffer.from(result.stdout).toString(), Buffer.from(result.stderr).toString()];
    return { exitCode: result.exitCode, stdout, stderr, all: stdout + stderr, timedOut: result.timedOut };
  };
  const python = (code: string) =>
    run(`cat > /tmp/attack.py <<'PY'\n${code}\nPY\npython3 -I -S -B /tmp/attack.py`);
  const expectUsable = async () =>
    expect(await run("echo usable")).toMatchObject({ exitCode: 0, stdout: "usable\n" });

  describe("the host's files", () => {
    test("nothing of the host but its programs can be seen", async () => {
      const { stdout } = await run(
        `ls / | sort | tr '\\n' ' '; ls -A /etc | sort | tr '\\n' ' '; ls -A /workspace; ls -A /tmp`,
      );
      expect(stdout).toMatch(
        /^bin dev etc lib (lib32 )?(lib64 )?(libx32 )?proc (sbin )?tmp usr var workspace /,
      );
      expect(stdout).toMatch(/workspace alternatives group ld.so.cache passwd $/);
      for (const path of ["/etc/shadow", "/root", "/home", repository, process.execPath]) {
        if (!path.startsWith("/usr/")) expect((await run(`ls -d '${path}'`)).exitCode, path).toBe(2);
      }
    });

    test("programs and the root directory cannot be written", async () => {
      for (const path of ["/usr/x", "/bin/x", "/x", "/etc/x", "/dev/x", "/proc/sys/kernel/hostname"]) {
        expect((await run(`echo x > ${path}`)).stderr, path).toMatch(
          /Read-only file system|Permission denied/,
        );
      }
      expect((await run("echo x >> /etc/passwd")).exitCode).not.toBe(0);
    });

    test("devices of the host are absent and cannot be made or mounted", async () => {
      expect((await run("ls /dev")).stdout).not.toMatch(/sd|vd|nvme|loop|kmsg|mem|kvm|fuse/);
      expect((await run("mknod /tmp/null b 8 0")).exitCode).not.toBe(0);
      expect((await run("mount -t tmpfs none /tmp")).exitCode).not.toBe(0);
    });

    test("a set-user-id file gives nobody anything", async () => {
      const { stdout } = await run(
        "cp /usr/bin/id own-id; chmod 4755 own-id; ./own-id -u; grep NoNewPrivs /proc/self/status",
      );
      expect(stdout).toBe("1000\nNoNewPrivs:\t1\n");
      const uids = listDescendants()
        .filter(({ command }) => command === "supervisor")
        .map(({ pid }) =>
          spawnSync("ps", ["-o", "uid=", "-p", String(pid)])
            .stdout.toString()
            .trim(),
        );
      expect(uids).toEqual([String(process.getuid?.() === 0 ? runAsUid : process.getuid?.())]);
    });

    test("links do not lead the host's reads and writes out of the sandbox", async () => {
      await run(`ln -s /etc/shadow shadow; ln -s ${repository} repository; ln -s / root`);
      await expect(sandbox.readFile("shadow", { signal })).rejects.toMatchObject({
        code: "SANDBOX_FILE_NOT_FOUND",
      });
      await expect(sandbox.readFile("repository/package.json", { signal })).rejects.toMatchObject({
        code: "SANDBOX_FILE_NOT_FOUND",
      });
      const inside = Buffer.from(await sandbox.readFile("root/etc/passwd", { signal })).toString();
      expect(inside).toBe("sandbox:x:1000:1000:sandbox:/workspace:/bin/bash\n");

      const pack = tarStream.pack();
      pack.entry({ name: "out", type: "symlink", linkname: repository });
      pack.entry({ name: "out/lachesis-abuse" }, "x");
      pack.entry({ name: "../../../lachesis-abuse" }, "x");
      pack.finalize();
      await sandbox.upload(Readable.from(pack), ".", { signal }).catch(() => {});
      expect(existsSync(`${repository}/lachesis-abuse`) || existsSync("/lachesis-abuse")).toBe(false);
    });
  });

  describe("other processes", () => {
    test("no environment, command line or process of the host can be seen", async () => {
      process.env.LACHESIS_TEST_SECRET = "s3cret-of-the-host";
      await using second = await backend.create({ rolloutId: "second", signal });
      await second.spawn({ argv: ["sleep", "4321.5"] }, { signal });
      delete process.env.LACHESIS_TEST_SECRET;
      const { stdout } = await run("cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' ' '");
      expect(stdout).not.toMatch(/s3cret|4321|node|bwrap|\/root|\/work\//);
      expect(Number((await run("ls -d /proc/[0-9]* | wc -l")).stdout)).toBeLessThan(7);
    });

    test.each([
      "kill -9 -1",
      "kill -9 1; kill -9 $PPID",
      "kill -STOP -1",
      "kill -TERM 1 $PPID; kill -INT -1",
    ])("%s reaches nothing outside, and the sandbox goes on", async (attack) => {
      await using bystander = await backend.create({ rolloutId: "bystander", signal });
      await run(`${attack}; sleep 0.1`, 3_000);
      await expectUsable();
      expect((await bystander.exec({ argv: ["true"] }, { timeoutMs: 9_000, signal })).exitCode).toBe(0);
    });

    test("a command that kills its keeper is reported killed, and nothing of it stays", async () => {
      const result = await run("setsid sleep 4322.5 & sleep 0.05; kill -9 $PPID; sleep 4322.5");
      expect(result).toMatchObject({ exitCode: 137, timedOut: false });
      await run("true");
      expect(findByCommand("4322.5")).toEqual([]);
    });

    test("what a killed keeper kept is killed, also after its command has ended", async () => {
      await run("echo $PPID > keeper; setsid sleep 4323.5 & sleep 0.05");
      expect(findByCommand("4323.5")).toHaveLength(1);
      await run("kill -9 $(cat keeper); sleep 0.1");
      expect(findByCommand("4323.5")).toEqual([]);
    });

    test("the supervisor and the keepers can be neither traced nor opened", async () => {
      const { stdout } = await python(`
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for pid in (1, os.getppid(), int(open("/proc/%d/stat" % os.getppid()).read().split()[3])):
    for name in ("mem", "environ", "fd/3", "fd/5"):
        try:
            os.open("/proc/%d/%s" % (pid, name), os.O_RDWR if name != "environ" else os.O_RDONLY)
            if pid != os.getppid(): print("opened", pid, name)
        except OSError as error:
            assert error.errno in (2, 13), error
    if open("/proc/%d/cmdline" % pid).read().strip("\\0") in ("supervisor", "keeper"):
        print("traced" if libc.ptrace(16, pid, 0, 0) == 0 else "refused")
`);
      expect(stdout).toMatch(/^(refused\n)+$/);
    });

    test("a command inherits no descriptor of the machinery, and has no terminal to type into", async () => {
      const { stdout } = await python(`
import fcntl, os
try:
    fcntl.ioctl(os.open("/dev/tty", os.O_RDWR), 0x5412, b"x")
    print("typed")
except OSError as error:
    print("refused")
`);
      expect(stdout).toBe("refused\n");
      expect((await run("ls /proc/self/fd | tr '\\n' ' '")).stdout).toBe("0 1 2 3 ");
    });
  });

  describe("the network and the kernel", () => {
    test("no listener of the host can be reached, and there is only loopback", async () => {
      const server = createServer((socket) => socket.end("hello"));
      await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
      const address = server.address();
      const port = typeof address === "object" ? address?.port : undefined;
      expect((await run(`exec 3<>/dev/tcp/127.0.0.1/${port}`)).stderr).toContain("refused");
      expect((await run("cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' '")).stdout).toBe("lo\n");
      server.close();
    });

    test("no new user namespace can be had", async () => {
      expect((await run("unshare --user --map-root-user true")).exitCode).not.toBe(0);
    });

    test("no capability is held", async () => {
      expect((await run("grep -E 'Cap(Eff|Prm|Bnd|Amb)' /proc/self/status | tr -d '\\n\\t'")).stdout).toMatch(
        /^(Cap...:0{16}){4}$/,
      );
    });
  });

  describe("resources", () => {
    test("a fork bomb stops at the limit and dies by the timeout", async () => {
      const bomb = run(
        "bomb() { bomb | bomb & }; bomb; sleep 0.4; ls -d /proc/[0-9]* | wc -l; sleep 60",
        2_000,
      );
      let most = 0;
      const watch = setInterval(() => {
        most = Math.max(most, listDescendants().length);
      }, 50);
      expect((await bomb).timedOut).toBe(true);
      clearInterval(watch);
      expect(most).toBeLessThan(maxProcesses + 8);
      await expectUsable();
      expect((await run("ls -d /proc/[0-9]* | wc -l")).stdout.trim()).toMatch(/^[1-9]$/);
    });

    test("a memory bomb meets its limit", async () => {
      expect((await python("blocks = [bytearray(10**7) for _ in range(1000)]")).stderr).toContain(
        "MemoryError",
      );
      await expectUsable();
    });

    test("when the machine runs out of memory, sandboxes go first", async () => {
      expect((await run("cat /proc/self/oom_score_adj")).stdout).toBe("1000\n");
    });

    test.each(["/workspace", "/tmp", "/dev/shm"])("filling %s ends at its size", async (directory) => {
      const { stderr } = await run(
        `ulimit -f; for i in 1 2 3 4 5 6 7 8; do head -c 12000000 /dev/zero > ${directory}/$i || break; done; du -sm ${directory}`,
      );
      expect(stderr).toContain("No space left on device");
      await expectUsable();
      if (directory === "/workspace") {
        await expect(sandbox.writeFile("more", Buffer.alloc(1_000_000), { signal })).rejects.toMatchObject({
          code: "SANDBOX_FILE_FAILED",
        });
      }
    });

    test("a flood of output for nobody neither blocks nor grows", async () => {
      await run("yes > /dev/stdout 2>&1 &");
      const before = process.memoryUsage().rss;
      await run("sleep 0.5");
      await expectUsable();
      expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
    });
  });
});
