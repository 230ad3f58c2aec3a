/**
 * An inference server without a model: OpenAI's chat API on loopback, played by a Teacher. For writing and
 * trying environments where no model runs. Every answer follows from the seed and the order of the requests.
 */
import { setTimeout as delay } from "node:timers/promises";
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from "fastify";
import type { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import { JsonlFile } from "../data/jsonl-file.ts";
import {
  chatRequest,
  describeProblem,
  estimateTokens,
  openAiError,
  type PracticeRequest,
} from "./chat-wire.ts";
import { type Fault, FaultPlan } from "./fault-plan.ts";
import type { PracticeConfig } from "./practice-config.ts";
import { type Played, PracticePlayer } from "./practice-player.ts";
import { FateDraw } from "./rollout-fate.ts";
import type { Teacher } from "./teacher.ts";

const bodyLimitBytes = 64 * 1024 * 1024;

export type PracticeServerOptions = {
  teacher: Teacher;
  config: PracticeConfig;
  /** Gets one line for each chat request and its answer. Not closed by the server. */
  log?: JsonlFile;
  now?: () => number;
};

type Answer = { status: number; body: unknown; contentType?: string; retryAfterSeconds?: number };

/** The app, not listening yet. Closing it breaks off answers that are being waited for. */
export function createPracticeServer(options: PracticeServerOptions): FastifyInstance {
  const { teacher, config, log, now = Date.now } = options;
  const faults = new FaultPlan({ config, now });
  const player = new PracticePlayer({
    teacher,
    fates: new FateDraw({ seed: config.seed, errorRate: config.error_rate }),
  });
  const closing = new AbortController();
  const app = Fastify({ bodyLimit: bodyLimitBytes, forceCloseConnections: true });
  app.addHook("preClose", async () => closing.abort());
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .send(openAiError("invalid_request_error", `Unknown route ${request.method} ${request.url}`)),
  );

  let answered = 0;
  const createdSeconds = Math.floor(now() / 1000);
  app.get("/health", () => ({ status: "ok" }));
  app.get("/v1/models", () => ({
    object: "list",
    data: [{ id: config.model_name, object: "model", created: createdSeconds, owned_by: "lachesis" }],
  }));
  app.post("/v1/chat/completions", async ({ body }, reply) => {
    const startedMs = now();
    answered += 1;
    const id = `chatcmpl-practice-${answered}`;
    const fault = faults.next();
    const request = chatRequest.safeParse(body);
    const played = fault === null && request.success ? player.play(request.data) : null;
    const answer = fault ? faultAnswer(faults, fault) : answerTo({ id, createdSeconds, request, played });
    if (fault !== "rate-limited") await delay(faults.latencyMs(), undefined, { signal: closing.signal });
    await log?.append({
      time: new Date(startedMs).toISOString(),
      id,
      task: played?.task ?? null,
      errs: played?.errs ?? null,
      fault,
      duration_ms: now() - startedMs,
      request: body,
      status: answer.status,
      response: answer.body,
    });
    return send(reply, answer);
  });
  return app;
}

export type RunningPracticeServer = AsyncDisposable & { readonly url: string; close(): Promise<void> };

/**
 * Starts a practice server; `url` is its base URL, ending in /v1. `port` 0 takes any free one. Rejects with
 * PORT_IN_USE, SERVER_START_FAILED, or OUTPUT_UNWRITABLE for the log file.
 */
export async function startPracticeServer({
  host = "127.0.0.1",
  port = 0,
  logPath,
  ...options
}: Omit<PracticeServerOptions, "log"> & {
  host?: string;
  port?: number;
  logPath?: string;
}): Promise<RunningPracticeServer> {
  const log = logPath === undefined ? undefined : await JsonlFile.overwrite(logPath);
  const app = createPracticeServer({ ...options, ...(log && { log }) });
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= app.close().then(() => log?.close());
    return closed;
  };
  try {
    const url = `${await app.listen({ host, port })}/v1`;
    return { url, close, [Symbol.asyncDispose]: close };
  } catch (thrown) {
    await close();
    throw listenError(thrown, host, port);
  }
}

type AnswerParts = {
  id: string;
  createdSeconds: number;
  request: z.ZodSafeParseResult<PracticeRequest>;
  played: Played | null;
};

function answerTo({ id, createdSeconds, request, played }: AnswerParts): Answer {
  if (!request.success || !played) {
    const problem = request.error ? describeProblem(request.error) : "unreadable";
    return { status: 400, body: openAiError("invalid_request_error", problem) };
  }
  const { model, messages, tools } = request.data;
  const prompt_tokens = estimateTokens({ messages, tools });
  const completion_tokens = played.choices.reduce((sum, { message }) => sum + estimateTokens(message), 0);
  const usage = { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
  const body = {
    id,
    object: "chat.completion",
    created: createdSeconds,
    model,
    choices: played.choices,
    usage,
  };
  return { status: 200, body };
}

function faultAnswer(faults: FaultPlan, fault: Fault): Answer {
  switch (fault) {
    case "rate-limited":
      return {
        status: 429,
        retryAfterSeconds: faults.retryAfterSeconds(),
        body: openAiError("rate_limit_error", "Too many requests (--rate-limit)", "rate_limit_exceeded"),
      };
    case "failed":
      return { status: 500, body: openAiError("server_error", "A failure on purpose (--fail-rate)") };
    case "malformed":
      return { status: 200, ...faults.malformedBody() };
    default:
      return fault satisfies never;
  }
}

function send(reply: FastifyReply, { status, body, contentType, retryAfterSeconds }: Answer): FastifyReply {
  if (retryAfterSeconds !== undefined) reply.header("retry-after", retryAfterSeconds);
  if (contentType !== undefined) reply.type(contentType);
  return reply.code(status).send(body);
}

function answerError(error: FastifyError, _request: unknown, reply: FastifyReply): FastifyReply {
  const status = error.statusCode ?? 500;
  const type = status < 500 ? "invalid_request_error" : "server_error";
  return reply.code(status).send(openAiError(type, error.message));
}

function listenError(thrown: unknown, host: string, port: number): LachesisError {
  const where = `http://${host}:${port}`;
  if (thrown instanceof Error && "code" in thrown && thrown.code === "EADDRINUSE") {
    return new LachesisError("PORT_IN_USE", `Port ${port} of ${host} is in use: can't listen on ${where}.`, {
      cause: thrown,
    });
  }
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return new LachesisError("SERVER_START_FAILED", `Can't listen on ${where}: ${reason}`, { cause: thrown });
}
