/** Recorded conversations with the original server: what was sent, and what it answered. */
import http from "node:http";
import { gunzipSync, gzipSync } from "node:zlib";
import { z } from "zod";
import { readGzipFixture } from "./gzip-fixture.ts";

const step = z.object({
  method: z.string(),
  path: z.string(),
  headers: z.record(z.string(), z.string()).default({}),
  json: z.unknown().optional(),
  raw: z.string().optional(),
  base64: z.string().optional(),
  gzip: z.boolean().default(false),
  chunked: z.boolean().default(false),
  expect: z.object({
    status: z.int(),
    headers: z.record(z.string(), z.string()),
    body: z.string(),
  }),
});
const scenario = z.object({ name: z.string(), fresh: z.boolean(), steps: z.array(step) });

export type RecordedStep = z.output<typeof step>;
export type RecordedScenario = z.output<typeof scenario>;
export type SeenAnswer = { status: number; headers: Record<string, string>; body: string };

export async function readRecordedScenarios(path: string): Promise<RecordedScenario[]> {
  return z.array(scenario).parse(await readGzipFixture(path));
}

/** The headers that were recorded; `location` has HOST for the server's address. */
const RECORDED_HEADERS = [
  "content-type",
  "content-encoding",
  "vary",
  "allow",
  "location",
  "access-control-allow-origin",
  "access-control-allow-credentials",
  "access-control-allow-methods",
  "access-control-allow-headers",
  "access-control-max-age",
];

/** Sends a step over its own connection and sees the answer as the recorder did. */
export function sendStep(port: number, { method, path, ...step }: RecordedStep): Promise<SeenAnswer> {
  const headers: Record<string, string | number> = { ...step.headers };
  let body = bodyOf(step);
  if (step.json !== undefined) headers["content-type"] ??= "application/json";
  if (step.gzip) {
    body = gzipSync(body ?? "");
    headers["content-encoding"] = "gzip";
  }
  if (body !== undefined && !step.chunked) headers["content-length"] = body.length;
  return new Promise((resolve, reject) => {
    const request = http.request({ host: "127.0.0.1", port, method, path, headers, agent: false });
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve(see(response, Buffer.concat(chunks), port)));
    });
    if (body !== undefined) request.write(body);
    request.end();
  });
}

function bodyOf({ json, raw, base64 }: Pick<RecordedStep, "json" | "raw" | "base64">): Buffer | undefined {
  if (base64 !== undefined) return Buffer.from(base64, "base64");
  if (raw !== undefined) return Buffer.from(raw);
  return json === undefined ? undefined : Buffer.from(typeof json === "string" ? json : JSON.stringify(json));
}

function see(response: http.IncomingMessage, body: Buffer, port: number): SeenAnswer {
  const headers: Record<string, string> = {};
  for (const name of RECORDED_HEADERS) {
    const value = response.headers[name];
    if (value !== undefined) headers[name] = String(value).replace(`127.0.0.1:${port}`, "HOST");
  }
  const inflated = response.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
  const text = inflated.toString("utf8").replace(/"uuid":\d+/g, '"uuid":0');
  return { status: response.statusCode ?? 0, headers, body: text };
}
