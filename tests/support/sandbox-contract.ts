/** What every sandbox backend must do, whatever its walls are made of. One suite, run by each backend's test. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ExecOptions, ExecResult, Sandbox, SandboxBackend } from "../../src/contracts/sandbox.ts";
import { eventually } from "./host-processes.ts";
import { describeCommands } from "./sandbox-contract-commands.ts";
import {
  markerSeconds,
  type SandboxContractOptions,
  neverAborted as signal,
  text,
} from "./sandbox-contract-context.ts";
import { describeFiles } from "./sandbox-contract-files.ts";
import { describeFork } from "./sandbox-contract-fork.ts";
import { describeShell } from "./sandbox-contract-shell.ts";
import { describeWalls } from "./sandbox-contract-walls.ts";

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

    const sizes = { outputBytes: 100_000_000, fileBytes: 50_000_000, sandboxesAtOnce: 24, ...options.sizes };
    const context = { options, sizes, backend: () => backend, open, run };
    describeCommands(context);
    describeShell(context);
    describeFiles(context);
    describeFork(context);
    describeWalls(context);

    describe("life and death", () => {
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
        // Nobody waits for what the kernel kills in a sandbox that was killed from outside.
        await eventually(() => !options.isRunning(marker), "its processes are gone");
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
          Array.from({ length: sizes.sandboxesAtOnce }, async (_, index) => {
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

      test(`${sizes.sandboxesAtOnce} sandboxes at once each do their own work`, async () => {
        const sandboxes = await Promise.all(Array.from({ length: sizes.sandboxesAtOnce }, open));
        await Promise.all(
          sandboxes.map(async (sandbox, index) => {
            await sandbox.writeFile("number", Buffer.from(String(index)), { signal });
            expect(text((await run(sandbox, "cat number; pwd")).stdout)).toBe(
              `${index}${sandbox.workspace}\n`,
            );
          }),
        );
        expect(new Set(sandboxes.map(({ id }) => id)).size).toBe(sizes.sandboxesAtOnce);
      });

      test("closing the backend disposes of what is still there", async () => {
        const second = options.createBackend();
        const sandbox = await second.create({ rolloutId: "left", signal });
        const marker = markerSeconds();
        const running = run(sandbox, `sleep ${marker}`).catch((error: unknown) => error);
        await sleep(50);
        await second[Symbol.asyncDispose]();
        expect(options.isRunning(marker)).toBe(false);
        expect(await running).toMatchObject({ code: "SANDBOX_CLOSED" });
        await expect(run(sandbox, "true")).rejects.toMatchObject({ code: "SANDBOX_CLOSED" });
        await expect(second.create({ rolloutId: "late", signal })).rejects.toMatchObject({
          code: "SANDBOX_CLOSED",
        });
      });
    });
  });
}
