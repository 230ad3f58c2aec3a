/** What the three APIs of models have in common: a body that becomes a chat request, and an answer that goes back. */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { ChatRequest, JsonObject, ToolSchema } from "../contracts/chat.ts";
import { invalidRequest, type ProxyRefusal } from "./proxy-refusal.ts";
import type { ProxySession } from "./proxy-session.ts";
import type { Answered } from "./session-calls.ts";

/** One server-sent event; Anthropic's and the Responses API's have names. */
export type StreamEvent = { event?: string; data: JsonObject | "[DONE]" };

/** A request that was read, and the way back. */
export type ReadRequest = {
  chat: ChatRequest;
  streams: boolean;
  /** Fields that were understood and can't be honoured: the answer names them in a header. */
  ignored: string[];
  /** The answer in one piece. */
  whole(answered: Answered): JsonObject;
  /** The same in the pieces in which a client that streams expects it. */
  pieces(answered: Answered): Iterable<StreamEvent>;
};

export type ModelApi = {
  /** After the session's base URL. */
  path: string;
  /** Throws a ProxyRefusal for a body that can't be read. */
  read(body: unknown, context: ApiContext): ReadRequest;
  /** A refusal as this API words it. */
  error(refusal: ProxyRefusal): JsonObject;
  /** A refusal within a stream that has begun. */
  errorEvent(refusal: ProxyRefusal): StreamEvent;
};

export type ApiContext = {
  session: ProxySession;
  modelName: string;
  /** For requests that name no limit. */
  maxTokens: number;
};

/** Reads a body; throws a 400 that names the first thing that is wrong with it. */
export function readBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const read = schema.safeParse(body);
  if (read.success) return read.data;
  const [issue] = deepestIssues(read.error.issues);
  const path = z.core.toDotPath(issue?.path ?? []);
  throw invalidRequest(`${path === "" ? "body" : path}: ${issue?.message ?? "not as expected"}`, path);
}

/** Of a union that none of the shapes fit, what is wrong with the shape that got furthest. */
function deepestIssues(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue[] {
  return issues.flatMap((issue): z.core.$ZodIssue[] => {
    if (issue.code !== "invalid_union" || issue.errors.length === 0) return [issue];
    const inner = issue.errors.map((errors) => deepestIssues(errors));
    const depth = (some: z.core.$ZodIssue[]) => Math.max(0, ...some.map(({ path }) => path.length));
    const best = inner.toSorted((a, b) => depth(b) - depth(a))[0] ?? [];
    return best.map((one) => ({ ...one, path: [...issue.path, ...one.path] }));
  });
}

/** Values that ask for what is the case anyway. */
const asItIs: Readonly<Record<string, unknown>> = {
  parallel_tool_calls: true,
  logprobs: false,
  background: false,
  truncation: "disabled",
  response_format: { type: "text" },
  text: { format: { type: "text" } },
  modalities: ["text"],
};

/** Keys of the body that ask for something which isn't honoured; unset ones ask for nothing. */
export function ignoredFields(body: Readonly<Record<string, unknown>>, known: ReadonlySet<string>): string[] {
  return Object.entries(body).flatMap(([key, value]) =>
    known.has(key) || value === null || value === undefined || isDeepStrictEqual(value, asItIs[key])
      ? []
      : [key],
  );
}

/** The text of a message in parts, as vLLM joins them. */
export const joinTexts = (texts: readonly string[]): string => texts.join("\n");

export function toolSchema(tool: {
  name: string;
  description?: string | null | undefined;
  parameters?: JsonObject | null | undefined;
}): ToolSchema {
  const { name, description, parameters } = tool;
  return {
    type: "function",
    function: { name, description: description ?? "", parameters: parameters ?? {} },
  };
}

export const jsonObject = z.record(z.string(), z.json());

const pieceChars = 24;

/** Cuts a text into what a stream sends at a time, never within a character. */
export function* textPieces(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    let end = Math.min(text.length, at + pieceChars);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last < 0xdc00) end += 1;
    yield text.slice(at, end);
    at = end;
  }
}

/** The answer's id in another API's style: "chatcmpl-x" -> "msg_x". */
export const idLike = (prefix: string, id: string): string => prefix + id.replace(/^[a-z]+-/, "");
