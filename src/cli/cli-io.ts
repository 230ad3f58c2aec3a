/** The CLI's outer world: where it writes, and what the environment told it. Tests pass their own. */
import type { BlockTerminal } from "./live-block.ts";
import { type ProcessEnvironment, readProcessEnvironment } from "./process-environment.ts";

export interface CliOutput extends BlockTerminal {
  readonly isTTY?: boolean;
}

export type CliIo = {
  /** Results: lists, tables, summaries. */
  stdout: CliOutput;
  /** Progress, notices, errors. */
  stderr: CliOutput;
  environment: ProcessEnvironment;
};

export function processIo(): CliIo {
  return { stdout: process.stdout, stderr: process.stderr, environment: readProcessEnvironment() };
}
