/**
 * Where `run-api` logs: JSON lines in run-api.log of the run directory, and warnings on stderr too, where
 * somebody may see them. A server that keeps nothing has no directory and logs to stderr alone.
 */
import { join } from "node:path";
import { type Level, type Logger, multistream, pino } from "pino";
import type { CliIo } from "./cli-io.ts";
import { LogFile } from "./log-file.ts";
import { requireWritable } from "./run-directory.ts";

export type ServerLogFile = Disposable & {
  logger: Logger;
  /** null = stderr only. */
  path: string | null;
};

export type ServerLogOptions = {
  /** null = keep nothing on disk. */
  runDirectory: string | null;
  level: Level | "silent";
  stderr: CliIo["stderr"];
};

/** Appends to the log of an earlier server. Rejects with OUTPUT_UNWRITABLE. */
export async function openServerLog({
  runDirectory,
  level,
  stderr,
}: ServerLogOptions): Promise<ServerLogFile> {
  if (runDirectory === null) {
    return { logger: pino({ level, base: null }, stderr), path: null, [Symbol.dispose]: () => undefined };
  }
  await requireWritable(runDirectory, "--run-dir");
  const path = join(runDirectory, "run-api.log");
  const file = new LogFile(path);
  const streams = [
    { level: level === "silent" ? "fatal" : level, stream: file },
    { level: "warn", stream: stderr },
  ] as const;
  return {
    logger: pino({ level, base: null }, multistream([...streams])),
    path,
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}
