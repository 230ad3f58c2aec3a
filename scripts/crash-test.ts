/**
 * Kills a real `run-api` again and again while environments and a trainer work on it, and counts what became
 * of every group. Ends with 1 if one was lost or came twice.
 *
 * Run: npx node scripts/crash-test.ts --seconds 60 --kills 20 --seed 1
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runCrashTest } from "./crash-test/crash-run.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    kills: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    sync: { type: "string", default: "normal" },
    directory: { type: "string" },
  },
});

const stop = new AbortController();
process.once("SIGINT", () => stop.abort(new Error("stopped")));

const directory = values.directory ?? (await mkdtemp(join(tmpdir(), "lachesis-crash-")));
try {
  const report = await runCrashTest({
    storePath: join(directory, "store.sqlite"),
    runDirectory: directory,
    sync: values.sync === "full" ? "full" : "normal",
    seconds: Number(values.seconds),
    kills: Number(values.kills),
    seed: Number(values.seed),
    signal: stop.signal,
  });
  console.log(
    Object.entries(report)
      .map(([name, count]) => `${name.padEnd(14)}${count}`)
      .join("\n"),
  );
  const isKept = report.lost === 0 && report.duplicates === 0 && report.acked === report.acknowledged;
  console.log(isKept ? "every acknowledged group was acked exactly once" : "BROKEN: see lost and duplicates");
  process.exitCode = isKept ? 0 : 1;
} finally {
  if (values.directory === undefined) await rm(directory, { recursive: true, force: true });
}
