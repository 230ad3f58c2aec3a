/** The part of the sandbox contract about what stands between sandboxes, and about what they are asked to be. */
import { describe, expect, test } from "vitest";
import {
  markerSeconds,
  type SandboxContractContext,
  neverAborted as signal,
  text,
} from "./sandbox-contract-context.ts";

const listCommands = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; true";

export function describeWalls({ options, open, run, backend }: SandboxContractContext): void {
  describe("walls", () => {
    test("two sandboxes never see each other's files", async () => {
      const [one, two] = await Promise.all([open(), open()]);
      const name = `lachesis-contract-${markerSeconds()}`;
      await one.writeFile("secret", Buffer.from("mine"), { signal });
      await run(one, `echo mine > "\${TMPDIR:-/tmp}/${name}"`);
      expect((await run(two, `cat secret`)).exitCode).toBe(1);
      expect((await run(two, `cat "\${TMPDIR:-/tmp}/${name}"`)).exitCode).toBe(1);
      await expect(two.readFile("secret", { signal })).rejects.toMatchObject({
        code: "SANDBOX_FILE_NOT_FOUND",
      });
    });

    test.skipIf(options.separateProcesses === false)(
      "two sandboxes never see each other's processes",
      async () => {
        const [one, two] = await Promise.all([open(), open()]);
        const marker = markerSeconds();
        await run(one, `sleep ${marker} >/dev/null 2>&1 & until [ -e /proc/$! ]; do :; done`);
        expect(text((await run(one, listCommands)).stdout)).toContain(`sleep ${marker}`);
        expect(text((await run(two, listCommands)).stdout)).not.toContain(marker);
        expect(options.isRunning(marker)).toBe(true);
      },
    );

    test("background processes die with their sandbox, daemons too, and nobody else's do", async () => {
      const [doomed, other] = await Promise.all([open(), open()]);
      const [marker, spared] = [markerSeconds(), markerSeconds()];
      await run(
        doomed,
        `sleep ${marker} & setsid sleep ${marker} & (setsid sh -c 'trap "" TERM HUP; sleep ${marker} &' &) ; sleep 0.2`,
      );
      await run(other, `setsid sleep ${spared} & sleep 0.2`);
      expect([options.isRunning(marker), options.isRunning(spared)]).toEqual([true, true]);
      await doomed[Symbol.asyncDispose]();
      expect([options.isRunning(marker), options.isRunning(spared)]).toEqual([false, true]);
      expect((await run(other, "true")).exitCode).toBe(0);
    });

    test("a sandbox that the backend cannot give is refused, and nothing is made", async () => {
      const spec = { profile: "no-such-profile" };
      await expect(backend().create({ rolloutId: "special", signal, spec })).rejects.toMatchObject({
        code: "SANDBOX_SPEC_UNSUPPORTED",
        message: expect.stringContaining("no-such-profile"),
      });
      await options.expectNothingLeft();
    });
  });
}
