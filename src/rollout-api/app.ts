/**
 * The rollout API as a Fastify application: the wire of the Atropos server, over any GroupStore. The caller
 * binds it (`listen`), closes it, and owns the store.
 *
 * Layers, from the outside: inflate the request, compress the answer, CORS, routes. Bodies stay bytes all the
 * way: Fastify neither parses nor encodes JSON here.
 */
import Fastify, { type FastifyInstance, type FastifyReply } from "fastify";
import type { Logger } from "pino";
import { type Answer, detailAnswer, textAnswer } from "./answer.ts";
import { deflateReply, inflateBody } from "./compression.ts";
import { applyCors } from "./cors.ts";
import type { GroupStore } from "./group-store.ts";
import { createRoutes, type Route } from "./routes.ts";

export type RolloutApiOptions = {
  store: GroupStore;
  /** Gets one debug line per request and the errors. */
  logger?: Logger;
  /** Largest request body on the wire, bytes. Default 1 GiB. */
  maxBodyBytes?: number;
  /** Largest request body after inflating, bytes. Default 1 GiB. */
  maxInflatedBytes?: number;
};

const GIBIBYTE = 1024 ** 3;

export function createRolloutApi({
  store,
  logger,
  maxBodyBytes = GIBIBYTE,
  maxInflatedBytes = GIBIBYTE,
}: RolloutApiOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: maxBodyBytes,
    exposeHeadRoutes: false,
    forceCloseConnections: "idle",
  });
  const routes = createRoutes({ store });

  // Environments send GET /status-env with a JSON body.
  app.addHttpMethod("GET", { hasBody: true, overrideExisting: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, async (_request: unknown, body: Buffer) => body);

  app.addHook("onRequest", async (request, reply) => {
    const answer = applyCors(request, reply);
    if (answer !== undefined) return send(reply, answer);
  });
  app.addHook("preHandler", async (request, reply) => {
    const answer = await inflateBody(request, maxInflatedBytes);
    if (answer !== undefined) return send(reply, answer);
  });
  app.addHook("onSend", async (request, reply, payload) =>
    Buffer.isBuffer(payload) ? deflateReply(request, reply, payload) : payload,
  );
  app.addHook("onResponse", async (request, reply) => {
    const { method, url } = request;
    logger?.debug({ event: "request", method, url, status: reply.statusCode, ms: reply.elapsedTime });
  });

  for (const { method, path, handle } of routes) {
    app.route({ method, url: path, handler: async (request, reply) => send(reply, await handle(request)) });
  }
  app.setNotFoundHandler(async (request, reply) =>
    send(reply, answerUnrouted(routes, request.url, request.headers.host)),
  );
  app.setErrorHandler(async (error: unknown, request, reply) => {
    const status = statusOf(error);
    if (status < 500)
      return send(reply, detailAnswer(status, error instanceof Error ? error.message : "Bad Request"));
    logger?.error({ event: "request-failed", method: request.method, url: request.url, err: error });
    return send(reply, textAnswer("Internal Server Error", 500));
  });
  return app;
}

function send(reply: FastifyReply, { status, contentType, body, headers = {} }: Answer): FastifyReply {
  reply.code(status).headers(headers);
  if (contentType === undefined) return reply.send();
  return reply.header("content-type", contentType).send(body);
}

/** Not a route: the right path with the wrong verb, a trailing slash too many, or nothing known. */
function answerUnrouted(routes: readonly Route[], url: string, host: string | undefined): Answer {
  const [path = "", query] = url.split(/\?(.*)/s);
  const route = routes.find((candidate) => candidate.path === path);
  if (route !== undefined) return detailAnswer(405, "Method Not Allowed", { allow: route.method });

  const bare = path.replace(/\/+$/, "");
  if (bare !== path && routes.some((candidate) => candidate.path === bare)) {
    const origin = host === undefined ? "" : `http://${host}`;
    const location = `${origin}${bare}${query === undefined ? "" : `?${query}`}`;
    return { status: 307, contentType: undefined, body: Buffer.alloc(0), headers: { location } };
  }
  return detailAnswer(404, "Not Found");
}

function statusOf(error: unknown): number {
  const status: unknown = error instanceof Error ? Reflect.get(error, "statusCode") : undefined;
  return typeof status === "number" && status >= 400 ? status : 500;
}
