/**
 * JSON over HTTP to a service that the run's configuration names (Firecrawl, SearXNG, a vision server). It is
 * part of the machinery: when it is down, refuses its key or stays overloaded, calls reject and the rollout is
 * played afresh. Other refusals (a 400) come back for the tool to explain.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, fetch } from "undici";
import { LachesisError } from "../../contracts/errors.ts";
import { parseRetryAfterMs } from "../../contracts/retry-after.ts";

export type ServiceClientOptions = {
  /** What people call it, e.g. "Firecrawl". */
  name: string;
  baseUrl: string;
  apiKey?: string | null;
  timeoutMs: number;
  /** What to correct when the service refuses the key or the address. */
  hint: string;
  /** Attempts after the first. Default 2. */
  retries?: number;
  /** The first wait between attempts; doubles. Default 500 ms. */
  firstWaitMs?: number;
};

export type ServiceAnswer = { status: number; body: unknown };

export type ServiceRequest = {
  method: "GET" | "POST";
  /** Relative to the base URL. */
  path: string;
  json?: unknown;
  /** True for answers of the service about the request itself, whatever their status says: they are not retried. */
  isAnswer?: (answer: ServiceAnswer) => boolean;
};

export class ServiceClient implements AsyncDisposable {
  readonly #options: ServiceClientOptions;
  readonly #agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 10_000 } });

  constructor(options: ServiceClientOptions) {
    this.#options = options;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  /** Rejects with TOOL_SERVICE_FAILED or TOOL_SERVICE_REJECTED, or the signal's reason. */
  async request(request: ServiceRequest, { signal }: { signal: AbortSignal }): Promise<ServiceAnswer> {
    const { name, retries = 2, firstWaitMs = 500, hint } = this.#options;
    let problem = "";
    for (let attempt = 0; attempt <= retries; attempt++) {
      const answer = await this.#attempt(request, signal);
      if (answer.kind === "answer") {
        const { status, body } = answer;
        if (status < 400 || request.isAnswer?.(answer) === true) return { status, body };
        if (status === 401 || status === 402 || status === 403) {
          throw new LachesisError("TOOL_SERVICE_REJECTED", `${name} answered ${status}: ${excerpt(body)}`, {
            hint,
          });
        }
        if (status !== 429 && status !== 408 && status < 500) return { status, body };
        problem = `answered ${status}: ${excerpt(body)}`;
      } else problem = answer.problem;
      if (attempt === retries) break;
      const asked = answer.kind === "answer" ? answer.retryAfterMs : undefined;
      await sleep(Math.min(asked ?? firstWaitMs * 2 ** attempt, 30_000), undefined, { signal });
    }
    throw new LachesisError("TOOL_SERVICE_FAILED", `${name} ${problem} (${retries + 1} attempts).`, {
      hint,
      retryable: true,
    });
  }

  async #attempt({ method, path, json }: ServiceRequest, signal: AbortSignal) {
    const { baseUrl, apiKey, timeoutMs } = this.#options;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    try {
      const response = await fetch(`${baseUrl.replace(/\/+$/, "")}${path}`, {
        method,
        headers: {
          accept: "application/json",
          ...(json !== undefined && { "content-type": "application/json" }),
          ...(typeof apiKey === "string" && apiKey !== "" && { authorization: `Bearer ${apiKey}` }),
        },
        ...(json !== undefined && { body: JSON.stringify(json) }),
        signal: limit,
        dispatcher: this.#agent,
      });
      const wait = parseRetryAfterMs(response.headers.get("retry-after") ?? "", Date.now());
      const text = await response.text();
      return { kind: "answer", status: response.status, body: parse(text), retryAfterMs: wait } as const;
    } catch (thrown) {
      signal.throwIfAborted();
      if (limit.aborted) return { kind: "none", problem: `gave no answer in ${timeoutMs / 1000} s` } as const;
      const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
      return {
        kind: "none",
        problem: `can't be reached: ${cause instanceof Error ? cause.message : String(cause)}`,
      } as const;
    }
  }
}

/** Any JSON value, or the text itself where it is none. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What an error answer says, cut to a line. */
export function excerpt(body: unknown): string {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
