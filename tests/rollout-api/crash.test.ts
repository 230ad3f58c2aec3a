/** A short stay under fire; `npx node scripts/crash-test.ts` is the long one. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCrashTest } from "../../scripts/crash-test/crash-run.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";

test("a server that is killed again and again serves every acknowledged group exactly once", {
  timeout: 120_000,
}, async ({ signal }) => {
  await using directory = await TemporaryDirectory.make();
  const { acknowledged, ...report } = await runCrashTest({
    storePath: join(directory.path, "store.sqlite"),
    runDirectory: directory.path,
    sync: "normal",
    seconds: 6,
    kills: 3,
    seed: 7,
    signal,
  });
  expect(acknowledged).toBeGreaterThan(0);
  expect(report).toMatchObject({ kills: 3, acked: acknowledged, duplicates: 0, lost: 0 });
});
