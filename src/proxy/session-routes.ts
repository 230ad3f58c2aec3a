/** Sessions: made by whoever runs the agents, one for each rollout. Paths of Atropos' proxy answer as well. */
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { JsonObject } from "../contracts/chat.ts";
import { readBody } from "./model-api.ts";
import { type ProxyParts, sessionIn } from "./proxy-parts.ts";
import type { ProxySession } from "./proxy-session.ts";

/** `tool_parser` and `base_url` of Atropos' clients say nothing here: parser and servers are the model's. */
const sessionBody = z.looseObject({ track_tree: z.boolean().default(false) }).default({ track_tree: false });

export function addSessionRoutes({ app, sessions, guard, servers }: ProxyParts): void {
  const describe = (session: ProxySession): JsonObject => ({
    session_id: session.id,
    uuid: session.id,
    model_name: servers.modelName,
    created_at: new Date(session.createdMs).toISOString(),
    expires_at: Number.isFinite(session.expiresMs) ? new Date(session.expiresMs).toISOString() : null,
    turns: session.managed.statistics().turns,
    waiting: session.waiting,
    closed: session.isClosed,
  });
  const asAdmin = { onRequest: async (request: FastifyRequest) => guard.requireAdmin(request) };
  const session = (request: FastifyRequest) => guard.sessionOf(request, sessionIn(request));

  for (const path of ["/sessions", "/sessions/create"]) {
    app.post(path, asAdmin, async (request, reply) => {
      const { track_tree: trackTree } = readBody(sessionBody, request.body ?? undefined);
      const { session: made, secret } = sessions.create({ trackTree });
      const origin = `${request.protocol}://${request.host}`;
      return reply.code(201).send({
        ...describe(made),
        secret,
        base_url: `${origin}/v1`,
        anthropic_base_url: origin,
      });
    });
  }
  app.get("/sessions", asAdmin, async () => ({ sessions: sessions.list().map(describe) }));
  app.get("/sessions/:session", asAdmin, async (request) => describe(session(request)));
  for (const path of ["/sessions/:session", "/:session"]) {
    app.delete(path, asAdmin, async (request) => {
      const { id } = session(request);
      sessions.remove(sessions.get(id), "deleted");
      return { status: "deleted", uuid: id };
    });
  }
  for (const path of ["/sessions/:session/nodes", "/:session/nodes"]) {
    app.get(path, async (request) => session(request).managed.getState());
  }
  app.get("/sessions/:session/segments", async (request) => {
    const { managed } = session(request);
    return {
      segments: managed.segments().map(({ finishReason, startedBecause, answers: _answers, ...segment }) => ({
        ...segment,
        finish_reason: finishReason,
        started_because: startedBecause,
      })),
      generation_params: managed.samplingRecord(),
    };
  });
  app.get("/health", async () => ({ status: "ok", model_name: servers.modelName, sessions: sessions.size }));
}
