/** The part of the sandbox contract about commands and processes. */
import { buffer } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import {
  markerSeconds,
  type SandboxContractContext,
  neverAborted as signal,
  text,
} from "./sandbox-contract-context.ts";

export function describeCommands(context: SandboxContractContext): void {
  const { options, sizes, open, run, backend } = context;

  describe("exec", () => {
    test("tells the exit code and keeps stdout and stderr apart", async () => {
      const result = await run(await open(), "echo out; echo err >&2; exit 3");
      expect(result).toMatchObject({
        exitCode: 3,
        timedOut: false,
        stdoutDroppedBytes: 0,
        stderrDroppedBytes: 0,
      });
      expect([text(result.stdout), text(result.stderr)]).toEqual(["out\n", "err\n"]);
    });

    test("passes an argv as it is: nothing is split or expanded", async () => {
      const words = ["a b", "$HOME", "*", "", "-n", "\n", "ü"] as const;
      const sandbox = await open();
      const result = await sandbox.exec({ argv: ["printf", "[%s]", ...words] }, { timeoutMs: 9_000, signal });
      expect(text(result.stdout)).toBe(words.map((word) => `[${word}]`).join(""));
    });

    test("runs in the workspace, or in the cwd given", async () => {
      const sandbox = await open();
      expect(text((await run(sandbox, "pwd; mkdir inner")).stdout)).toBe(`${sandbox.workspace}\n`);
      const inner = await sandbox.exec({ shell: "pwd", cwd: "inner" }, { timeoutMs: 9_000, signal });
      expect(text(inner.stdout)).toBe(`${sandbox.workspace}/inner\n`);
      const missing = await sandbox.exec({ shell: "pwd", cwd: "/no/such" }, { timeoutMs: 9_000, signal });
      expect(missing.exitCode).not.toBe(0);
      expect(text(missing.stderr)).toContain("/no/such");
    });

    test("the workspace is the home directory", async () => {
      const sandbox = await open();
      expect(text((await run(sandbox, 'cd; pwd; echo "$HOME"; echo ~')).stdout)).toBe(
        `${sandbox.workspace}\n`.repeat(3),
      );
    });

    test("gives the command its env and none of the host's", async () => {
      process.env.LACHESIS_TEST_SECRET = "leaked";
      const sandbox = await open();
      const result = await sandbox.exec(
        { shell: "env", env: { GIVEN: "a=b c" } },
        { timeoutMs: 9_000, signal },
      );
      delete process.env.LACHESIS_TEST_SECRET;
      expect(text(result.stdout)).toContain("GIVEN=a=b c\n");
      expect(text(result.stdout)).not.toContain("leaked");
    });

    test("feeds stdin to its end; without one, reading ends at once", async () => {
      const sandbox = await open();
      expect(text((await run(sandbox, "cat", { stdin: Buffer.from("in") })).stdout)).toBe("in");
      expect(text((await run(sandbox, "cat", { stdin: Buffer.alloc(0) })).stdout)).toBe("");
      expect(text((await run(sandbox, "cat; echo end")).stdout)).toBe("end\n");
    });

    test("does not wait on a command that never reads its stdin", async () => {
      const result = await run(await open(), "echo done", { stdin: Buffer.alloc(5_000_000) });
      expect(text(result.stdout)).toBe("done\n");
    });

    test("a missing program is 127 and names itself", async () => {
      const sandbox = await open();
      const result = await sandbox.exec({ argv: ["no-such-program"] }, { timeoutMs: 9_000, signal });
      expect(result.exitCode).toBe(127);
      expect(text(result.stderr)).toContain("no-such-program");
    });

    test.each([
      ["TERM", 143],
      ["KILL", 137],
    ])("death by SIG%s is exit code %i", async (signalName, exitCode) => {
      expect((await run(await open(), `kill -${signalName} $$`)).exitCode).toBe(exitCode);
    });

    test("files persist between commands", async () => {
      const sandbox = await open();
      await run(sandbox, "echo kept > file; echo kept > /tmp/lachesis-contract");
      expect(
        text((await run(sandbox, "cat file /tmp/lachesis-contract; rm /tmp/lachesis-contract")).stdout),
      ).toBe("kept\nkept\n");
    });

    test("python3 is there", async () => {
      const result = await run(await open(), "python3 -I -S -B -c 'import json, ast; print(6 * 7)'");
      expect(text(result.stdout)).toBe("42\n");
    });

    test("commands run side by side and never mix", async () => {
      const sandbox = await open();
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          run(sandbox, `for i in 1 2 3 4; do echo ${index}; sleep 0.02; done; exit ${index}`),
        ),
      );
      for (const [index, result] of results.entries()) {
        expect(result.exitCode).toBe(index);
        expect(text(result.stdout)).toBe(`${index}\n`.repeat(4));
      }
    });

    test("does not wait for background processes, which keep their stdout and live on", async () => {
      const sandbox = await open();
      const marker = markerSeconds();
      const result = await run(
        sandbox,
        `(sleep 0.2; echo late; echo alive > sign; sleep ${marker}) & echo now`,
      );
      expect(text(result.stdout)).toBe("now\n");
      expect(result.durationMs).toBeLessThan(15_000);
      await run(sandbox, "until [ -s sign ]; do sleep 0.02; done");
      expect(options.isRunning(marker)).toBe(true);
      await sandbox[Symbol.asyncDispose]();
      expect(options.isRunning(marker)).toBe(false);
    });
  });

  describe("timeout and abort", () => {
    test("a timeout gives the partial output and leaves no process, however it hid", async () => {
      const sandbox = await open();
      const marker = markerSeconds();
      const result = await run(
        sandbox,
        `echo partial; trap '' TERM HUP; sleep ${marker} & setsid sleep ${marker} & (setsid sh -c 'sleep ${marker} &' &)
         python3 -c 'import os, time
if os.fork() == 0:
  os.setsid()
  if os.fork() == 0: time.sleep(${marker})
  os._exit(0)
time.sleep(${marker})'`,
        { timeoutMs: 700 },
      );
      expect(result).toMatchObject({ exitCode: 124, timedOut: true });
      expect(text(result.stdout)).toBe("partial\n");
      expect(options.isRunning(marker)).toBe(false);
      expect((await run(sandbox, "echo still usable")).exitCode).toBe(0);
    });

    test.each([
      ["a name that breaks the kernel's line about it", `libc.prctl(15, b"x\\n) S 1", 0, 0, 0)`],
      ["a first thread that has ended", "thread.start(); libc.pthread_exit(None)"],
    ])("a timeout ends also what hides behind %s", async (_, hide) => {
      const sandbox = await open();
      const marker = markerSeconds();
      const result = await run(
        sandbox,
        `python3 -c 'import ctypes, subprocess, threading
libc = ctypes.CDLL(None)
def stay(): subprocess.run(["sleep", "${marker}"])
thread = threading.Thread(target=stay)
${hide}
stay()'`,
        { timeoutMs: 900 },
      );
      expect(result).toMatchObject({ exitCode: 124, timedOut: true });
      expect(options.isRunning(marker)).toBe(false);
      expect((await run(sandbox, "echo still usable")).exitCode).toBe(0);
    });

    test("a timeout does not touch other commands nor earlier background processes", async () => {
      const sandbox = await open();
      const marker = markerSeconds();
      await run(sandbox, `sleep ${marker} & sleep 0.01`);
      const [other, late] = await Promise.all([
        run(sandbox, "sleep 0.6; echo fine"),
        run(sandbox, "sleep 50", { timeoutMs: 200 }),
      ]);
      expect([other.exitCode, late.exitCode]).toEqual([0, 124]);
      expect(options.isRunning(marker)).toBe(true);
    });

    test.each([0, 1])(
      "of two commands, the one that is killed takes its own daemons along only (%i)",
      async (late) => {
        const sandbox = await open();
        const markers = [markerSeconds(), markerSeconds()];
        const ended = await Promise.all(
          markers.map((marker, index) =>
            index === late
              ? run(sandbox, `(setsid sleep ${marker} &); sleep 50`, { timeoutMs: 600 })
              : run(sandbox, `(setsid sleep ${marker} &); sleep 1.2; echo fine`),
          ),
        );
        expect(ended.map(({ timedOut }) => timedOut)).toEqual(markers.map((_, index) => index === late));
        expect(markers.map(options.isRunning)).toEqual(markers.map((_, index) => index !== late));
      },
    );

    test("an abort rejects with the signal's reason and leaves no process", async () => {
      const sandbox = await open();
      const marker = markerSeconds();
      const controller = new AbortController();
      const running = run(sandbox, `sleep ${marker}`, { signal: controller.signal });
      const reason = new Error("no longer wanted");
      setTimeout(() => controller.abort(reason), 150);
      await expect(running).rejects.toBe(reason);
      expect(options.isRunning(marker)).toBe(false);
      expect((await run(sandbox, "true")).exitCode).toBe(0);
    });

    test("a signal that is aborted already starts nothing", async () => {
      const sandbox = await open();
      const reason = new Error("too late");
      const aborted = AbortSignal.abort(reason);
      await expect(run(sandbox, "echo x > trace", { signal: aborted })).rejects.toBe(reason);
      await expect(sandbox.spawn({ argv: ["true"] }, { signal: aborted })).rejects.toBe(reason);
      await expect(backend().create({ rolloutId: "late", signal: aborted })).rejects.toBe(reason);
      expect((await run(sandbox, "[ -e trace ]")).exitCode).toBe(1);
    });
  });

  describe("output", () => {
    test(`${sizes.outputBytes} bytes are capped, with head and tail kept and the rest counted`, async () => {
      const total = sizes.outputBytes;
      const result = await run(
        await open(),
        `printf HEAD; head -c ${total - 8} /dev/zero | tr '\\0' x; printf TAIL; printf e >&2`,
        { outputLimitBytes: 1_001 },
      );
      expect(result.exitCode).toBe(0);
      expect(result.stdoutDroppedBytes).toBe(total - 1_001);
      expect(text(result.stdout)).toBe(`HEAD${"x".repeat(1_001 - 8)}TAIL`);
      expect([text(result.stderr), result.stderrDroppedBytes]).toEqual(["e", 0]);
    });

    test("bytes come out and go in exactly", async () => {
      const everyByte = Buffer.from(Array.from({ length: 256 * 300 }, (_, index) => index % 256));
      const result = await run(await open(), "cat; cat /dev/null >&2", { stdin: everyByte });
      expect(Buffer.from(result.stdout).equals(everyByte)).toBe(true);
    });
  });

  describe("spawn", () => {
    test("streams live both ways until stdin ends", async () => {
      const sandbox = await open();
      const child = await sandbox.spawn(
        { shell: "while read -r line; do echo got $line; done; exit 5" },
        { signal },
      );
      const lines = child.stdout[Symbol.asyncIterator]();
      for (const word of ["one", "two"]) {
        child.stdin.write(`${word}\n`);
        expect(String((await lines.next()).value)).toBe(`got ${word}\n`);
      }
      child.stdin.end();
      expect(await child.exited).toBe(5);
    });

    test("kill takes the descendants along and settles when they are gone", async () => {
      const sandbox = await open();
      const marker = markerSeconds();
      const child = await sandbox.spawn(
        { shell: `setsid sleep ${marker} & echo up; sleep ${marker}` },
        { signal },
      );
      await child.stdout[Symbol.asyncIterator]().next();
      await child.kill();
      expect(options.isRunning(marker)).toBe(false);
      expect(await child.exited).toBe(137);
      await child.kill();
    });

    test("kill and exit do not wait for output that nobody reads", async () => {
      const sandbox = await open();
      const child = await sandbox.spawn({ shell: "head -c 20000000 /dev/zero" }, { signal });
      await run(sandbox, "sleep 0.1");
      await child.kill();
      expect(await child.exited).toBe(137);
      const finished = await sandbox.spawn({ shell: "head -c 30000 /dev/zero; exit 4" }, { signal });
      expect(await finished.exited).toBe(4);
      expect(await buffer(finished.stdout)).toHaveLength(30_000);
    });

    test("a reader that stalls holds up its own process only", async () => {
      const sandbox = await open();
      const child = await sandbox.spawn({ shell: "head -c 20000000 /dev/zero; touch finished" }, { signal });
      expect((await run(sandbox, "sleep 0.3; [ -e finished ]")).exitCode).toBe(1);
      let total = 0;
      for await (const chunk of child.stdout) total += chunk.length;
      expect(total).toBe(20_000_000);
      expect(await child.exited).toBe(0);
    });

    test("stdin applies backpressure, and writing to a process that has gone does no harm", async () => {
      const sandbox = await open();
      const child = await sandbox.spawn({ shell: "head -c 10 >/dev/null; sleep 0.1" }, { signal });
      const isRoomLeft = child.stdin.write(Buffer.alloc(4_000_000));
      expect(isRoomLeft).toBe(false);
      expect(await child.exited).toBe(0);
      child.stdin.write("more");
      await new Promise<void>((resolve) => child.stdin.end(() => resolve()));
    });
  });
}
