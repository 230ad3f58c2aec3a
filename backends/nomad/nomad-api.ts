/**
 * Nomad's HTTP API: https://developer.hashicorp.com/nomad/api-docs. Every failure becomes a LachesisError that says
 * what Nomad said and what to do about it.
 */
import { Agent, request } from "undici";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { NomadConfig } from "./nomad-config.ts";

type Query = Readonly<Record<string, string | undefined>>;
type Answer<T> = { value: T; index: number };
type Call = {
  method: "GET" | "PUT" | "POST" | "DELETE";
  path: string;
  query?: Query;
  body?: unknown;
  signal: AbortSignal;
};

const neededCapabilities = "submit-job, read-job, list-jobs, scale-job, alloc-lifecycle and alloc-exec";
const detailLimit = 1_000;

export class NomadApi implements AsyncDisposable {
  readonly address: string;
  /** Connections of requests and of exec sessions. */
  readonly dispatcher = new Agent();
  readonly #config: NomadConfig;

  constructor(config: NomadConfig) {
    this.#config = config;
    this.address = config.address.replace(/\/+$/, "");
  }

  get headers(): Record<string, string> {
    return this.#config.token === undefined ? {} : { "X-Nomad-Token": this.#config.token };
  }

  url(path: string, query: Query = {}): URL {
    const url = new URL(`${this.address}${path}`);
    const everywhere = { namespace: this.#config.namespace, region: this.#config.region };
    for (const [key, value] of Object.entries({ ...everywhere, ...query })) {
      if (value !== undefined) url.searchParams.set(key, value);
    }
    return url;
  }

  /** The value there, or undefined where there is none (404). */
  async find<T>(
    path: string,
    schema: z.ZodType<T>,
    options: { signal: AbortSignal },
  ): Promise<T | undefined> {
    const answer = await this.#call({ method: "GET", path, ...options });
    return answer.status === 404 ? undefined : this.#parse(answer, path, schema);
  }

  async get<T>(
    path: string,
    schema: z.ZodType<T>,
    options: { signal: AbortSignal; query?: Query },
  ): Promise<T> {
    const answer = await this.#call({ method: "GET", path, ...options });
    this.#refuse(answer, `GET ${path}`);
    return this.#parse(answer, path, schema);
  }

  /** A blocking query: answers when the value is newer than `index`, or when the wait (seconds) is over. */
  async watch<T>(
    path: string,
    schema: z.ZodType<T>,
    options: { signal: AbortSignal; index: number; waitSeconds: number },
  ): Promise<Answer<T>> {
    const { signal, index, waitSeconds } = options;
    const query = index === 0 ? {} : { index: String(index), wait: `${waitSeconds}s` };
    const answer = await this.#call({ method: "GET", path, query, signal });
    this.#refuse(answer, `GET ${path}`);
    // An index that goes back (a server restored from a snapshot) has to start again from the beginning.
    const next = answer.index < index ? 0 : answer.index;
    return { value: this.#parse(answer, path, schema), index: next };
  }

  async send<T>(
    method: "PUT" | "POST" | "DELETE",
    path: string,
    schema: z.ZodType<T>,
    options: { signal: AbortSignal; body?: unknown; query?: Query },
  ): Promise<T> {
    const answer = await this.#call({ method, path, ...options });
    this.#refuse(answer, `${method} ${path}`);
    return this.#parse(answer, path, schema);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispatcher.destroy();
  }

  async #call({ method, path, query, body, signal }: Call) {
    signal.throwIfAborted();
    try {
      const response = await request(this.url(path, query), {
        method,
        headers: { ...this.headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
        body: body === undefined ? null : JSON.stringify(body),
        signal,
        dispatcher: this.dispatcher,
      });
      const index = Number(response.headers["x-nomad-index"] ?? 0);
      return { status: response.statusCode, text: await response.body.text(), index };
    } catch (error) {
      signal.throwIfAborted();
      const detail = error instanceof Error ? error.message : String(error);
      throw new LachesisError("SANDBOX_UNAVAILABLE", `Nomad at ${this.address} does not answer: ${detail}.`, {
        hint: "Start it, or correct `--env.nomad_address`.",
        cause: error,
        retryable: true,
      });
    }
  }

  #refuse({ status, text }: { status: number; text: string }, what: string): void {
    if (status < 300) return;
    const detail = text.trim().slice(0, detailLimit) || "(nothing)";
    const message = `Nomad at ${this.address} answered ${what} with ${status}: ${detail}.`;
    if (status === 401 || status === 403) {
      const who = this.#config.token === undefined ? "No ACL token was given" : "The ACL token was refused";
      throw new LachesisError("SANDBOX_UNAVAILABLE", `${who}. ${message}`, {
        hint: `Give a token (NOMAD_TOKEN or \`nomad_token\`) whose policy allows ${neededCapabilities} in the namespace "${this.#config.namespace}".`,
      });
    }
    throw new LachesisError("SANDBOX_START_FAILED", message, { retryable: status >= 500 || status === 429 });
  }

  #parse<T>({ text }: { text: string }, path: string, schema: z.ZodType<T>): T {
    const parsed = schema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    throw new LachesisError(
      "SANDBOX_UNAVAILABLE",
      `${this.address}${path} does not answer like Nomad: ${z.prettifyError(parsed.error)}; it said ${text.slice(0, 200)}`,
      { hint: "Correct `--env.nomad_address`." },
    );
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
