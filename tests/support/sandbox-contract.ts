/** What every sandbox backend must do, whatever its walls are made of. One suite, run by each backend's test. */
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import tarStream from "tar-stream";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ExecOptions, ExecResult, Sandbox, SandboxBackend } from "../../src/contracts/sandbox.ts";

export type SandboxContractOptions = {
  createBackend: () => SandboxBackend;
  /** Why the suite cannot run here; undefined when it can. */
  skipReason?: string | undefined;
  /** Kills the sandbox with means from outside, as the host's OOM killer or an operator would. */
  killFromOutside: (sandbox: Sandbox) => void | Promise<void>;
  /** Whether a process whose command line holds the text runs anywhere on the machine. */
  isRunning: (commandText: string) => boolean;
  /** Throws when anything of a sandbox is left after all have been disposed of. */
  expectNothingLeft: () => Promise<void>;
};

const signal = new AbortController().signal;
let lastMarker = 0;

/** A number of seconds that no other sleep on this machine uses. */
function markerSeconds(): string {
  lastMarker += 1;
  return `${10_000 + (process.pid % 50_000)}.${String(lastMarker).padStart(4, "0")}`;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function describeSandboxContract(name: string, options: SandboxContractOptions): void {
  const title = options.skipReason === undefined ? name : `${name} (skipped: ${options.skipReason})`;
  describe.skipIf(options.skipReason !== undefined)(`sandbox contract: ${title}`, () => {
    let backend: SandboxBackend;
    const opened: Sandbox[] = [];

    const open = async (): Promise<Sandbox> => {
      const sandbox = await backend.create({ rolloutId: "contract", signal });
      opened.push(sandbox);
      return sandbox;
    };
    const run = (sandbox: Sandbox, shell: string, more: Partial<ExecOptions> = {}): Promise<ExecResult> =>
      sandbox.exec({ shell }, { timeoutMs: 20_000, signal, ...more });

    beforeAll(() => {
      backend = options.createBackend();
    });
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((sandbox) => sandbox[Symbol.asyncDispose]()));
      await options.expectNothingLeft();
    });
    afterAll(async () => {
      await backend[Symbol.asyncDispose]();
    });

    test("the backend proves itself", async () => {
      await backend.check({ signal });
    });

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
        const result = await sandbox.exec(
          { argv: ["printf", "[%s]", ...words] },
          { timeoutMs: 9_000, signal },
        );
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
        await expect(backend.create({ rolloutId: "late", signal: aborted })).rejects.toBe(reason);
        expect((await run(sandbox, "[ -e trace ]")).exitCode).toBe(1);
      });
    });

    describe("output", () => {
      test("100 MB are capped, with head and tail kept and the rest counted", async () => {
        const total = 100_000_000;
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
        const child = await sandbox.spawn(
          { shell: "head -c 20000000 /dev/zero; touch finished" },
          { signal },
        );
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

    describe("files", () => {
      test("50 MB go in and come out bit by bit", async () => {
        const sandbox = await open();
        const content = randomBytes(50_000_000);
        await sandbox.writeFile("deep/er/big.bin", content, { signal });
        expect(text((await run(sandbox, "sha256sum < deep/er/big.bin")).stdout)).toContain(sha256(content));
        expect(sha256(await sandbox.readFile("deep/er/big.bin", { signal }))).toBe(sha256(content));
      });

      test.each([
        ["empty", Buffer.alloc(0)],
        ["a name with 'quotes' and\nmore $(touch x)", Buffer.from([0, 255, 10])],
      ])("a file called %j survives the round trip", async (fileName, content) => {
        const sandbox = await open();
        await sandbox.writeFile(fileName, content, { signal });
        expect(await sandbox.readFile(`${sandbox.workspace}/${fileName}`, { signal })).toEqual(content);
      });

      test("a missing file, a directory and an overlong file each have their own error", async () => {
        const sandbox = await open();
        await sandbox.writeFile("ten", Buffer.alloc(10), { signal });
        await expect(sandbox.readFile("nothing", { signal })).rejects.toMatchObject({
          code: "SANDBOX_FILE_NOT_FOUND",
        });
        await expect(sandbox.readFile(".", { signal })).rejects.toMatchObject({
          code: "SANDBOX_FILE_FAILED",
        });
        await expect(sandbox.readFile("ten", { signal, maxBytes: 9 })).rejects.toMatchObject({
          code: "SANDBOX_FILE_TOO_LARGE",
        });
        expect(await sandbox.readFile("ten", { signal, maxBytes: 10 })).toHaveLength(10);
        await expect(sandbox.writeFile("ten/below", Buffer.alloc(1), { signal })).rejects.toMatchObject({
          code: "SANDBOX_FILE_FAILED",
        });
        await expect(sandbox.readFile("a\0b", { signal })).rejects.toMatchObject({
          code: "SANDBOX_FILE_FAILED",
        });
      });

      test("an endless file is never read to its end", async () => {
        const sandbox = await open();
        await run(
          sandbox,
          "ln -s /dev/zero zero; mkfifo pipe; truncate -s 100G sparse || truncate -s 200M sparse",
        );
        await expect(sandbox.readFile("zero", { signal })).rejects.toMatchObject({
          code: "SANDBOX_FILE_FAILED",
        });
        await expect(sandbox.readFile("pipe", { signal })).rejects.toMatchObject({
          code: "SANDBOX_FILE_FAILED",
        });
        await expect(sandbox.readFile("sparse", { signal, maxBytes: 1_000 })).rejects.toMatchObject({
          code: "SANDBOX_FILE_TOO_LARGE",
        });
      });

      test("a tar unpacks inside, and directories and files come back as tars", async () => {
        const sandbox = await open();
        const content = randomBytes(300_000);
        const pack = tarStream.pack();
        pack.entry({ name: "tree/one.bin" }, content);
        pack.entry({ name: "tree/two.txt", mode: 0o755 }, "two");
        pack.finalize();
        await sandbox.upload(Readable.from(pack), "un/packed", { signal });
        expect((await run(sandbox, "[ -x un/packed/tree/two.txt ]")).exitCode).toBe(0);

        const tree = await readTar(await sandbox.download("un/packed/tree", { signal }));
        expect([...tree.keys()].toSorted()).toEqual(["./one.bin", "./two.txt"]);
        expect(tree.get("./one.bin")?.equals(content)).toBe(true);
        const single = await readTar(await sandbox.download("un/packed/tree/two.txt", { signal }));
        expect([...single].map(([entry, bytes]) => [entry, text(bytes)])).toEqual([["two.txt", "two"]]);
      });

      test("a broken tar and a missing download reject", async () => {
        const sandbox = await open();
        const garbage = Readable.from([Buffer.alloc(2_000, "no tar")]);
        await expect(sandbox.upload(garbage, "x", { signal })).rejects.toMatchObject({
          code: "SANDBOX_FILE_FAILED",
        });
        await expect(sandbox.download("missing", { signal })).rejects.toMatchObject({
          code: "SANDBOX_FILE_NOT_FOUND",
        });
      });
    });

    describe("life and death", () => {
      test("two sandboxes never see each other's workspace", async () => {
        const [one, two] = await Promise.all([open(), open()]);
        await one.writeFile("secret", Buffer.from("mine"), { signal });
        expect((await run(two, "cat secret")).exitCode).toBe(1);
        await expect(two.readFile("secret", { signal })).rejects.toMatchObject({
          code: "SANDBOX_FILE_NOT_FOUND",
        });
      });

      test("killed from outside, what waits and what comes later reject with SANDBOX_DIED", async () => {
        const sandbox = await open();
        const marker = markerSeconds();
        const running = run(sandbox, `setsid sleep ${marker} & sleep ${marker}`);
        const child = await sandbox.spawn({ argv: ["cat"] }, { signal });
        setTimeout(() => void options.killFromOutside(sandbox), 200);
        await expect(running).rejects.toMatchObject({ code: "SANDBOX_DIED", retryable: true });
        await expect(run(sandbox, "true")).rejects.toMatchObject({ code: "SANDBOX_DIED" });
        await expect(sandbox.readFile("x", { signal })).rejects.toMatchObject({ code: "SANDBOX_DIED" });
        expect(await child.exited).toBe(137);
        await sandbox[Symbol.asyncDispose]();
        expect(options.isRunning(marker)).toBe(false);
      });

      test("disposing ends what runs, twice does no harm, and afterwards nothing starts", async () => {
        const sandbox = await open();
        const marker = markerSeconds();
        const running = run(sandbox, `sleep ${marker}`).catch((error: unknown) => error);
        await sleep(50);
        await Promise.all([sandbox[Symbol.asyncDispose](), sandbox[Symbol.asyncDispose]()]);
        expect(await running).toMatchObject({ code: "SANDBOX_CLOSED" });
        expect(options.isRunning(marker)).toBe(false);
        await expect(run(sandbox, "true")).rejects.toMatchObject({ code: "SANDBOX_CLOSED" });
      });

      test("a create that is cancelled at any moment leaves nothing", async () => {
        const reason = new Error("cancelled");
        await Promise.all(
          Array.from({ length: 24 }, async (_, index) => {
            const controller = new AbortController();
            const creating = backend.create({ rolloutId: "cancel", signal: controller.signal });
            setTimeout(() => controller.abort(reason), index);
            try {
              const sandbox = await creating;
              await sandbox[Symbol.asyncDispose]();
            } catch (error) {
              expect(error).toBe(reason);
            }
          }),
        );
        await options.expectNothingLeft();
      });

      test("24 sandboxes at once each do their own work", async () => {
        const sandboxes = await Promise.all(Array.from({ length: 24 }, open));
        await Promise.all(
          sandboxes.map(async (sandbox, index) => {
            await sandbox.writeFile("number", Buffer.from(String(index)), { signal });
            expect(text((await run(sandbox, "cat number; pwd")).stdout)).toBe(
              `${index}${sandbox.workspace}\n`,
            );
          }),
        );
        expect(new Set(sandboxes.map(({ id }) => id)).size).toBe(24);
      });

      test("closing the backend disposes of what is still there", async () => {
        const second = options.createBackend();
        const sandbox = await second.create({ rolloutId: "left", signal });
        await second[Symbol.asyncDispose]();
        await expect(run(sandbox, "true")).rejects.toMatchObject({ code: "SANDBOX_CLOSED" });
        await expect(second.create({ rolloutId: "late", signal })).rejects.toMatchObject({
          code: "SANDBOX_CLOSED",
        });
      });
    });
  });
}

async function readTar(tar: Readable): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const extract = tarStream.extract();
  tar.pipe(extract);
  for await (const entry of extract) {
    const bytes = await buffer(entry);
    if (entry.header.type === "file") files.set(entry.header.name, bytes);
  }
  return files;
}
