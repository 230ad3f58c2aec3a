/**
 * The one base of every deliberate error. Callers branch on `code`; people read `message` (what was
 * expected, what came, where) and `hint` (what to do next). Codes and their remedies stand in
 * `error-codes.ts`, from which `docs/errors.md` is checked.
 */
import type { ErrorCode } from "./error-codes.ts";

export type ErrorDetails = {
  /** What to do next, in the imperative. */
  hint?: string;
  cause?: unknown;
  /** True when the same work, tried again as it is, may succeed. */
  retryable?: boolean;
};

export class LachesisError extends Error {
  override readonly name = "LachesisError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, { hint, cause, retryable = false }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    this.retryable = retryable;
  }
}

/** Wraps anything thrown as a LachesisError; one that already is passes through. */
export function toLachesisError(thrown: unknown, code: ErrorCode, where: string): LachesisError {
  if (thrown instanceof LachesisError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new LachesisError(code, `${where}: ${message}`, { cause: thrown });
}
