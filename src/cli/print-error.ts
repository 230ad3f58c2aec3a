/** Prints an error for people: code, what was expected and came, what to do next. */
import { LachesisError } from "../contracts/errors.ts";

/** Writes to stderr unless told otherwise. Defects show their stack, deliberate errors their hint. */
export function printError(error: unknown, output: { write(text: string): unknown } = process.stderr): void {
  if (error instanceof LachesisError) {
    output.write(`error ${error.code}: ${error.message}\n`);
    if (error.hint !== undefined) output.write(`  ${error.hint}\n`);
  } else {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    output.write(`error INTERNAL: ${text}\n`);
  }
}
