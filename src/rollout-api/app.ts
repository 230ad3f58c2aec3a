/**
 * The rollout API as a Fastify application: the wire of the Atropos server, over any GroupStores. The caller
 * binds it (`listen`), closes it, and owns the stores.
 *
 * A request passes, in this order: cross-origin rules, unknown paths, tokens; then its body is read and
 * inflated, its endpoint answers, and the answer is compressed. Bodies stay bytes all the way: Fastify neither
 * parses nor encodes JSON here.
 */
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { LachesisError } from "../contracts/errors.ts";
import { AccessControl, type Audience } from "./access.ts";
import { type Answer, detailAnswer, type PartedAnswer, textAnswer } from "./answer.ts";
import { batchEndpoints } from "./batch-endpoints.ts";
import { compressReply, type GzipPolicy } from "./compression.ts";
import { applyCors } from "./cors.ts";
import { DeliveryWatch } from "./delivery.ts";
import type { Endpoint } from "./endpoint.ts";
import { environmentEndpoints } from "./environment-endpoints.ts";
import type { GroupStores } from "./group-store.ts";
import { IntakePool } from "./intake/intake-pool.ts";
import { checkOrigin, type Effect, type OriginRules } from "./origin-guard.ts";
import { BodyReceiver, type Refused, readAway, type Upload } from "./receive-body.ts";
import { DEFAULT_RUN, Runs } from "./runs.ts";
import { sendAnswer } from "./send-answer.ts";
import { submissionEndpoints } from "./submission-endpoints.ts";
import { trainerEndpoints } from "./trainer-endpoints.ts";
import { TrainerNotices } from "./trainer-notices.ts";
import { answerUnrouted } from "./unrouted.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Whom the route is for. Default: whoever has a token. */
    audience?: Audience;
    /** What the route does to a run. Default: it only looks. */
    effect?: Effect;
  }
}

export type RolloutApiOptions = {
  stores: GroupStores;
  /** The original's wire, with nothing that is stricter or new. The stores should behave so too. Default false. */
  compat?: boolean;
  /** Default: everybody may do everything. */
  access?: AccessControl;
  /** Origins whose pages may use the API; "*" = all. Default none. `compat` has the original's: all. */
  corsOrigins?: readonly string[];
  /** Names that Host may have beside loopback ones; undefined (the default) = any. */
  hosts?: readonly string[] | undefined;
  /** Default "remote"; with `compat` "always". */
  gzip?: GzipPolicy;
  /** Largest request body on the wire, bytes. Default 256 MiB. */
  maxBodyBytes?: number;
  /** Largest request body after inflating, bytes. Default 1 GiB. */
  maxInflatedBytes?: number;
  /** Start the threads that read large submissions at once, not with the first of those. Default false. */
  expectsLoad?: boolean;
  /** Gets one debug line per request and the errors. */
  logger?: Logger;
  /** Add routes and hooks of their own; a route's `config` says whom it is for (see FastifyContextConfig). */
  plugins?: readonly ((app: FastifyInstance, endpoints: readonly Endpoint[]) => void)[];
};

const MEBIBYTE = 1024 ** 2;
/** Time that a whole request may take to arrive: who sends byte by byte holds no connection for ever. */
const REQUEST_TIMEOUT_MS = 600_000;

export function createRolloutApi({
  stores,
  compat = false,
  access = new AccessControl(),
  corsOrigins = [],
  hosts,
  gzip = compat ? "always" : "remote",
  maxBodyBytes = 256 * MEBIBYTE,
  maxInflatedBytes = 1024 * MEBIBYTE,
  expectsLoad = false,
  logger,
  plugins = [],
}: RolloutApiOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    exposeHeadRoutes: false,
    forceCloseConnections: "idle",
    requestTimeout: REQUEST_TIMEOUT_MS,
  });
  const send: Send = (reply, answer) => sendAnswer(reply, answer, gzip);
  const origins: OriginRules = { corsOrigins, hosts, compat };
  const notices = new TrainerNotices(logger);
  const intake = new IntakePool({ strict: !compat, maxInflatedBytes, startsAtOnce: expectsLoad });
  app.addHook("onClose", () => intake[Symbol.asyncDispose]());
  const endpoints = [
    ...trainerEndpoints({ compat }, notices),
    ...batchEndpoints({ compat }),
    ...environmentEndpoints({ compat }),
    ...submissionEndpoints({ compat }, { notices, intake }),
  ];

  // Environments send GET /status-env with a JSON body. Bodies are left to the endpoints that take one.
  app.addHttpMethod("GET", { hasBody: true, overrideExisting: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));

  app.addHook("onRequest", async (request, reply) => {
    const { audience = "reader", effect = "read" } = request.routeOptions.config;
    const { authorization } = request.headers;
    const answer =
      applyCors(origins, request, reply) ??
      checkOrigin(origins, effect, request.headers) ??
      (request.is404
        ? answerUnrouted(endpoints, request.url, request.headers.host)
        : access.check(audience, authorization));
    if (answer === undefined) return;
    readAway(request.raw);
    return send(reply, answer);
  });
  app.addHook("onSend", async (request, reply, payload) =>
    Buffer.isBuffer(payload) ? compressReply(request, reply, payload, gzip) : payload,
  );
  app.addHook("onResponse", async (request, reply) => {
    const { method, url } = request;
    logger?.debug({ event: "request", method, url, status: reply.statusCode, ms: reply.elapsedTime });
  });
  app.setErrorHandler(async (error: unknown, request, reply) => {
    const answer = answerFailure(error);
    if (answer.status >= 500) {
      logger?.error({ event: "request-failed", method: request.method, url: request.url, err: error });
    }
    return send(reply, answer);
  });

  const runs = new Runs(stores);
  const serve = serveCalls({
    app,
    send,
    runs,
    receiver: new BodyReceiver({ maxBodyBytes, maxInflatedBytes }),
    logger,
  });
  for (const endpoint of endpoints) {
    const { method, path, audience, effect } = endpoint;
    const ofRun = path === "/" ? ["/runs/:run", "/runs/:run/"] : [`/runs/:run${path}`];
    for (const url of [path, ...ofRun]) {
      app.route({ method, url, config: { audience, effect }, handler: serve(endpoint) });
    }
  }
  app.get("/runs", async (_request, reply) => send(reply, await runs.list()));
  for (const plugin of plugins) plugin(app, endpoints);
  return app;
}

type Send = (reply: FastifyReply, answer: Answer | PartedAnswer) => FastifyReply;
type Served = {
  app: FastifyInstance;
  send: Send;
  runs: Runs;
  receiver: BodyReceiver;
  logger: Logger | undefined;
};

/** Makes handlers of endpoints, and sees to what they leave to be done after their answers. */
function serveCalls({ app, send, runs, receiver, logger }: Served) {
  const deliveries = new DeliveryWatch();
  const going = new Set<Promise<void>>();
  const goOn = (work: Promise<void>) => {
    const watched = work
      .catch((error: unknown) => logger?.error({ event: "settling-failed", err: error }))
      .finally(() => going.delete(watched));
    going.add(watched);
  };
  app.addHook("onRequest", async (request) => deliveries.onRequest(request.raw));
  app.addHook("onClose", async () => {
    deliveries.settleAll();
    await Promise.all(going);
  });

  return (endpoint: Endpoint) => async (request: FastifyRequest, reply: FastifyReply) => {
    const run = runOf(request);
    const found = await runs.find(run, endpoint.onUnknownRun);
    if (!found.ok) {
      readAway(request.raw);
      return send(reply, found.answer);
    }
    const received = await receive(receiver, request, endpoint);
    if (!received.ok) return send(reply, received.answer);
    const { store } = found;
    const { bytes: body = nothing, upload = noUpload } = received;
    return send(reply, await endpoint.handle({ request, reply, run, store, body, upload, deliveries, goOn }));
  };
}

const nothing = Buffer.alloc(0);
const noUpload: Upload = { chunks: [], isZipped: false };

async function receive(
  receiver: BodyReceiver,
  request: FastifyRequest,
  { takesBody, takesUpload }: Endpoint,
): Promise<{ ok: true; bytes?: Buffer; upload?: Upload } | Refused> {
  if (!takesBody) return { ok: true };
  return takesUpload ? receiver.receiveAsSent(request) : receiver.receive(request);
}

function runOf({ params }: FastifyRequest): string {
  const run: unknown = typeof params === "object" && params !== null ? Reflect.get(params, "run") : undefined;
  return typeof run === "string" ? run : DEFAULT_RUN;
}

/** What may succeed later (a full disk), refusals of Fastify's own, and whatever else went wrong. */
function answerFailure(error: unknown): Answer {
  if (error instanceof LachesisError && error.retryable) {
    return detailAnswer(503, error.message, { "retry-after": "5" });
  }
  const status: unknown = error instanceof Error ? Reflect.get(error, "statusCode") : undefined;
  if (typeof status === "number" && status >= 400 && status < 500) {
    return detailAnswer(status, error instanceof Error ? error.message : "Bad Request");
  }
  return textAnswer("Internal Server Error", 500);
}
