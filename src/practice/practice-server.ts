/**
 * An inference server without a model, played by a Teacher: OpenAI's chat API and, with a tokenizer, the APIs by
 * which trainers get exact ids. For writing and trying environments where no model runs. Every answer follows
 * from the seed and the order of the requests.
 */
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from "fastify";
import { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import { JsonlFile } from "../data/jsonl-file.ts";
import type { ChatTemplate } from "../tokens/chat-template.ts";
import type { Tokenizer } from "../tokens/tokenizer.ts";
import { answerChat, answerChatWithTokens } from "./chat-answer.ts";
import { chatRequest, openAiError } from "./chat-wire.ts";
import { chatMlFormat } from "./chatml-format.ts";
import type { ConversationFormat } from "./conversation-format.ts";
import { Exchanges } from "./exchange.ts";
import { FaultPlan } from "./fault-plan.ts";
import { addInfoRoutes, addModelRoutes } from "./info-routes.ts";
import type { PracticeConfig } from "./practice-config.ts";
import { PracticePlayer } from "./practice-player.ts";
import { FateDraw } from "./rollout-fate.ts";
import type { Teacher } from "./teacher.ts";
import type { TokenLogEntry } from "./token-log.ts";
import { TokenPlayer } from "./token-player.ts";
import { addTokenRoutes } from "./token-routes.ts";
import { TokenSampler } from "./token-sampler.ts";
import { WeightVersion } from "./weight-version.ts";
import { type WireName, wireNames } from "./wire/token-wire.ts";

const bodyLimitBytes = 64 * 1024 * 1024;

/** What the server needs to speak in ids. A LoadedTokenizer is one. */
export type PracticeModel = {
  /** Of a family that writes conversations as `format` does. */
  tokenizer: Tokenizer;
  /** For chat requests that ask for ids. */
  chatTemplate?: ChatTemplate | null;
  /** Default: ChatML with Hermes' tool calls. */
  format?: ConversationFormat;
};

export type PracticeServerOptions = {
  teacher: Teacher;
  config: PracticeConfig;
  /** Without one there is the chat API alone, and faults of ids and log-probabilities don't happen. */
  model?: PracticeModel;
  /** Which APIs of ids there are; default all. Clients find out what a server has by asking. */
  shapes?: readonly WireName[];
  /** Gets one line for each request and its answer. Not closed by the server. */
  log?: JsonlFile;
  /** Is told of each sampled sequence before it is sent. */
  onTokens?: (entry: TokenLogEntry) => void | Promise<void>;
  now?: () => number;
};

/** The app, not listening yet. Closing it breaks off answers that are being waited for. */
export function createPracticeServer(options: PracticeServerOptions): FastifyInstance {
  const { teacher, config, model, shapes = wireNames, log, onTokens, now = Date.now } = options;
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
  const nextId = () => {
    answered += 1;
    return `practice-${answered}`;
  };
  const modelName = config.model_name;
  const createdSeconds = Math.floor(now() / 1000);
  const faults = new FaultPlan({ config, now });
  const exchanges = new Exchanges({ faults, log, onTokens, closing: closing.signal, now });
  const fates = new FateDraw({ seed: config.seed, errorRate: config.error_rate });
  const player = new PracticePlayer({ teacher, fates });
  const tokenPlayer = model && createTokenPlayer(model, player, config);
  const chatTemplate = model?.chatTemplate ?? null;

  addInfoRoutes(app, { modelName, createdSeconds, maxModelLength: config.max_model_len });
  app.post("/v1/chat/completions", ({ body }, reply) => {
    const id = `chatcmpl-${nextId()}`;
    const time = new Date(now()).toISOString();
    return exchanges.run({
      id,
      body,
      reply,
      error: chatError,
      answer: (fault) => {
        const request = chatRequest.parse(body);
        const asked = { id, createdSeconds, time, fault };
        return tokenPlayer
          ? answerChatWithTokens(request, { player: tokenPlayer, chatTemplate }, asked)
          : answerChat(request, player, asked);
      },
    });
  });
  if (tokenPlayer) {
    addModelRoutes(app, { player: tokenPlayer, modelName, chatTemplate });
    addTokenRoutes(app, { player: tokenPlayer, exchanges, shapes, modelName, createdSeconds, nextId, now });
  }
  return app;
}

function createTokenPlayer(
  model: PracticeModel,
  player: PracticePlayer,
  config: PracticeConfig,
): TokenPlayer {
  const { tokenizer, format = chatMlFormat() } = model;
  const sampler = new TokenSampler({
    tokenizer,
    endOfTurn: format.endOfTurn,
    seed: config.seed,
    driftRate: config.drift_rate,
    contextLength: config.max_model_len,
  });
  return new TokenPlayer({
    player,
    sampler,
    format,
    weightVersion: new WeightVersion({ every: config.weight_version_every }),
    seed: config.seed,
    thinkingRate: config.thinking_rate,
  });
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
  tokenLogPath,
  ...options
}: Omit<PracticeServerOptions, "log"> & {
  host?: string;
  port?: number;
  logPath?: string;
  /** Gets one line for each sampled sequence (TokenLogEntry). */
  tokenLogPath?: string;
}): Promise<RunningPracticeServer> {
  await using files = new AsyncDisposableStack();
  const open = async (path: string | undefined) =>
    path === undefined ? undefined : files.use(await JsonlFile.overwrite(path));
  const log = await open(logPath);
  const tokenLog = await open(tokenLogPath);
  const { onTokens } = options;
  const app = createPracticeServer({
    ...options,
    ...(log && { log }),
    onTokens: async (entry) => {
      await onTokens?.(entry);
      await tokenLog?.append(entry);
    },
  });
  const opened = files.move();
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= app.close().then(() => opened.disposeAsync());
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

function chatError(status: number, message: string) {
  if (status === 429) return openAiError("rate_limit_error", message, "rate_limit_exceeded");
  return openAiError(status < 500 ? "invalid_request_error" : "server_error", message);
}

function answerError(error: FastifyError, _request: unknown, reply: FastifyReply): FastifyReply {
  const status = error.statusCode ?? (error instanceof z.ZodError ? 400 : 500);
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
