/**
 * One OpenAI-compatible chat server: the `openai` client over an own keep-alive connection pool. A call is a
 * single attempt; retries, limits and health are the ServerManager's. The answer is validated here, so that
 * whatever leaves this file is a ChatCompletion.
 */
import OpenAI, { APIConnectionError, APIError } from "openai";
import type { Agent } from "undici";
import type { ChatCompletion, ChatRequest } from "../contracts/chat.ts";
import type { LachesisError } from "../contracts/errors.ts";
import { longestTimerMs } from "../contracts/longest-timer.ts";
import { parseChatCompletion } from "./chat-completion-schema.ts";
import { openConnectionPool } from "./connection-pool.ts";
import { probeServer } from "./http-probe.ts";
import type { InferenceServer } from "./inference-server.ts";
import { pooledFetch } from "./pooled-fetch.ts";
import type { ServerConfig } from "./server-config.ts";
import {
  excerpt,
  failureOfClient,
  failureOfStatus,
  isBrokenOff,
  retryAfterMs,
  ServerFailure,
} from "./server-failure.ts";
import { TimedAttempt } from "./timed-attempt.ts";

const defaultBaseUrl = "https://api.openai.com/v1";

export class OpenAiServer implements InferenceServer {
  readonly baseUrl: string;
  readonly #config: ServerConfig;
  readonly #dispatcher: Agent;
  readonly #client: OpenAI;
  readonly #attempt: TimedAttempt;
  readonly #now: () => number;
  #closing: Promise<void> | undefined;

  constructor({ config, now = Date.now }: { config: ServerConfig; now?: () => number }) {
    this.#config = config;
    this.#now = now;
    this.baseUrl = config.base_url || defaultBaseUrl;
    this.#dispatcher = openConnectionPool();
    this.#attempt = new TimedAttempt({
      baseUrl: this.baseUrl,
      timeoutSeconds: config.timeout,
      describe: (thrown) => this.#describe(thrown),
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
      // Its limit ends with the answer's headers; the attempt's covers the body too.
      timeout: longestTimerMs,
      ...(config.api_key === "" && { defaultHeaders: { Authorization: null } }),
      fetch: pooledFetch(this.#dispatcher),
    });
  }

  async complete(request: ChatRequest, { signal }: { signal: AbortSignal }): Promise<ChatCompletion> {
    const { extra_body, ...fields } = request;
    const body = { ...fields, ...extra_body, model: this.#config.model_name };
    const answer = await this.#attempt.run(signal, (both) =>
      this.#client.post<unknown>("/chat/completions", { body, signal: both }),
    );
    const parsed = parseChatCompletion(answer);
    if (!parsed.ok) {
      const message = `${this.baseUrl} answered no chat completion (${parsed.problem}): ${excerpt(answer)}`;
      throw new ServerFailure("malformed", message);
    }
    const brokenOff = parsed.completion.choices.find(({ finish_reason }) => isBrokenOff(finish_reason));
    if (brokenOff === undefined) return parsed.completion;
    // The half text is not the model's answer, and must not be scored as one.
    throw new ServerFailure(
      "server-error",
      `${this.baseUrl} broke a completion off (finish_reason "${brokenOff.finish_reason}")`,
    );
  }

  probe({ signal }: { signal: AbortSignal }): Promise<LachesisError | null> {
    const url = `${this.baseUrl.replace(/\/+$/, "")}/models`;
    return probeServer({ url, apiKey: this.#config.api_key }, { signal });
  }

  /** Breaks off requests in flight. */
  close(): Promise<void> {
    this.#closing ??= this.#dispatcher.destroy();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #describe(thrown: unknown): ServerFailure {
    if (
      !(thrown instanceof APIError) ||
      thrown instanceof APIConnectionError ||
      thrown.status === undefined
    ) {
      return failureOfClient(this.baseUrl, thrown);
    }
    const error: APIError = thrown;
    return failureOfStatus({
      baseUrl: this.baseUrl,
      status: thrown.status,
      code: error.code,
      message: error.message,
      retryAfterMs: error.headers && retryAfterMs(error.headers, this.#now()),
      cause: error,
    });
  }
}
