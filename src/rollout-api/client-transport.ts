/**
 * One JSON call to a rollout API, tried again until it is answered.
 *
 * A server that is away (connection refused, reset, timed out) or in trouble (5xx, 429) is asked again with
 * growing delays, as often as the call allows. Any other 4xx is the caller's mistake and is thrown at once
 * with the server's own words, also one that comes while the body is still on its way (413).
 * `undici.request` and not `fetch`: Atropos reads a body on GET.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Logger } from "pino";
import { Agent, request } from "undici";
import type { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import { retryDelayMs } from "./retry-delay.ts";

const compress = promisify(gzip);

/** Below this many bytes a body is sent as it is. */
const GZIP_FROM_BYTES = 1024;

export type TransportOptions = {
  /** Base URL of the server, e.g. http://127.0.0.1:8000. A path in it is kept as a prefix. */
  url: string;
  /** What to show a server that asks for a token. Default: the password in `url`, if there is one. */
  token?: string | undefined;
  /** Time of one attempt, body included, milliseconds. Default 60 000. */
  timeoutMs?: number;
  logger?: Logger;
  /** Source of the retry jitter. Default Math.random. */
  random?: () => number;
};

export type Call<Reply> = {
  method: "GET" | "POST";
  path: string;
  json?: unknown;
  /** Compress the body where that makes it smaller. Default false. */
  gzip?: boolean;
  reply: z.ZodType<Reply>;
  signal: AbortSignal;
  /** Tries before giving up. Default Infinity: until answered or aborted. */
  attempts?: number;
};

type Attempt = { status: number; text: string; retryAfter: string | undefined };

export class ClientTransport implements AsyncDisposable {
  /** Without user and password: errors and logs show it. */
  readonly #base: URL;
  readonly #authorization: string | undefined;
  readonly #timeoutMs: number;
  readonly #logger: Logger | undefined;
  readonly #random: () => number;
  readonly #agent = new Agent({ keepAliveTimeout: 4_000, connections: 32 });

  constructor({ url, token, timeoutMs = 60_000, logger, random = Math.random }: TransportOptions) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw new LachesisError(
        "CONFIG_INVALID",
        `rollout server URL: expected http(s)://host:port, got "${url}"`,
        {
          hint: 'Give the whole URL, e.g. "http://127.0.0.1:8000".',
        },
      );
    }
    this.#base = new URL(url.endsWith("/") ? url : `${url}/`);
    const password = decodeURIComponent(this.#base.password);
    this.#base.username = "";
    this.#base.password = "";
    this.#authorization = authorizationOf(token ?? password);
    this.#timeoutMs = timeoutMs;
    this.#logger = logger;
    this.#random = random;
  }

  /** The server's base URL, as errors name it. */
  get url(): string {
    return this.#base.href;
  }

  /**
   * Sends the call and returns its parsed 2xx answer. Throws ROLLOUT_API_REJECTED (4xx),
   * ROLLOUT_API_BAD_REPLY (not the expected JSON), ROLLOUT_API_UNREACHABLE (attempts used up), or the
   * signal's reason.
   */
  async call<Reply>({ attempts = Number.POSITIVE_INFINITY, signal, ...call }: Call<Reply>): Promise<Reply> {
    signal.throwIfAborted();
    const body = await encodeBody(call.json, call.gzip === true);
    const where = `${call.method} ${this.#base.href}${call.path}`;
    for (let failures = 1; ; failures++) {
      const outcome = await this.#attempt(call, body, signal);
      if (!(outcome instanceof LachesisError)) {
        if (outcome.status < 300) return parseReply(outcome.text, call.reply, where);
        if (outcome.status < 500 && outcome.status !== 429) throw rejection(outcome, where);
      }
      const problem = outcome instanceof LachesisError ? outcome.message : describe(outcome, where);
      if (failures >= attempts) throw unreachable(problem, outcome);
      const retryAfter = outcome instanceof LachesisError ? undefined : outcome.retryAfter;
      const delayMs = retryDelayMs({ failures, retryAfter, nowMs: Date.now(), random: this.#random });
      this.#logger?.warn({ event: "rollout-api-retry", failures, delayMs: Math.round(delayMs) }, problem);
      await pause(delayMs, signal);
    }
  }

  /** One try: the answer whatever its status, or the error of a connection that gave none. */
  async #attempt(
    { method, path }: { method: "GET" | "POST"; path: string },
    body: EncodedBody | undefined,
    signal: AbortSignal,
  ): Promise<Attempt | LachesisError> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    try {
      const response = await request(new URL(path, this.#base), {
        method,
        dispatcher: this.#agent,
        signal: AbortSignal.any([signal, timeout]),
        headers: {
          accept: "application/json",
          ...(this.#authorization !== undefined && { authorization: this.#authorization }),
          ...body?.headers,
        },
        body: body?.bytes ?? null,
      });
      const text = await response.body.text();
      const retryAfter = response.headers["retry-after"];
      return {
        status: response.statusCode,
        text,
        retryAfter: Array.isArray(retryAfter) ? retryAfter[0] : retryAfter,
      };
    } catch (cause) {
      signal.throwIfAborted();
      const reason = timeout.aborted ? `no answer within ${this.#timeoutMs} ms` : reasonOf(cause);
      return new LachesisError("ROLLOUT_API_UNREACHABLE", `${method} ${this.#base.href}${path}: ${reason}`, {
        cause,
        retryable: true,
      });
    }
  }

  /** Closes the connections; calls in flight fail. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Waits; rejects with the signal's own reason when it aborts. */
export async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** Throws CONFIG_INVALID for what no header can carry. */
function authorizationOf(token: string): string | undefined {
  if (token === "") return undefined;
  if (/^[!-~]+$/.test(token)) return `Bearer ${token}`;
  throw new LachesisError(
    "CONFIG_INVALID",
    "rollout server token: expected visible ASCII characters without spaces",
    { hint: "Copy the token as `run-api` was given it." },
  );
}

type EncodedBody = { bytes: Buffer; headers: Record<string, string> };

async function encodeBody(json: unknown, gzipped: boolean): Promise<EncodedBody | undefined> {
  if (json === undefined) return undefined;
  const bytes = Buffer.from(JSON.stringify(json));
  const headers = { "content-type": "application/json" };
  if (gzipped && bytes.length >= GZIP_FROM_BYTES) {
    const compressed = await compress(bytes, { level: 4 });
    if (compressed.length < bytes.length) {
      return { bytes: compressed, headers: { ...headers, "content-encoding": "gzip" } };
    }
  }
  return { bytes, headers };
}

function parseReply<Reply>(text: string, schema: z.ZodType<Reply>, where: string): Reply {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new LachesisError("ROLLOUT_API_BAD_REPLY", `${where}: expected JSON, got ${quote(text)}`, {
      cause,
    });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = issue?.path.join(".") || "the answer";
  throw new LachesisError(
    "ROLLOUT_API_BAD_REPLY",
    `${where}: ${path}: ${issue?.message ?? "unexpected"}; got ${quote(text)}`,
    { cause: parsed.error },
  );
}

function rejection(attempt: Attempt, where: string): LachesisError {
  return new LachesisError("ROLLOUT_API_REJECTED", describe(attempt, where), {
    hint: hintFor(attempt.status),
  });
}

function hintFor(status: number): string {
  switch (status) {
    case 401:
    case 403:
      return "Give a token of the right role: env.rollout_server_token, or LACHESIS_ROLLOUT_TOKEN.";
    case 404:
      return "Is this the URL of a rollout API (run-api)?";
    case 413:
      return "Send smaller groups, or raise run-api's --max-body and --max-inflated.";
    default:
      return "Correct what the server's message names.";
  }
}

function unreachable(problem: string, cause: unknown): LachesisError {
  return new LachesisError("ROLLOUT_API_UNREACHABLE", problem, {
    hint: "Start `run-api`, or correct the rollout server's URL.",
    cause,
    retryable: true,
  });
}

/** "POST http://...: 422 body.tokens: Field required" — the server's detail, its inputs left out. */
function describe({ status, text }: Attempt, where: string): string {
  return `${where}: ${status} ${detailOf(text)}`;
}

function detailOf(text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return quote(text);
  }
  const detail: unknown =
    typeof value === "object" && value !== null ? Reflect.get(value, "detail") : undefined;
  if (typeof detail === "string") return detail;
  if (!Array.isArray(detail)) return quote(text);
  const problems = detail.slice(0, 3).map((problem: unknown) => {
    if (typeof problem !== "object" || problem === null) return quote(String(problem));
    const location: unknown = Reflect.get(problem, "loc");
    return `${Array.isArray(location) ? location.join(".") : "body"}: ${String(Reflect.get(problem, "msg"))}`;
  });
  const more = detail.length > 3 ? ` (and ${detail.length - 3} more)` : "";
  return problems.join("; ") + more;
}

function quote(text: string): string {
  return text.length > 200 ? `"${text.slice(0, 200)}…"` : `"${text}"`;
}

function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0]);
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
