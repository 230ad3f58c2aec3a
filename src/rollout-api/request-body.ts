/**
 * From a request's bytes to a value, by the original's rules: JSON types are `application/json` and
 * `…+json` (and none at all), anything else is a text that then fails validation; broken JSON is a 422 that
 * says where.
 */
import { isUtf8 } from "node:buffer";
import type { FastifyRequest } from "fastify";
import { type Answer, detailAnswer, problemsAnswer } from "./answer.ts";
import type { JsonNode } from "./json/json-node.ts";
import { parseJson } from "./json/parse-json.ts";
import type { ReadModel } from "./request-models.ts";
import type { Problem, Problems } from "./validation.ts";

export type BodyReading<Model> = { ok: true; model: Model } | { ok: false; answer: Answer };

const missingBody: Problem = { type: "missing", loc: ["body"], msg: "Field required", input: "null" };
const BYTE_ORDER_MARK = "\uFEFF";

/** The query's parameters. */
export function queryOf(request: FastifyRequest): URLSearchParams {
  return new URL(request.url, "http://localhost").searchParams;
}

export function isJson(request: FastifyRequest): boolean {
  const [type = ""] = (request.headers["content-type"] ?? "application/json").split(";");
  return /^application\/(?:json|.*\+json)$/i.test(type.trim());
}

/** Reads the (inflated) body as a model. */
export function readBody<Model>(
  request: FastifyRequest,
  bytes: Buffer,
  read: ReadModel<Model>,
): BodyReading<Model> {
  return readBytes(bytes, isJson(request), read);
}

/**
 * The same of a body's bytes alone. `scan`, a quicker reader of the raw bytes, is asked first where it may be;
 * what it leaves undecided is parsed in full.
 */
export function readBytes<Model>(
  bytes: Buffer,
  json: boolean,
  read: ReadModel<Model>,
  scan?: (bytes: Buffer) => Model | undefined,
): BodyReading<Model> {
  if (bytes.length === 0) return { ok: false, answer: problemsAnswer([missingBody]) };
  if (json && !isUtf8(bytes)) return { ok: false, answer: unreadable() };
  const scanned = json ? scan?.(bytes) : undefined;
  if (scanned !== undefined) return { ok: true, model: scanned };

  const parsed = json ? parseBody(bytes) : { ok: true as const, node: textNode(bytes) };
  if (!parsed.ok) return parsed;
  if (parsed.node.kind === "null") return { ok: false, answer: problemsAnswer([missingBody]) };
  const problems: Problems = [];
  const model = read(parsed.node, ["body"], problems);
  return model === undefined ? { ok: false, answer: problemsAnswer(problems) } : { ok: true, model };
}

function textNode(bytes: Buffer): JsonNode {
  return { kind: "string", value: bytes.toString("utf8") };
}

function parseBody(bytes: Buffer): { ok: true; node: JsonNode } | { ok: false; answer: Answer } {
  const text = bytes.toString("utf8");
  const parsed = parseJson(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text);
  if (parsed.ok) return parsed;
  if (parsed.reason === "too-deep") return { ok: false, answer: unreadable() };
  const problem = {
    type: "json_invalid",
    loc: ["body", parsed.offset],
    msg: "JSON decode error",
    input: "{}",
    ctx: JSON.stringify({ error: parsed.message }),
  };
  return { ok: false, answer: problemsAnswer([problem]) };
}

function unreadable(): Answer {
  return detailAnswer(400, "There was an error parsing the body");
}
