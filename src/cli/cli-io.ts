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

/** The same output with every text passed through the scrubber, so that no secret reaches the screen. */
export function scrubOutput(output: CliOutput, scrub: (text: string) => string): CliOutput {
  return {
    get isTTY() {
      return output.isTTY === true;
    },
    get columns() {
      return output.columns ?? 80;
    },
    get rows() {
      return output.rows ?? 24;
    },
    write: (text) => output.write(scrub(text)),
  };
}
