/** Cross-origin rules of the original: every origin, method and header, with credentials. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { type Answer, textAnswer } from "./answer.ts";

const METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";

/** Sets the headers that a plain request with an Origin is due; answers a preflight. */
export function applyCors(request: FastifyRequest, reply: FastifyReply): Answer | undefined {
  const { origin, cookie } = request.headers;
  if (origin === undefined) return undefined;
  const isPreflight = request.method === "OPTIONS" && "access-control-request-method" in request.headers;
  // Browsers refuse "*" for requests with credentials: those get their own origin back.
  const echoed = isPreflight || cookie !== undefined;
  reply.header("access-control-allow-origin", echoed ? origin : "*");
  reply.header("access-control-allow-credentials", "true");
  if (echoed) reply.header("vary", "Origin");
  if (!isPreflight) return undefined;

  reply.header("access-control-allow-methods", METHODS);
  reply.header("access-control-max-age", "600");
  const requested = request.headers["access-control-request-headers"];
  if (requested !== undefined) reply.header("access-control-allow-headers", requested);
  return textAnswer("OK");
}
