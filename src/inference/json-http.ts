/**
 * JSON over HTTP to one inference server, on its own keep-alive connections. A call is a single attempt within
 * the server's `timeout`; aborting it closes the connection, by which stock servers notice and stop sampling.
 */
import { type Agent, fetch, type Response } from "undici";
import { LachesisError } from "../contracts/errors.ts";
import { openConnectionPool } from "./connection-pool.ts";
import { probeServer } from "./http-probe.ts";
import type { ServerConfig } from "./server-config.ts";
import { failureOfClient, failureOfStatus, retryAfterMs } from "./server-failure.ts";
import { TimedAttempt } from "./timed-attempt.ts";

type CallOptions = { signal: AbortSignal; headers?: Record<string, string> };

export class JsonHttp implements AsyncDisposable {
  /** The configured URL: names the server in messages. */
  readonly baseUrl: string;
  readonly #root: string;
  readonly #apiKey: string;
  readonly #now: () => number;
  readonly #dispatcher: Agent = openConnectionPool();
  readonly #attempt: TimedAttempt;
  #closing: Promise<void> | undefined;

  /** Throws CONFIG_INVALID without a base_url. One that ends in /v1 means the same as one that does not. */
  constructor({ config, now }: { config: ServerConfig; now: () => number }) {
    this.baseUrl = config.base_url;
    if (this.baseUrl === "") {
      throw new LachesisError("CONFIG_INVALID", `server_type "${config.server_type}" needs a base_url.`);
    }
    this.#root = this.baseUrl.replace(/\/+$/, "").replace(/\/v1$/, "");
    this.#apiKey = config.api_key;
    this.#now = now;
    this.#attempt = new TimedAttempt({
      baseUrl: this.baseUrl,
      timeoutSeconds: config.timeout,
      describe: (thrown) =>
        thrown instanceof RefusedError ? this.#describe(thrown) : failureOfClient(this.baseUrl, thrown),
    });
  }

  /** The JSON of a 2xx answer. Rejects with a ServerFailure, or with the signal's reason when aborted. */
  post(path: string, body: unknown, { signal, headers = {} }: CallOptions): Promise<unknown> {
    const init = { method: "POST", body: JSON.stringify(body) };
    return this.#call(path, { ...init, headers: { ...headers, "content-type": "application/json" } }, signal);
  }

  /** As `post`. */
  get(path: string, { signal, headers = {} }: CallOptions): Promise<unknown> {
    return this.#call(path, { method: "GET", headers }, signal);
  }

  /** Null when GET `path` finds the server up, else why it is not. Never rejects. */
  probe(path: string, { signal }: { signal: AbortSignal }): Promise<LachesisError | null> {
    return probeServer({ url: this.#root + path, apiKey: this.#apiKey }, { signal });
  }

  /** Breaks off calls in flight. */
  close(): Promise<void> {
    this.#closing ??= this.#dispatcher.destroy();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #call(
    path: string,
    init: { method: string; headers: Record<string, string>; body?: string },
    signal: AbortSignal,
  ): Promise<unknown> {
    const headers = { ...init.headers, ...(this.#apiKey && { authorization: `Bearer ${this.#apiKey}` }) };
    return this.#attempt.run(signal, async (both) => {
      const dispatcher = this.#dispatcher;
      const response = await fetch(this.#root + path, { ...init, headers, signal: both, dispatcher });
      const text = await response.text();
      if (!response.ok) throw new RefusedError(response, text);
      return parseJson(text);
    });
  }

  #describe({ response, text }: RefusedError) {
    const { status, headers } = response;
    const { code, words } = readRefusal(text);
    return failureOfStatus({
      baseUrl: this.baseUrl,
      status,
      code,
      message: `${status} ${words}`,
      retryAfterMs: retryAfterMs(headers, this.#now()),
    });
  }
}

class RefusedError extends Error {
  readonly response: Response;
  readonly text: string;

  constructor(response: Response, text: string) {
    super(`HTTP ${response.status}`);
    this.response = response;
    this.text = text;
  }
}

/** Python servers write NaN and -Infinity, which JSON has not: they come out as null. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    const repaired = text.replace(/([[:,]\s*)(?:NaN|-?Infinity)(?=\s*[\],}])/g, "$1null");
    if (repaired === text) throw thrown;
    return JSON.parse(repaired);
  }
}

/** Every server wraps its words differently: `error.message`, `error`, `detail`, `message`, or plain text. */
function readRefusal(text: string): { code: string | null; words: string } {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { code: null, words: text };
  }
  const error = field(body, "error") ?? field(body, "detail") ?? field(body, "message") ?? body;
  const code = [field(error, "code"), field(error, "type")].find((value) => typeof value === "string");
  const words = field(error, "message") ?? error;
  return { code: code ?? null, words: typeof words === "string" ? words : JSON.stringify(words) };
}

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && name in value
    ? Object.getOwnPropertyDescriptor(value, name)?.value
    : undefined;
