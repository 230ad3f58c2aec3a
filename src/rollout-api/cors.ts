/**
 * Cross-origin headers. The original allows every origin, method and header, with credentials; we only what
 * is configured, and nothing by default.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { type Answer, textAnswer } from "./answer.ts";
import { allowsOrigin, type OriginRules } from "./origin-guard.ts";

const ORIGINAL_METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";
const METHODS = "GET, POST";

/** Sets the headers that a request with an Origin is due; answers a preflight. */
export function applyCors(
  { compat, corsOrigins }: OriginRules,
  request: FastifyRequest,
  reply: FastifyReply,
): Answer | undefined {
  const { origin, cookie } = request.headers;
  if (origin === undefined || (!compat && !allowsOrigin(corsOrigins, origin))) return undefined;
  const isPreflight = request.method === "OPTIONS" && "access-control-request-method" in request.headers;
  if (compat) {
    // Browsers refuse "*" for requests with credentials: those get their own origin back.
    const echoed = isPreflight || cookie !== undefined;
    reply.header("access-control-allow-origin", echoed ? origin : "*");
    reply.header("access-control-allow-credentials", "true");
    if (echoed) reply.header("vary", "Origin");
  } else {
    reply.header("access-control-allow-origin", origin);
    reply.header("vary", "Origin");
  }
  if (!isPreflight) return undefined;

  reply.header("access-control-allow-methods", compat ? ORIGINAL_METHODS : METHODS);
  reply.header("access-control-max-age", "600");
  const requested = request.headers["access-control-request-headers"];
  if (requested !== undefined) reply.header("access-control-allow-headers", requested);
  return textAnswer("OK");
}
