/**
 * The run's log: pino's JSON lines in run.log, with every known secret blotted out before it reaches the disk,
 * whatever object or error message it hides in.
 */
import { join } from "node:path";
import { destination, type Logger, pino } from "pino";

export type RunLog = Disposable & { logger: Logger };

export type RunLogOptions = {
  runDirectory: string;
  level: string;
  scrub: (text: string) => string;
};

/** Opens `run.log`; disposing of it writes out what is buffered. */
export function openRunLog({ runDirectory, level, scrub }: RunLogOptions): RunLog {
  const file = destination({ dest: join(runDirectory, "run.log"), sync: true, mkdir: true });
  const logger = pino({ level, base: null }, { write: (line: string) => void file.write(scrub(line)) });
  return {
    logger,
    [Symbol.dispose]() {
      file.flushSync();
      file.end();
    },
  };
}
