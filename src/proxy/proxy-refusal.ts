/**
 * What the proxy answers instead of an answer, and its two spellings on the wire. Agents are told what they can mend;
 * of the servers behind the proxy they hear no more than that one failed, for who knows an address can go round the
 * recording.
 */
import type { JsonObject } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";

/** Anthropic's names; OpenAI's clients go by the status. */
export type RefusalType =
  | "invalid_request_error"
  | "authentication_error"
  | "permission_error"
  | "not_found_error"
  | "request_too_large"
  | "rate_limit_error"
  | "api_error";

type RefusalDetails = {
  status: number;
  type: RefusalType;
  /** For programs, e.g. "context_length_exceeded". */
  code: string;
  message: string;
  /** The field of the request that is wrong. */
  param?: string;
  headers?: Readonly<Record<string, string>>;
  cause?: unknown;
};

export class ProxyRefusal extends Error {
  override readonly name = "ProxyRefusal";
  readonly status: number;
  readonly type: RefusalType;
  readonly code: string;
  readonly param: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor({ status, type, code, message, param, headers = {}, cause }: RefusalDetails) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.type = type;
    this.code = code;
    this.param = param;
    this.headers = headers;
  }
}

/** 400: the request itself is wrong. */
export function invalidRequest(message: string, param?: string): ProxyRefusal {
  const type = "invalid_request_error";
  return new ProxyRefusal({ status: 400, type, code: "invalid_request", message, ...(param && { param }) });
}

export function notFound(message: string, code = "not_found"): ProxyRefusal {
  return new ProxyRefusal({ status: 404, type: "not_found_error", code, message });
}

/** Whatever was thrown, as the refusal that a client is due. */
export function refusalOf(thrown: unknown): ProxyRefusal {
  if (thrown instanceof ProxyRefusal) return thrown;
  if (thrown instanceof LachesisError) return refusalOfError(thrown);
  const status = statusOf(thrown);
  if (status === 413) {
    const message = "The request's body is larger than this server takes.";
    return new ProxyRefusal({ status, type: "request_too_large", code: "request_too_large", message });
  }
  if (status !== undefined && status < 500) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new ProxyRefusal({ status, type: "invalid_request_error", code: "invalid_request", message });
  }
  return failed(500, "internal_error", "The proxy failed; its log has the reason.", thrown);
}

function refusalOfError(error: LachesisError): ProxyRefusal {
  switch (error.code) {
    case "INFERENCE_CONTEXT_FULL":
      return new ProxyRefusal({
        status: 400,
        type: "invalid_request_error",
        code: "context_length_exceeded",
        message: `prompt is too long: ${contextMessage(error)}`,
        param: "messages",
        cause: error,
      });
    case "CHAT_TEMPLATE_REFUSED":
    case "CHAT_TEMPLATE_FAILED":
    case "CONFIG_INVALID":
      return invalidRequest(error.message);
    case "GROUP_INVALID":
      return new ProxyRefusal({
        status: 422,
        type: "invalid_request_error",
        code: "group_invalid",
        message: error.message,
      });
    case "ROLLOUT_API_REJECTED":
    case "ROLLOUT_API_BAD_REPLY":
      return failed(502, "rollout_api_failed", `The rollout API did not take it: ${error.message}`, error);
    case "TOKEN_AUDIT_FAILED":
      return failed(502, "token_audit_failed", "The inference server's answer can't be trained on.", error);
    case "INFERENCE_REJECTED":
      return failed(502, "inference_rejected", "The inference server refused the request.", error, false);
    case "INFERENCE_UNREACHABLE":
    case "INFERENCE_CLOSED":
      return failed(503, "inference_unreachable", "The inference server can't be reached.", error);
    default:
      return failed(502, "inference_failed", "The inference server failed.", error);
  }
}

/** Counted before the call it says so in tokens; in a server's own words it may name the server. */
function contextMessage({ message, cause }: LachesisError): string {
  return cause === undefined && message.startsWith("The conversation has")
    ? message
    : "prompt and answer don't fit the model's context.";
}

function failed(
  status: number,
  code: string,
  message: string,
  cause: unknown,
  isRetried = true,
): ProxyRefusal {
  const headers: Record<string, string> = isRetried ? {} : { "x-should-retry": "false" };
  return new ProxyRefusal({ status, type: "api_error", code, message, headers, cause });
}

function statusOf(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !("statusCode" in thrown)) return undefined;
  return typeof thrown.statusCode === "number" ? thrown.statusCode : undefined;
}

export function openAiError({ message, type, code, param }: ProxyRefusal): JsonObject {
  const kind = type === "api_error" ? "server_error" : type;
  return { error: { message, type: kind, param: param ?? null, code } };
}

export function anthropicError({ message, type, code }: ProxyRefusal): JsonObject {
  return { type: "error", error: { type, message, details: { error_code: code } } };
}
