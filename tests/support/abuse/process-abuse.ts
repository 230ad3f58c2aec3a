/** Attacks on other processes: the host's, other sandboxes', and the machinery inside the own one. */
import { expect } from "vitest";
import { findByCommand } from "../host-processes.ts";
import type { AbuseCase, AbuseChapter } from "./abuse-case.ts";

const killing: AbuseCase[] = [
  "kill -9 -1",
  "kill -9 1; kill -9 $PPID",
  "kill -STOP -1",
  "kill -TERM 1 $PPID; kill -INT -1",
].map((attack) => ({
  attack: `signals to everybody and to parents: \`${attack}\``,
  containedBy: "a process namespace of its own, whose process 1 takes no signals",
  async attempt(place) {
    const { backend, signal } = place;
    await using bystander = await backend.create({ rolloutId: "bystander", signal });
    await place.run(`${attack}; sleep 0.1`, 3_000);
    await place.expectUsable();
    const other = await bystander.exec({ argv: ["true"] }, { timeoutMs: 20_000, signal });
    expect(other.exitCode).toBe(0);
  },
}));

export const processAbuse: AbuseChapter = {
  title: "Other processes",
  cases: [
    {
      attack: "/proc of others, /proc/1/environ and cmdline: the host's secrets and paths",
      containedBy:
        "a process namespace; bubblewrap starts with an empty environment, its arguments in a file",
      async attempt(place) {
        const { backend, signal } = place;
        process.env.LACHESIS_TEST_SECRET = "s3cret-of-the-host";
        await using second = await backend.create({ rolloutId: "second", signal });
        await second.spawn({ argv: ["sleep", "4321.5"] }, { signal });
        delete process.env.LACHESIS_TEST_SECRET;
        const { stdout } = await place.run("cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' ' '");
        expect(stdout).not.toMatch(/s3cret|4321|node|bwrap|\/root|\/work\//);
        expect(Number((await place.run("ls -d /proc/[0-9]* | wc -l")).stdout)).toBeLessThan(7);
      },
    },
    ...killing,
    {
      attack: "daemons: setsid, double fork, ignored signals, to outlive the rollout",
      containedBy: "the process namespace ends with its process 1",
      async attempt(place) {
        await place.run("(setsid sh -c 'trap \"\" TERM HUP INT; sleep 4324.5 & sleep 4324.5' &) ; sleep 0.1");
        expect(findByCommand("4324.5")).not.toEqual([]);
        await place.sandbox[Symbol.asyncDispose]();
        expect(findByCommand("4324.5")).toEqual([]);
      },
    },
    {
      attack: "killing the keeper that stands above the command",
      containedBy: "what loses its keeper falls to the supervisor and is killed",
      async attempt(place) {
        const result = await place.run("setsid sleep 4322.5 & sleep 0.05; kill -9 $PPID; sleep 4322.5");
        expect(result).toMatchObject({ exitCode: 137, timedOut: false });
        await place.run("echo $PPID > keeper; setsid sleep 4322.5 & sleep 0.05");
        await place.run("kill -9 $(cat keeper); sleep 0.1");
        expect(findByCommand("4322.5")).toEqual([]);
      },
    },
    {
      attack: "hiding from whoever kills: a name with line breaks, a first thread that has ended",
      containedBy: "the supervisor reads the kernel's whole answer, and counts threads",
      async attempt(place) {
        for (const hide of [`libc.prctl(15, b"x\\n) S 1", 0, 0, 0)`, "libc.pthread_exit(None)"]) {
          const { exitCode, timedOut } = await place.python(
            `import ctypes, threading, time
libc = ctypes.CDLL(None)
threading.Thread(target=time.sleep, args=[4323.5]).start()
${hide}`,
            1_000,
          );
          expect([exitCode, timedOut]).toEqual([124, true]);
          await place.expectUsable();
        }
      },
    },
    {
      attack: "taking memory, descriptors, processes or time from the supervisor by prlimit",
      containedBy: "seccomp filter",
      async attempt(place) {
        const { stdout, stderr } = await place.python(`
import os, resource
for limit in (resource.RLIMIT_AS, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_CPU):
    try: resource.prlimit(1, limit, (0, 0))
    except OSError as error: print(error.errno)
    resource.prlimit(0, limit, resource.prlimit(os.getpid(), limit))
`);
        expect([stdout, stderr]).toEqual(["1\n".repeat(4), ""]);
        await place.expectUsable();
      },
    },
    {
      attack: "tracing the supervisor or a keeper, opening their memory and control socket",
      containedBy: "they are not dumpable; commands inherit no descriptor of the machinery",
      async attempt(place) {
        const { stdout, stderr } = await place.python(`
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
machinery = [pid for pid in os.listdir("/proc") if pid.isdigit()
  and open("/proc/%s/cmdline" % pid).read().strip("\\0") in ("supervisor", "keeper")]
assert len(machinery) >= 2, machinery
for pid in machinery:
    for name in ("mem", "environ", "fd/0", "fd/3", "fd/5"):
        try: print(os.open("/proc/%s/%s" % (pid, name), os.O_RDONLY))
        except OSError as error: assert error.errno in (2, 13), error
    assert libc.ptrace(16, int(pid), 0, 0) == -1
print(os.listdir("/proc/self/fd"))
`);
        expect([stdout, stderr]).toEqual(["['0', '1', '2', '3']\n", ""]);
      },
    },
  ],
};
