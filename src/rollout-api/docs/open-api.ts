/** The API's description as an OpenAPI 3.1 document, made from the endpoints themselves. */
import type { Endpoint } from "../endpoint.ts";
import { endpointNotes } from "./endpoint-notes.ts";
import { type Schema, schemas } from "./schemas.ts";

export type Operation = {
  summary: string;
  tags: readonly string[];
  parameters?: readonly Schema[];
  requestBody?: Schema;
  responses: Readonly<Record<string, Schema>>;
  security?: readonly Schema[];
};

export type OpenApiDocument = {
  openapi: "3.1.0";
  info: { title: string; version: string; description: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: typeof schemas; securitySchemes: Schema };
};

const DESCRIPTION =
  "Environments hand in groups of scored token sequences, a trainer takes batches of them out. " +
  "Every path is also there under /runs/NAME for a run of its own; the bare paths are the run named default. " +
  "Bodies may be gzipped (Content-Encoding: gzip).";

/** What anybody can ask a server, beside its runs. */
const serverOperations: readonly [path: string, summary: string, answer: string][] = [
  [
    "/runs",
    "The server's runs.",
    "runs: name, registered, started, current_step, batch_size, queue_size, connected_envs",
  ],
  ["/metrics", "Metrics in Prometheus' text format.", "Text"],
  ["/healthz", "The process is up.", "status: ok"],
  ["/readyz", "The stores can be used.", "status: ready; 503 with the problem otherwise"],
  ["/ui", "A live page of the runs.", "HTML"],
  ["/openapi.json", "This description.", "An OpenAPI document"],
];

export function describeApi(
  endpoints: readonly Endpoint[],
  { version }: { version: string },
): OpenApiDocument {
  const paths: OpenApiDocument["paths"] = {};
  for (const endpoint of endpoints) {
    const operations = paths[endpoint.path] ?? {};
    paths[endpoint.path] = operations;
    operations[endpoint.method.toLowerCase()] = describeEndpoint(endpoint);
  }
  for (const [path, summary, answer] of serverOperations) {
    paths[path] = { get: { summary, tags: ["server"], responses: { "200": { description: answer } } } };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Lachesis rollout API", version, description: DESCRIPTION },
    paths,
    components: {
      schemas,
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "A token, where the server has tokens" },
        basic: { type: "http", scheme: "basic", description: "The same token as the password of any user" },
      },
    },
  };
}

function describeEndpoint({ method, path, audience, takesBody }: Endpoint): Operation {
  const {
    summary,
    body,
    query = {},
    answer,
  } = endpointNotes[`${method} ${path}`] ?? {
    summary: "",
    answer: "",
  };
  const refusals = {
    ...(takesBody && { "400": refusal("The body could not be read") }),
    ...(audience !== "anyone" && {
      "401": refusal("A token is missing or unknown"),
      "403": refusal("Not for this token's role, or cross-origin"),
    }),
    ...(takesBody && {
      "413": refusal("The body is too large"),
      "422": refusal("The request is not valid", "Problems"),
    }),
    ...(path.startsWith("/scored_data") && { "429": refusal("The queue is full; see Retry-After") }),
  };
  return {
    summary,
    tags: [audience],
    ...(Object.keys(query).length > 0 && {
      parameters: Object.entries(query).map(([name, description]) => ({
        name,
        in: "query",
        required: false,
        description,
        schema: { type: "number" },
      })),
    }),
    ...(body && { requestBody: { required: true, content: json(bodySchema(body)) } }),
    responses: { "200": { description: answer }, ...refusals },
    security: audience === "anyone" ? [] : [{}, { bearer: [] }, { basic: [] }],
  };
}

function bodySchema(name: string): Schema {
  return name === "ScoredGroups" ? { type: "array", items: reference("ScoredGroup") } : reference(name);
}

function refusal(description: string, schema = "Refusal"): Schema {
  return { description, content: json(reference(schema)) };
}

function json(schema: Schema): Schema {
  return { "application/json": { schema } };
}

function reference(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}
