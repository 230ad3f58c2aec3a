/**
 * What the process's exit code says: 0 done, 1 failed, 2 the command line, the configuration or an evaluation that was
 * given is wrong, 128 + n stopped by signal n.
 */
import { CommanderError } from "commander";
import type { ErrorCode } from "../contracts/error-codes.ts";
import { LachesisError } from "../contracts/errors.ts";

const usageErrors: ReadonlySet<ErrorCode> = new Set([
  "CONFIG_FILE_INVALID",
  "CONFIG_INVALID",
  "ENVIRONMENT_FILE_INVALID",
  "ENVIRONMENT_UNKNOWN",
  "EVALUATION_DIFFERS",
  "EVALUATION_FILE_INVALID",
  "PARSER_UNKNOWN",
  "TERMINAL_BACKEND_UNKNOWN",
  "USAGE_INVALID",
]);

/** The exit code of a command that threw. Commander throws too when it has printed help. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return error instanceof LachesisError && usageErrors.has(error.code) ? 2 : 1;
}
