/** The whole sandbox contract over one byte stream, by either of the supervisor's two programs. */
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { bubblewrapSkipReason, isRunning } from "../../support/local-sandboxes.ts";
import { describeSandboxContract } from "../../support/sandbox-contract.ts";
import { neverAborted as signal, text } from "../../support/sandbox-contract-context.ts";
import { expectNoPlaceLeft, StreamPlaces } from "../../support/stream-places.ts";

for (const interpreter of ["/usr/bin/perl", "/usr/bin/python3"]) {
  const skipReason =
    bubblewrapSkipReason ?? (existsSync(interpreter) ? undefined : `there is no ${interpreter}`);
  let places: StreamPlaces;
  describeSandboxContract(`a stream to ${interpreter}`, {
    createBackend: () => {
      places = new StreamPlaces(["/usr/bin/uname", "/bin/bash", interpreter]);
      return places;
    },
    skipReason,
    killFromOutside: (sandbox) => places.kill(sandbox),
    isRunning,
    expectNothingLeft: expectNoPlaceLeft,
  });
  test.skipIf(skipReason !== undefined)(`it is ${interpreter} that runs there`, async () => {
    await using backend = new StreamPlaces(["/usr/bin/uname", interpreter]);
    await using sandbox = await backend.create({ rolloutId: "which", signal });
    // Perl changes its title, Python does not.
    const { stdout } = await sandbox.exec(
      { argv: ["cat", "/proc/1/cmdline"] },
      { timeoutMs: 20_000, signal },
    );
    expect(text(stdout).startsWith("python3")).toBe(interpreter.endsWith("python3"));
    // Where memory runs out, commands go first.
    const score = { argv: ["cat", "/proc/self/oom_score_adj"] } as const;
    expect(text((await sandbox.exec(score, { timeoutMs: 20_000, signal })).stdout)).toBe("1000\n");
  });
}
