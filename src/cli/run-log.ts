/**
 * The run's log: pino's JSON lines in run.log, with every known secret blotted out before it reaches the disk,
 * whatever object or error message it hides in.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Logger, pino } from "pino";
import { LogFile } from "./log-file.ts";

export type RunLog = Disposable & { logger: Logger };

export type RunLogOptions = {
  runDirectory: string;
  level: string;
  scrub: (text: string) => string;
};

/** Opens `run.log`. */
export function openRunLog({ runDirectory, level, scrub }: RunLogOptions): RunLog {
  mkdirSync(runDirectory, { recursive: true });
  const file = new LogFile(join(runDirectory, "run.log"));
  const logger = pino({ level, base: null }, { write: (line: string) => file.write(scrub(line)) });
  return { logger, [Symbol.dispose]: () => file[Symbol.dispose]() };
}
