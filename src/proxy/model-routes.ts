/** The routes that agents use: the APIs of models, under the session's secret or under its id. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { readConversation } from "./chat-completions.ts";
import { messages, readCounted } from "./messages.ts";
import type { ModelApi } from "./model-api.ts";
import { type ProxyParts, sessionIn } from "./proxy-parts.ts";
import { notFound } from "./proxy-refusal.ts";
import type { CallHints, Waiting } from "./session-calls.ts";
import { sendStream } from "./sse.ts";

export function addModelRoutes(parts: ProxyParts, apis: readonly ModelApi[]): void {
  const { app, guard, servers, closing } = parts;
  const signal = closing;
  const model = {
    id: servers.modelName,
    object: "model",
    created: Math.floor(Date.now() / 1000),
    owned_by: "lachesis",
  };
  const sessionOf = (request: FastifyRequest) => guard.sessionOf(request, sessionIn(request));
  // Before the body is read: who has no key sends it in vain.
  const ofSession = (refusesAs?: ModelApi) => ({
    ...(refusesAs && { config: { refusesAs } }),
    onRequest: async (request: FastifyRequest) => void sessionOf(request),
  });
  for (const prefix of ["/v1", "/:session/v1"]) {
    for (const api of apis) {
      app.post(`${prefix}${api.path}`, ofSession(api), (request, reply) =>
        answer(api, request, reply, parts),
      );
    }
    app.post(`${prefix}/chat/completions/render`, ofSession(), async (request) => {
      const conversation = readConversation(request.body, { session: sessionOf(request) });
      const { text, ids } = await servers.render(conversation, { signal });
      return { prompt_text: text, token_ids: ids, num_tokens: ids.length };
    });
    app.post(`${prefix}/messages/count_tokens`, ofSession(messages), async (request) => {
      const conversation = readCounted(request.body, { session: sessionOf(request) });
      const { ids } = await servers.render(conversation, { signal });
      return { input_tokens: ids.length };
    });
    const onRequest = async (request: FastifyRequest) => {
      if (sessionIn(request) === undefined) guard.requireAnyone(request);
      else sessionOf(request);
    };
    app.get(`${prefix}/models`, { onRequest }, async () => ({ object: "list", data: [model] }));
    app.get(`${prefix}/models/*`, { onRequest }, async ({ params }) => {
      if (Object.values(params ?? {}).includes(model.id)) return model;
      throw notFound(`The only model here is ${model.id}.`, "model_not_found");
    });
  }
}

async function answer(
  api: ModelApi,
  request: FastifyRequest,
  reply: FastifyReply,
  { guard, limits, servers, told }: ProxyParts,
): Promise<unknown> {
  const session = guard.sessionOf(request, sessionIn(request));
  const { maxTokens, keepAliveMs } = limits;
  const read = api.read(request.body, { session, modelName: servers.modelName, maxTokens });
  if (read.ignored.length > 0) reply.header("x-lachesis-ignored", read.ignored.join(", "));
  const waiting = session.ask(read.chat, hintsOf(request));
  leaveWithClient(waiting, reply);
  if (!read.streams) return read.whole(await waiting.answered);
  await sendStream({
    reply,
    answered: waiting.answered,
    pieces: read.pieces,
    errorEvent: api.errorEvent,
    onFailure: (refusal) => told(refusal, request),
    keepAliveMs,
  });
  return reply;
}

function leaveWithClient({ leave }: Waiting, { raw }: FastifyReply): void {
  const onClose = () => leave(raw.writableFinished);
  if (raw.destroyed) onClose();
  else raw.once("close", onClose);
}

function hintsOf({ headers }: FastifyRequest): CallHints {
  const key = headers["idempotency-key"];
  const retries = headers["x-stainless-retry-count"];
  const count = typeof retries === "string" && /^\d{1,6}$/.test(retries) ? Number(retries) : null;
  return { idempotencyKey: typeof key === "string" && key !== "" ? key : null, retryCount: count };
}
