/**
 * One failed attempt at one server, with what the retry loop must know of it. Attempts that may succeed when
 * tried again are `retryable`; a refusal of the request itself is not.
 */
import { LachesisError } from "../contracts/errors.ts";

export type FailureKind =
  /** No answer: refused, reset, cut off, or not in time. */
  | "unreachable"
  /** 429: the server works and wants us slower. */
  | "rate-limited"
  /** 5xx and the few 4xx that mean "again, later". */
  | "server-error"
  /** A 2xx answer that is no chat completion. */
  | "malformed"
  /** The server understood and said no; asking again changes nothing. */
  | "rejected"
  /** Rejected because prompt and answer do not fit the model's context. */
  | "context-full";

const codes = {
  unreachable: "INFERENCE_UNREACHABLE",
  "rate-limited": "INFERENCE_FAILED",
  "server-error": "INFERENCE_FAILED",
  malformed: "INFERENCE_MALFORMED",
  rejected: "INFERENCE_REJECTED",
  "context-full": "INFERENCE_CONTEXT_FULL",
} as const satisfies Record<FailureKind, string>;

type FailureDetails = { hint?: string; cause?: unknown; retryAfterMs?: number | undefined };

export class ServerFailure extends LachesisError {
  readonly kind: FailureKind;
  /** What the server's Retry-After asked for, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(kind: FailureKind, message: string, { retryAfterMs, ...details }: FailureDetails = {}) {
    super(codes[kind], message, { ...details, retryable: kind !== "rejected" && kind !== "context-full" });
    this.kind = kind;
    this.retryAfterMs = retryAfterMs;
  }
}

/** 408, 409, 425 and 5xx (501 aside) may pass by themselves; 429 is told apart by the caller. */
export const isTransientStatus = (status: number): boolean =>
  status === 408 || status === 409 || status === 425 || (status >= 500 && status !== 501);

const contextFullPatterns = [
  /context[_ ]?(?:length|window|size)/i,
  /max_model_len/i,
  /prompt (?:is )?too long/i,
  /(?:prompt|input) .*\b(?:too long|longer than)/i,
  /too many (?:input |prompt )?tokens/i,
];

/** Recognises the ways in which OpenAI, vLLM, SGLang, TRL and llama.cpp say that the context is full. */
export function isContextFull(status: number, code: string | null | undefined, message: string): boolean {
  if (code === "context_length_exceeded" || code === "exceed_context_size_error") return true;
  if (status !== 400 && status !== 413 && status !== 422) return false;
  return contextFullPatterns.some((pattern) => pattern.test(message));
}

/**
 * Milliseconds that a Retry-After header (seconds or an HTTP date) or the finer `retry-after-ms` asks for;
 * undefined when neither can be read.
 */
export function retryAfterMs(headers: Headers, nowMs: number): number | undefined {
  const milliseconds = Number(headers.get("retry-after-ms") ?? Number.NaN);
  if (milliseconds >= 0) return milliseconds;
  const value = headers.get("retry-after")?.trim();
  if (!value) return undefined;
  if (/^\d+(?:\.\d+)?$/.test(value)) return Number(value) * 1000;
  const dateMs = Date.parse(value);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}
