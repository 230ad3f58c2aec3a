/** The routes of those who watch a server: metrics, health, and the live page. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { queryOf } from "../request-body.ts";
import { DEFAULT_RUN } from "../runs.ts";
import { EventStreams } from "../ui/event-streams.ts";
import { PAGE_HEADERS, readUiPage } from "../ui/inline-page.ts";
import type { ServerWatch } from "./server-watch.ts";

/** Adds the routes; the watch runs while the application does and is disposed of with it. */
export function watchPlugin(watch: ServerWatch): (app: FastifyInstance) => void {
  return (app) => {
    const page = readUiPage();
    const streams = new EventStreams(watch);
    app.addHook("onReady", async () => watch.start());
    // Before the server waits for its connections: these never end by themselves.
    app.addHook("preClose", async () => streams[Symbol.dispose]());
    app.addHook("onClose", async () => watch[Symbol.dispose]());
    app.addHook("onResponse", async (request, reply) => {
      const { statusCode: status, elapsedTime } = reply;
      watch.requestFinished({ ...routeOf(request), status, seconds: elapsedTime / 1000 });
    });

    app.get("/healthz", { config: { audience: "anyone" } }, async (_request, reply) =>
      reply.type("application/json").send('{"status":"ok"}'),
    );
    app.get("/readyz", { config: { audience: "anyone" } }, async (_request, reply) => {
      const problem = await watch.problem();
      if (problem === undefined) return reply.type("application/json").send('{"status":"ready"}');
      return reply
        .code(503)
        .type("application/json")
        .send(JSON.stringify({ status: "not ready", problem }));
    });
    app.get("/metrics", async (_request, reply) =>
      reply
        .type(watch.contentType)
        .header("cache-control", "no-store")
        .send(await watch.metrics()),
    );
    app.get("/ui", { config: { audience: "anyone" } }, async (_request, reply) =>
      reply
        .headers({ ...PAGE_HEADERS, "content-security-policy": page.contentSecurityPolicy })
        .send(Buffer.from(page.html)),
    );
    // The page asks for its data beside its own path.
    app.get("/ui/", { config: { audience: "anyone" } }, async (_request, reply) =>
      reply.redirect("../ui", 307),
    );
    app.get("/ui/events", async (request, reply) => {
      if (streams.isFull) {
        return reply.code(503).type("application/json").send('{"detail":"Too many pages are open"}');
      }
      await watch.sample();
      reply.hijack();
      streams.open(queryOf(request).get("run") ?? DEFAULT_RUN, reply.raw);
    });
  };
}

/** Runs share their routes' series: `/runs/:run/batch`. */
function routeOf(request: FastifyRequest): { method: string; route: string } {
  if (request.is404) return { method: "any", route: "unknown" };
  return { method: request.method, route: request.routeOptions.url ?? "unknown" };
}
