/**
 * The proxy as a Fastify application: APIs of models for agents, and sessions and groups for who plays them. The
 * caller binds it, and owns the inference servers.
 */
import Fastify, { type FastifyInstance, type FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { ManagedServers } from "../inference/managed-servers.ts";
import { AccessControl } from "../rollout-api/access.ts";
import { chatCompletions } from "./chat-completions.ts";
import type { GroupDesk } from "./group-desk.ts";
import { addGroupRoutes } from "./group-routes.ts";
import { messages } from "./messages.ts";
import type { ModelApi } from "./model-api.ts";
import { addModelRoutes } from "./model-routes.ts";
import { ProxyAccess } from "./proxy-access.ts";
import { defaultProxyLimits, type ProxyLimits, type ProxyParts } from "./proxy-parts.ts";
import { notFound, openAiError, type ProxyRefusal, refusalOf } from "./proxy-refusal.ts";
import { responses } from "./responses.ts";
import { addSessionRoutes } from "./session-routes.ts";
import { SessionStore } from "./session-store.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The API in whose words the route's refusals are. Default: OpenAI's. */
    refusesAs?: Pick<ModelApi, "error">;
  }
}

export type ProxyOptions = {
  servers: ManagedServers;
  desk: GroupDesk;
  /** Default: everybody is the admin. */
  access?: AccessControl;
  /** Names that Host may have beside loopback ones; undefined (the default) = any. */
  hosts?: readonly string[] | undefined;
  limits?: Partial<ProxyLimits>;
  logger?: Logger;
  now?: () => number;
};

const sweepIntervalMs = 30_000;
/** Time that a whole request may take to arrive: who sends byte by byte holds no connection for ever. */
const requestTimeoutMs = 600_000;

export function createProxy(options: ProxyOptions): FastifyInstance {
  const { servers, desk, access = new AccessControl(), hosts, logger, now = Date.now } = options;
  const limits = { ...defaultProxyLimits, ...options.limits };
  const app = Fastify({
    logger: false,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    bodyLimit: limits.maxBodyBytes,
    requestTimeout: requestTimeoutMs,
  });
  const sessions = new SessionStore({
    open: (session) => servers.openSession(session),
    limits,
    maxSessions: limits.maxSessions,
    now,
  });
  const guard = new ProxyAccess({ access, sessions, hosts });
  const closing = new AbortController();
  const sweeping = setInterval(() => sessions.sweep(), sweepIntervalMs).unref();
  app.addHook("preClose", async () => {
    clearInterval(sweeping);
    sessions.close();
    closing.abort(new DOMException("The proxy is stopping.", "AbortError"));
  });
  app.addHook("onRequest", async (request) => guard.checkOrigin(request));
  const told = (refusal: ProxyRefusal, { method, url }: FastifyRequest) => {
    if (refusal.status < 500) return;
    const { status, code, cause } = refusal;
    logger?.warn({ event: "request-failed", method, url, status, code, err: cause }, refusal.message);
  };
  app.setErrorHandler(async (thrown: unknown, request, reply) => {
    const refusal = refusalOf(thrown);
    if (!reply.raw.destroyed) told(refusal, request);
    const wording = request.routeOptions.config.refusesAs?.error ?? openAiError;
    return reply.code(refusal.status).headers(refusal.headers).send(wording(refusal));
  });
  app.setNotFoundHandler(({ method, url }) => {
    throw notFound(`There is no ${method} ${url.split("?")[0]}.`);
  });

  const parts: ProxyParts = { app, servers, sessions, guard, limits, closing: closing.signal, told };
  addModelRoutes(parts, [chatCompletions, responses, messages]);
  addSessionRoutes(parts);
  addGroupRoutes(parts, desk);
  return app;
}
