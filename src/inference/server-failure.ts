/**
 * One failed attempt at one server, with what the retry loop must know of it. Attempts that may succeed when
 * tried again are `retryable`; a refusal of the request itself is not.
 */
import { LachesisError } from "../contracts/errors.ts";
import { parseRetryAfterMs } from "../contracts/retry-after.ts";

const excerptChars = 300;

export type FailureKind =
  /** No answer: refused, reset, cut off, or not in time. */
  | "unreachable"
  /** 429: the server works and wants us slower. */
  | "rate-limited"
  /** 5xx and the few 4xx that mean "again, later". */
  | "server-error"
  /** A 2xx answer of another shape than the server type's. */
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

type FailureDetails = {
  hint?: string;
  cause?: unknown;
  retryAfterMs?: number | undefined;
  status?: number;
};

export class ServerFailure extends LachesisError {
  readonly kind: FailureKind;
  /** What the server's Retry-After asked for, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** HTTP status of the refusal; undefined when there was none. */
  readonly status: number | undefined;

  constructor(kind: FailureKind, message: string, { retryAfterMs, status, ...details }: FailureDetails = {}) {
    super(codes[kind], message, { ...details, retryable: kind !== "rejected" && kind !== "context-full" });
    this.kind = kind;
    this.retryAfterMs = retryAfterMs;
    this.status = status;
  }
}

/** 408, 409, 425 and 5xx (501 aside) may pass by themselves; 429 is told apart by the caller. */
const isTransientStatus = (status: number): boolean =>
  status === 408 || status === 409 || status === 425 || (status >= 500 && status !== 501);

const contextFullPatterns = [
  /context[_ ]?(?:length|window|size)/i,
  /max_model_len/i,
  /prompt (?:is )?too long/i,
  /(?:prompt|input) .*\b(?:too long|longer than)/i,
  /too many (?:input |prompt )?tokens/i,
];

/** Recognises the ways in which OpenAI, vLLM, SGLang, TRL and llama.cpp say that the context is full. */
function isContextFull(status: number, code: string | null | undefined, message: string): boolean {
  if (code === "context_length_exceeded" || code === "exceed_context_size_error") return true;
  if (status !== 400 && status !== 413 && status !== 422) return false;
  return contextFullPatterns.some((pattern) => pattern.test(message));
}

/** vLLM and SGLang end what they drop themselves (a weight update, a shutdown) under status 200. */
export const isBrokenOff = (finishReason: string): boolean =>
  finishReason === "abort" || finishReason === "error";

export type Refusal = {
  baseUrl: string;
  status: number;
  /** The server's own code or type of error, e.g. "insufficient_quota". */
  code?: string | null | undefined;
  /** Its words, the status in front. */
  message: string;
  retryAfterMs?: number | undefined;
  cause?: unknown;
};

/** What a status other than 2xx means for the retry loop. */
export function failureOfStatus({ baseUrl, status, code, message, ...rest }: Refusal): ServerFailure {
  const described = `${baseUrl} answered HTTP ${excerpt(message)}`;
  const details = { ...rest, status };
  if (isContextFull(status, code, message)) return new ServerFailure("context-full", described, details);
  // An exhausted quota comes as 429 too, and no waiting helps.
  if (status === 429 && code !== "insufficient_quota") {
    return new ServerFailure("rate-limited", described, details);
  }
  if (isTransientStatus(status)) return new ServerFailure("server-error", described, details);
  return new ServerFailure("rejected", described, { ...details, hint: rejectionHint(status) });
}

/** What the client threw without an answer: JSON that can't be read, or a connection that failed. */
export function failureOfClient(baseUrl: string, thrown: unknown): ServerFailure {
  if (thrown instanceof SyntaxError) {
    const message = `${baseUrl} answered JSON that can't be read: ${thrown.message}`;
    return new ServerFailure("malformed", message, { cause: thrown });
  }
  const message = `${baseUrl} could not be reached or broke off: ${rootMessage(thrown)}`;
  return new ServerFailure("unreachable", message, { cause: thrown });
}

function rejectionHint(status: number): string {
  if (status === 401 || status === 403) return "Check api_key.";
  if (status === 404)
    return "Check base_url (of a chat API it usually ends in /v1), server_type and model_name.";
  return "Correct the field that the server's message names.";
}

/** Milliseconds that a Retry-After header or the finer `retry-after-ms` asks for; undefined without either. */
export function retryAfterMs(headers: Headers, nowMs: number): number | undefined {
  const milliseconds = Number(headers.get("retry-after-ms") ?? Number.NaN);
  return milliseconds >= 0 ? milliseconds : parseRetryAfterMs(headers.get("retry-after") ?? "", nowMs);
}

/** A value in one line of bounded length, for a message. */
export function excerpt(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
  const line = text
    .slice(0, 10 * excerptChars)
    .replace(/\s+/g, " ")
    .trim();
  return line.length > excerptChars ? `${line.slice(0, excerptChars)}...` : line;
}

/** The innermost cause says what happened ("connect ECONNREFUSED ..."); its wrappers say "fetch failed". */
export function rootMessage(thrown: unknown): string {
  let error = thrown;
  while (error instanceof Error && error.cause instanceof Error) error = error.cause;
  if (error instanceof AggregateError && error.errors.length > 0) return rootMessage(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
