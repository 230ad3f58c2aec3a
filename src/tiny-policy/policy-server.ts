/**
 * The tiny policy as an inference server: vLLM's APIs of ids, OpenAI's chat, and weights that change between
 * requests. What clients of vLLM know how to do works here, and nothing is faked: ids are sampled from the model
 * and log-probabilities are those that a trainer computes.
 */
import type { IncomingHttpHeaders } from "node:http";
import Fastify, { type FastifyInstance, type FastifyReply } from "fastify";
import { LachesisError } from "../contracts/errors.ts";
import { chatMlFormat } from "../practice/chatml-format.ts";
import { type SampledSequence, type SamplingRequest, shownText } from "../practice/token-sampler.ts";
import type { TokenWire } from "../practice/wire/token-wire.ts";
import { vllmCompletions } from "../practice/wire/vllm-completions.ts";
import { vllmGenerate } from "../practice/wire/vllm-generate.ts";
import type { LoadedTokenizer } from "../tokens/load-tokenizer.ts";
import { chatBody, chatPromptIds, chatSampling, policyChatRequest } from "./policy-chat.ts";
import type { PolicyEngine } from "./policy-engine.ts";
import { answerError, refuseStrangers, refuseUnsupported } from "./policy-refusals.ts";
import { addWeightRoutes } from "./policy-weight-routes.ts";

const bodyLimitBytes = 16 * 1024 * 1024;

export type PolicyServerOptions = {
  /** Not closed by the server. */
  engine: PolicyEngine;
  /** The engine's own. */
  model: Pick<LoadedTokenizer, "tokenizer" | "chatTemplate">;
  /** That /v1/models lists. Default "tiny-policy". */
  modelName?: string;
  /** Asked of whoever changes weights or pauses; undefined = nobody is asked. */
  adminToken?: string | undefined;
  now?: () => number;
};

/** The app, not listening yet. Closing it breaks off what is being sampled. */
export function createPolicyServer(options: PolicyServerOptions): FastifyInstance {
  const { engine, model, modelName = "tiny-policy", adminToken, now = Date.now } = options;
  const { tokenizer } = model;
  const createdSeconds = Math.floor(now() / 1000);
  const format = chatMlFormat();
  const closing = new AbortController();
  const app = Fastify({ bodyLimit: bodyLimitBytes, forceCloseConnections: true });
  app.addHook("preClose", async () => closing.abort());
  app.addHook("onRequest", refuseStrangers);
  app.setErrorHandler(answerError);
  app.setNotFoundHandler(({ method, url }) => {
    throw Object.assign(new Error(`Unknown route ${method} ${url}`), { statusCode: 404 });
  });

  let answered = 0;
  const nextId = () => {
    answered += 1;
    return String(answered);
  };

  async function sample(
    prompts: readonly (readonly number[])[],
    sampling: SamplingRequest,
    { sessionId, signal }: { sessionId: string; signal: AbortSignal },
  ): Promise<{ ids: readonly number[]; sequences: SampledSequence[] }[]> {
    const { filters = noFilters, ...settings } = sampling;
    return Promise.all(
      prompts.map(async (ids) => {
        const request = { ...settings, ...filters, inputIds: ids, sessionId };
        const sampled = await engine.sample(request, { signal });
        const sequences = sampled.map((tokens): SampledSequence => {
          const { likeliest, logprobs } = tokens;
          const scored = tokens.ids.map((id, place) => ({
            id,
            logprob: logprobs[place] ?? 0,
            rivals: (likeliest[place] ?? []).filter((one) => one.id !== id),
          }));
          return { ...tokens, scored, text: shownText(tokenizer, tokens, sampling), drifted: false };
        });
        return { ids, sequences };
      }),
    );
  }

  for (const wire of [vllmGenerate, vllmCompletions]) {
    for (const path of wire.paths) {
      app.post(path, ({ body, headers }, reply) => answerIds(wire, { body, headers, reply }));
    }
  }

  async function answerIds(
    wire: TokenWire,
    { body, headers, reply }: { body: unknown; headers: IncomingHttpHeaders; reply: FastifyReply },
  ) {
    refuseUnsupported(body);
    const startedMs = now();
    const id = nextId();
    const request = wire.read(body, tokenizer);
    const sessionId = request.sessionId ?? sessionIn(headers) ?? id;
    const signal = AbortSignal.any([closing.signal, goneSignal(reply)]);
    const prompts = await sample(request.prompts, request.sampling, { sessionId, signal });
    return request.write({
      id,
      createdSeconds,
      model: modelName,
      eosId: tokenizer.eosId ?? -1,
      tokenizer,
      weightVersion: String(engine.version),
      prompts,
      durationMs: now() - startedMs,
    });
  }

  app.post("/v1/chat/completions", async ({ body, headers }, reply) => {
    refuseUnsupported(body);
    const id = nextId();
    const request = policyChatRequest.parse(body);
    const promptIds = chatPromptIds(request, model);
    const sessionId = sessionIn(headers) ?? id;
    const signal = AbortSignal.any([closing.signal, goneSignal(reply)]);
    const [answer] = await sample([promptIds], chatSampling(request), { sessionId, signal });
    const sequences = answer?.sequences ?? [];
    return chatBody(
      request,
      { id, createdSeconds, model: modelName, promptIds, sequences },
      { model, format },
    );
  });

  app.get("/v1/models", () => ({
    object: "list",
    data: [
      {
        id: modelName,
        object: "model",
        created: createdSeconds,
        owned_by: "lachesis",
        max_model_len: engine.config.context_length,
      },
    ],
  }));
  for (const path of ["/health", "/ping"]) {
    app.get(path, () => {
      if (engine.failure !== null) throw engine.failure;
      return { status: "ok" };
    });
  }
  addWeightRoutes(app, { engine, adminToken });
  return app;
}

const noFilters = { topP: 1, topK: 0, minP: 0, repetitionPenalty: 1 };

/** vLLM's header, then the one of SGLang's router. */
function sessionIn(headers: IncomingHttpHeaders): string | null {
  const named = headers["x-session-id"] ?? headers["x-smg-routing-key"];
  return typeof named === "string" ? named : null;
}

/** Aborts when the client hangs up before it was answered. */
function goneSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  raw.once("close", () => {
    if (!raw.writableFinished) gone.abort();
  });
  return gone.signal;
}

export type RunningPolicyServer = AsyncDisposable & {
  /** Base URL, ending in /v1. */
  readonly url: string;
  close(): Promise<void>;
};

/** Starts a policy server; `port` 0 takes any free one. Rejects with PORT_IN_USE or SERVER_START_FAILED. */
export async function startPolicyServer({
  host = "127.0.0.1",
  port = 0,
  ...options
}: PolicyServerOptions & { host?: string; port?: number }): Promise<RunningPolicyServer> {
  const app = createPolicyServer(options);
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= app.close();
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
