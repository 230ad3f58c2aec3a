/** Where run-api's log lines go. */
import { mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openServerLog } from "../../src/cli/server-log-file.ts";
import { memoryIo } from "./memory-io.ts";

async function temporaryDirectory() {
  const path = await mkdtemp(join(tmpdir(), "server-log-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

const eventsIn = (text: string) =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line).event);

describe("openServerLog", () => {
  test("keeps all lines in the run directory and shows warnings on stderr", async () => {
    await using directory = await temporaryDirectory();
    const io = memoryIo();
    const runDirectory = join(directory.path, "new");
    {
      using log = await openServerLog({ runDirectory, level: "info", stderr: io.stderr });
      log.logger.debug({ event: "request" });
      log.logger.info({ event: "batch-served" });
      log.logger.warn({ event: "env-stale" });
    }
    expect(eventsIn(await readFile(join(runDirectory, "run-api.log"), "utf8"))).toEqual([
      "batch-served",
      "env-stale",
    ]);
    expect(eventsIn(io.read().stderr)).toEqual(["env-stale"]);
  });

  test("goes on in the log of an earlier server", async () => {
    await using directory = await temporaryDirectory();
    for (const event of ["first", "second"]) {
      using log = await openServerLog({
        runDirectory: directory.path,
        level: "info",
        stderr: memoryIo().stderr,
      });
      log.logger.info({ event });
    }
    expect(eventsIn(await readFile(join(directory.path, "run-api.log"), "utf8"))).toEqual([
      "first",
      "second",
    ]);
  });

  test("without a directory everything goes to stderr; silent is silent", async () => {
    const io = memoryIo();
    using log = await openServerLog({ runDirectory: null, level: "info", stderr: io.stderr });
    log.logger.info({ event: "batch-served" });
    using silent = await openServerLog({ runDirectory: null, level: "silent", stderr: io.stderr });
    silent.logger.error({ event: "request-failed" });
    expect(eventsIn(io.read().stderr)).toEqual(["batch-served"]);
  });

  test("a full disk fails nobody who logs, nor the one who closes the log", async () => {
    await using directory = await temporaryDirectory();
    await symlink("/dev/full", join(directory.path, "run-api.log"));
    const io = memoryIo();
    {
      using log = await openServerLog({ runDirectory: directory.path, level: "info", stderr: io.stderr });
      log.logger.info({ event: "batch-served" });
      log.logger.warn({ event: "env-stale" });
    }
    expect(eventsIn(io.read().stderr)).toEqual(["env-stale"]);
  });

  test("a directory that can't be written is an error before the server starts", async () => {
    const opening = openServerLog({
      runDirectory: "/proc/nowhere",
      level: "info",
      stderr: memoryIo().stderr,
    });
    await expect(opening).rejects.toMatchObject({ code: "OUTPUT_UNWRITABLE" });
  });
});
