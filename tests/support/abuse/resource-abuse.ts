/** Attacks on memory, processes, disk and patience. */
import { expect } from "vitest";
import { findCgroupParents } from "../../../backends/local/cgroups/find-cgroups.ts";
import { listDescendants } from "../host-processes.ts";
import { type AbuseCase, type AbuseChapter, abuseSettings } from "./abuse-case.ts";

const needsCgroups = async () =>
  (await findCgroupParents()) === undefined ? "no control group can be made here" : undefined;

const filling: AbuseCase[] = ["/workspace", "/tmp", "/dev/shm"].map((directory) => ({
  attack: `filling ${directory}`,
  containedBy: "a tmpfs with a size",
  async attempt(place) {
    const { stderr } = await place.run(
      `for i in 1 2 3 4 5 6 7 8; do head -c 12000000 /dev/zero > ${directory}/$i || break; done`,
    );
    expect(stderr).toContain("No space left on device");
    await place.expectUsable();
    if (directory !== "/workspace") return;
    const more = place.sandbox.writeFile("more", Buffer.alloc(1_000_000), { signal: place.signal });
    await expect(more).rejects.toMatchObject({ code: "SANDBOX_FILE_FAILED" });
  },
}));

export const resourceAbuse: AbuseChapter = {
  title: "Resources",
  cases: [
    {
      attack: "a fork bomb",
      containedBy:
        "RLIMIT_NPROC inside the user namespace, behind it the pids control group; the time limit kills all",
      async attempt(place) {
        const bomb = place.run(
          "bomb() { bomb | bomb & }; bomb; sleep 0.4; ls -d /proc/[0-9]* | wc -l; sleep 60",
          2_000,
        );
        let most = 0;
        const watch = setInterval(() => {
          most = Math.max(most, listDescendants().length);
        }, 50);
        expect((await bomb).timedOut).toBe(true);
        clearInterval(watch);
        expect(most).toBeLessThan(abuseSettings.max_processes + 8);
        await place.expectUsable();
        expect((await place.run("ls -d /proc/[0-9]* | wc -l")).stdout.trim()).toMatch(/^[1-9]$/);
      },
    },
    {
      attack: "a memory bomb in one process",
      containedBy: "RLIMIT_DATA and RLIMIT_AS: the process gets MemoryError",
      async attempt(place) {
        const { stderr } = await place.python("blocks = [bytearray(10**7) for _ in range(1000)]");
        expect(stderr).toContain("MemoryError");
        await place.expectUsable();
      },
    },
    {
      attack: "a memory bomb spread over many processes, each within its own limit",
      containedBy: "the memory control group: the kernel kills the largest commands before the supervisor",
      skipReason: needsCgroups,
      async attempt(place) {
        const { stdout } = await place.python(`
import os, time
children = []
for _ in range(8):
    pid = os.fork()
    if pid == 0:
        block = bytearray(150 * 1024 * 1024)
        for at in range(0, len(block), 4096): block[at] = 1
        time.sleep(3)
        os._exit(0)
    children.append(pid)
print(sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 for pid in children), flush=True)
`);
        // 1,200 MB were asked for; the processes and files of a sandbox may have 296 together.
        expect(stdout === "" || Number(stdout) < 3).toBe(true);
        // What the command left running may still hold memory: it is killed, or has to end, first.
        const usable = async () => (await place.run("echo usable")).exitCode;
        await expect.poll(usable, { timeout: 30_000 }).toBe(0);
      },
    },
    {
      attack: "memory in files without a name (memfd, System V), which no process's limit counts",
      containedBy: "the memory control group",
      skipReason: needsCgroups,
      async attempt(place) {
        const { stdout } = await place.python(`
import os
files, written = [], 0
while written < 1500:
    file = os.memfd_create("bomb")
    files.append(file)
    written += os.write(file, b"x" * (8 << 20)) >> 20
    print(written, flush=True)
`);
        const megabytes = Number(stdout.trim().split("\n").at(-1));
        expect(megabytes).toBeLessThan(400);
        await place.expectUsable();
      },
    },
    {
      attack: "the machine runs out of memory: who goes first",
      containedBy: "oom_score_adj 1000 of every command",
      async attempt(place) {
        expect((await place.run("cat /proc/self/oom_score_adj")).stdout).toBe("1000\n");
      },
    },
    ...filling,
    {
      attack: "a million empty files",
      containedBy: "the memory control group: inodes are kernel memory of the sandbox",
      skipReason: needsCgroups,
      async attempt(place) {
        const { stdout } = await place.python(
          `
import os
made = 0
try:
    while made < 1000000:
        os.close(os.open("/tmp/%d" % made, os.O_CREAT | os.O_WRONLY))
        made += 1
        if made % 10000 == 0: print(made, flush=True)
except OSError as error: print(made)
`,
          60_000,
        );
        expect(Number(stdout.trim().split("\n").at(-1))).toBeLessThan(600_000);
      },
    },
    {
      attack: "a flood of output for nobody",
      containedBy: "output is read only as far as somebody takes it, and capped",
      async attempt(place) {
        await place.run("yes > /dev/stdout 2>&1 &");
        const before = process.memoryUsage().rss;
        await place.run("sleep 0.5");
        await place.expectUsable();
        expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
      },
    },
  ],
};
