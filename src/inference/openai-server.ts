/**
 * One OpenAI-compatible chat server: the `openai` client over an own keep-alive connection pool. A call is a
 * single attempt; retries, limits and health are the ServerManager's. The answer is validated here, so that
 * whatever leaves this file is a ChatCompletion.
 */
import OpenAI, { APIConnectionError, APIError } from "openai";
import { Agent } from "undici";
import type { ChatCompletion, ChatRequest } from "../contracts/chat.ts";
import type { LachesisError } from "../contracts/errors.ts";
import { longestTimerMs } from "../contracts/longest-timer.ts";
import { parseChatCompletion } from "./chat-completion-schema.ts";
import { probeHttp } from "./http-probe.ts";
import type { InferenceServer } from "./inference-server.ts";
import { pooledFetch } from "./pooled-fetch.ts";
import type { ServerConfig } from "./server-config.ts";
import { isContextFull, isTransientStatus, retryAfterMs, ServerFailure } from "./server-failure.ts";

const defaultBaseUrl = "https://api.openai.com/v1";
const connectTimeoutMs = 10_000;
const probeTimeoutMs = 5_000;
const excerptChars = 300;

export class OpenAiServer implements InferenceServer {
  readonly baseUrl: string;
  readonly #config: ServerConfig;
  readonly #dispatcher: Agent;
  readonly #client: OpenAI;
  readonly #now: () => number;
  #closing: Promise<void> | undefined;

  constructor({ config, now = Date.now }: { config: ServerConfig; now?: () => number }) {
    this.#config = config;
    this.#now = now;
    this.baseUrl = config.base_url || defaultBaseUrl;
    // undici's own limits are off: a long generation sends no byte for minutes, and `timeout` alone rules.
    this.#dispatcher = new Agent({
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: connectTimeoutMs },
    });
    this.#client = new OpenAI({
      baseURL: this.baseUrl,
      apiKey: config.api_key || "none",
      // What is not given here, the client would take from environment variables.
      adminAPIKey: null,
      organization: null,
      project: null,
      webhookSecret: null,
      logLevel: "off",
      maxRetries: 0,
      // Its limit ends with the answer's headers; the one in `complete` covers the body too.
      timeout: longestTimerMs,
      ...(config.api_key === "" && { defaultHeaders: { Authorization: null } }),
      fetch: pooledFetch(this.#dispatcher),
    });
  }

  async complete(request: ChatRequest, { signal }: { signal: AbortSignal }): Promise<ChatCompletion> {
    signal.throwIfAborted();
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), Math.min(this.#config.timeout * 1000, longestTimerMs));
    const { extra_body, ...fields } = request;
    const body = { ...fields, ...extra_body, model: this.#config.model_name };
    let answer: unknown;
    try {
      answer = await this.#client.post<unknown>("/chat/completions", {
        body,
        signal: AbortSignal.any([signal, timeout.signal]),
      });
    } catch (thrown) {
      signal.throwIfAborted();
      throw timeout.signal.aborted ? this.#timedOut() : this.#describe(thrown);
    } finally {
      clearTimeout(timer);
    }
    const parsed = parseChatCompletion(answer);
    if (!parsed.ok) {
      const message = `${this.baseUrl} answered no chat completion (${parsed.problem}): ${excerpt(answer)}`;
      throw new ServerFailure("malformed", message);
    }
    const brokenOff = parsed.completion.choices.find(({ finish_reason }) => isBrokenOff(finish_reason));
    if (brokenOff === undefined) return parsed.completion;
    throw new ServerFailure(
      "server-error",
      `${this.baseUrl} broke a completion off (finish_reason "${brokenOff.finish_reason}")`,
    );
  }

  async probe({ signal }: { signal: AbortSignal }): Promise<LachesisError | null> {
    const url = `${this.baseUrl.replace(/\/+$/, "")}/models`;
    const headers: Record<string, string> = this.#config.api_key
      ? { authorization: `Bearer ${this.#config.api_key}` }
      : {};
    try {
      const status = await probeHttp({ url, headers, timeoutMs: probeTimeoutMs }, { signal });
      // A server that knows no /models, or wants another key for it, is up all the same.
      return status < 500 ? null : new ServerFailure("server-error", `GET ${url} answered ${status}`);
    } catch (thrown) {
      return new ServerFailure("unreachable", `GET ${url} failed: ${rootMessage(thrown)}`, { cause: thrown });
    }
  }

  /** Breaks off requests in flight. */
  close(): Promise<void> {
    this.#closing ??= this.#dispatcher.destroy();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #timedOut(): ServerFailure {
    return new ServerFailure(
      "unreachable",
      `${this.baseUrl} gave no answer within ${this.#config.timeout} s (\`timeout\`)`,
    );
  }

  #describe(thrown: unknown): ServerFailure {
    const where = this.baseUrl;
    if (thrown instanceof SyntaxError) {
      const message = `${where} answered JSON that can't be read: ${thrown.message}`;
      return new ServerFailure("malformed", message, { cause: thrown });
    }
    if (
      !(thrown instanceof APIError) ||
      thrown instanceof APIConnectionError ||
      thrown.status === undefined
    ) {
      const message = `${where} could not be reached or broke off: ${rootMessage(thrown)}`;
      return new ServerFailure("unreachable", message, { cause: thrown });
    }
    return this.#describeStatus(thrown, thrown.status);
  }

  #describeStatus(error: APIError, status: number): ServerFailure {
    const message = `${this.baseUrl} answered HTTP ${excerpt(error.message)}`;
    const details = {
      cause: error,
      retryAfterMs: error.headers && retryAfterMs(error.headers, this.#now()),
    };
    if (isContextFull(status, error.code, error.message))
      return new ServerFailure("context-full", message, details);
    // An exhausted quota comes as 429 too, and no waiting helps.
    if (status === 429 && error.code !== "insufficient_quota") {
      return new ServerFailure("rate-limited", message, details);
    }
    if (isTransientStatus(status)) return new ServerFailure("server-error", message, details);
    return new ServerFailure("rejected", message, { ...details, hint: rejectionHint(status) });
  }
}

/**
 * vLLM and SGLang end what they drop themselves (a weight update, a shutdown) under status 200. The half text
 * is not the model's answer, and must not be scored as one.
 */
function isBrokenOff(finishReason: string): boolean {
  return finishReason === "abort" || finishReason === "error";
}

function rejectionHint(status: number): string {
  if (status === 401 || status === 403) return "Check api_key.";
  if (status === 404) return "Check base_url (it usually ends in /v1) and model_name.";
  return "Correct the field that the server's message names.";
}

function excerpt(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > excerptChars ? `${line.slice(0, excerptChars)}...` : line;
}

/** The innermost cause says what happened ("connect ECONNREFUSED ..."); its wrappers say "fetch failed". */
function rootMessage(thrown: unknown): string {
  let error = thrown;
  while (error instanceof Error && error.cause instanceof Error) error = error.cause;
  if (error instanceof AggregateError && error.errors.length > 0) return rootMessage(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
