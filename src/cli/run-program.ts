/** Turns a commander program and whatever happens in it into an exit code. */
import { type Command, CommanderError } from "commander";
import { exitCodeOf } from "./exit-codes.ts";
import { printError } from "./print-error.ts";

/** Runs the command line; resolves with the exit code and never rejects. `exitCode` is asked when all went well. */
export async function runProgram(
  program: Command,
  argv: readonly string[],
  exitCode: () => number,
): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) {
    if (!stream.listeners("error").includes(ignoreLostOutput)) stream.on("error", ignoreLostOutput);
  }
  try {
    await program.parseAsync(argv, { from: "user" });
    return exitCode();
  } catch (error) {
    // Commander has printed its own errors.
    if (!(error instanceof CommanderError)) printError(error);
    return exitCodeOf(error);
  }
}

/**
 * Sets the exit code and lets the process end by itself. Whatever still holds it open after a moment is a
 * leak: the process leaves anyway.
 */
export function leaveWith(exitCode: number): void {
  process.exitCode = exitCode;
  setTimeout(() => process.exit(), 2_000).unref();
}

/**
 * Output into `head` ends early (EPIPE), a terminal is closed (EIO), a redirected file's disk is full (ENOSPC):
 * what is left to say has no reader, and the run goes on, saves its data and cleans up.
 */
function ignoreLostOutput(): void {}
