/** The routes that describe the API: /openapi.json for machines, /docs for people. */
import type { FastifyInstance } from "fastify";
import type { Endpoint } from "../endpoint.ts";
import { PAGE_HEADERS } from "../ui/inline-page.ts";
import { docsPage } from "./docs-page.ts";
import { describeApi } from "./open-api.ts";

/** Adds the routes; they are the same for everybody and tell nothing about any run. */
export function docsPlugin(options: {
  /** Of the package. */
  version: string;
}): (app: FastifyInstance, endpoints: readonly Endpoint[]) => void {
  return (app, endpoints) => {
    const api = describeApi(endpoints, options);
    const json = Buffer.from(JSON.stringify(api));
    const page = docsPage(api);
    app.get("/openapi.json", { config: { audience: "anyone" } }, async (_request, reply) =>
      reply.type("application/json").send(json),
    );
    app.get("/docs", { config: { audience: "anyone" } }, async (_request, reply) =>
      reply
        .headers({ ...PAGE_HEADERS, "content-security-policy": page.contentSecurityPolicy })
        .send(Buffer.from(page.html)),
    );
  };
}
