/** The part of the sandbox contract about forks: one workspace, two sandboxes that go on apart. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, type TestContext, test } from "vitest";
import type { Sandbox } from "../../src/contracts/sandbox.ts";
import {
  markerSeconds,
  type SandboxContractContext,
  neverAborted as signal,
  text,
} from "./sandbox-contract-context.ts";

/** Everything about every file: name, kind, mode, owner, size, time, target of links, contents. */
const listWorkspace = `find . ! -type d -printf '%P %y %m %U:%G %s %T@ %l\\n' -o -printf '%P %y %m %U:%G %T@\\n' | sort
find . -type f -exec sha256sum {} + | sort; du -sk hollow | cut -f1`;

export function describeFork({ options, open, run }: SandboxContractContext): void {
  describe("fork", () => {
    const forks: Sandbox[] = [];
    afterEach(async () => {
      await Promise.all(forks.splice(0).map((fork) => fork[Symbol.asyncDispose]()));
    });

    const fork = async (sandbox: Sandbox, testContext: TestContext): Promise<Sandbox> => {
      const forked = await (sandbox.fork?.({ signal }) ?? testContext.skip("this backend can't fork"));
      forks.push(forked);
      return forked;
    };

    test("a fork has the same workspace: contents, modes, owners, times and links", async (testContext) => {
      const sandbox = await open();
      await run(
        sandbox,
        `mkdir -p .hidden/deep 'a b' empty; printf 'x\\0y' > .hidden/deep/.bytes; echo run > 'a b/tool'
         chmod 755 'a b/tool'; chmod 700 empty; chmod 440 .hidden/deep/.bytes; chown 1234:1235 'a b/tool' 2>/dev/null
         ln -s /nowhere/at/all dangling; ln 'a b/tool' twice; mkfifo pipe; touch -d '2001-02-03 04:05:06' 'a b/tool'
         truncate -s 50M hollow; printf 'ü\\n' > $'new\\nline'; touch -d '2002-03-04' empty; umask 077`,
      );
      const before = text((await run(sandbox, listWorkspace)).stdout);
      const forked = await fork(sandbox, testContext);
      expect(forked.id).not.toBe(sandbox.id);
      expect(text((await run(forked, listWorkspace)).stdout)).toBe(before);
      expect(text((await run(sandbox, listWorkspace)).stdout)).toBe(before);
      expect((await run(forked, "[ twice -ef 'a b/tool' ] && touch still-writable")).exitCode).toBe(0);
    });

    test("what its owner forbade himself to read keeps nobody from forking the rest", async (testContext) => {
      const sandbox = await open();
      await run(sandbox, "mkdir closed; touch closed/inner sealed open; chmod 000 closed sealed");
      const forked = await fork(sandbox, testContext);
      expect((await run(forked, "[ -e open ] && touch still-writable")).exitCode).toBe(0);
    });

    test("what either does later stays its own, also in forks of forks", async (testContext) => {
      const sandbox = await open();
      await run(sandbox, "echo first > file");
      const forked = await fork(sandbox, testContext);
      const grandchild = await fork(forked, testContext);
      await run(sandbox, "echo original > file; echo x > only-original");
      await run(forked, "echo forked > file; rm -f only-original");
      const [first, second, third] = await Promise.all(
        [sandbox, forked, grandchild].map(async (each) => text((await run(each, "cat file; ls")).stdout)),
      );
      expect([first, second, third]).toEqual([
        "original\nfile\nonly-original\n",
        "forked\nfile\n",
        "first\nfile\n",
      ]);
      await sandbox[Symbol.asyncDispose]();
      expect((await run(forked, "cat file")).exitCode).toBe(0);
    });

    test("no process comes along, and the original's go on", async (testContext) => {
      const sandbox = await open();
      const marker = markerSeconds();
      await run(sandbox, `sleep ${marker} >/dev/null 2>&1 & until [ -e /proc/$! ]; do :; done`);
      const forked = await fork(sandbox, testContext);
      await forked[Symbol.asyncDispose]();
      expect(options.isRunning(marker)).toBe(true);
      await sandbox[Symbol.asyncDispose]();
      expect(options.isRunning(marker)).toBe(false);
    });

    test("a fork of a dead sandbox rejects, and leaves nothing", async (testContext) => {
      const sandbox = await open();
      if (sandbox.fork === undefined) testContext.skip("this backend can't fork");
      await options.killFromOutside(sandbox);
      // What kills everything that runs may also hit the fork's own sandbox while it starts.
      const code = expect.stringMatching(/^SANDBOX_(DIED|START_FAILED)$/);
      await expect(sandbox.fork?.({ signal })).rejects.toMatchObject({ code });
      await sandbox[Symbol.asyncDispose]();
      await options.expectNothingLeft();
    });

    test("a fork that is cancelled at any moment leaves nothing, and the original whole", async (testContext) => {
      const sandbox = await open();
      if (sandbox.fork === undefined) testContext.skip("this backend can't fork");
      await run(sandbox, "head -c 3000000 /dev/urandom > file; sha256sum file > sum");
      const reason = new Error("cancelled");
      for (const delayMs of [0, 5, 15, 40, 80]) {
        const controller = new AbortController();
        const forking = sandbox.fork?.({ signal: controller.signal });
        const cancelling = sleep(delayMs).then(() => controller.abort(reason));
        await forking?.then(
          (forked) => forked[Symbol.asyncDispose](),
          (error: unknown) => expect(error).toBe(reason),
        );
        await cancelling;
      }
      expect((await run(sandbox, "sha256sum -c sum")).exitCode).toBe(0);
      await sandbox[Symbol.asyncDispose]();
      await options.expectNothingLeft();
    });
  });
}
