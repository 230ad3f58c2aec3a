/**
 * A chat or completion request as sampling parameters for token servers: every field has a value, so that no server
 * fills one in by itself. `extra_body` wins over the request's own fields, as it does over HTTP.
 */
import { z } from "zod";
import type { ChatRequest, JsonObject } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { Sampling } from "../contracts/token-server.ts";

export type SamplingFields = Pick<
  ChatRequest,
  "n" | "temperature" | "top_p" | "max_tokens" | "stop" | "seed" | "extra_body"
>;

export type RequestSampling = {
  /** `max_tokens` is what was asked for; the context may leave less. */
  sampling: Sampling;
  /** `extra_body.chat_template_kwargs`: they are the template's, not the server's. */
  templateKwargs: JsonObject;
};

/** As Atropos' proxy, for requests that name no limit. */
const defaultMaxTokens = 1024;

const extraBody = z.looseObject({
  temperature: z.number().min(0).optional(),
  top_p: z.number().optional(),
  top_k: z.int().optional(),
  min_p: z.number().optional(),
  repetition_penalty: z.number().optional(),
  max_tokens: z.int().min(1).optional(),
  stop: z.union([z.string(), z.array(z.string())]).optional(),
  stop_token_ids: z.array(z.int()).optional(),
  seed: z.int().nullable().optional(),
  chat_template_kwargs: z.record(z.string(), z.json()).optional(),
});

/** Throws CONFIG_INVALID for an `extra_body` whose sampling fields have the wrong types. */
export function requestSampling(
  request: SamplingFields,
  { stopTokenIds }: { stopTokenIds: readonly number[] },
): RequestSampling {
  const { chat_template_kwargs: templateKwargs = {}, n: _n, ...own } = readExtraBody(request.extra_body);
  const {
    temperature,
    top_p,
    top_k,
    min_p,
    repetition_penalty,
    max_tokens,
    stop,
    stop_token_ids,
    seed,
    ...extra
  } = own;
  const stops = stop ?? request.stop ?? [];
  return {
    sampling: {
      temperature: temperature ?? request.temperature ?? 1,
      top_p: top_p ?? request.top_p ?? 1,
      top_k: Math.max(0, top_k ?? 0),
      min_p: min_p ?? 0,
      repetition_penalty: repetition_penalty ?? 1,
      max_tokens: max_tokens ?? request.max_tokens ?? defaultMaxTokens,
      stop: typeof stops === "string" ? [stops] : stops,
      stop_token_ids: [...new Set([...stopTokenIds, ...(stop_token_ids ?? [])])],
      seed: seed ?? request.seed ?? null,
      n: request.n ?? 1,
      extra: z.record(z.string(), z.json()).parse(extra),
    },
    templateKwargs,
  };
}

function readExtraBody(body: JsonObject | undefined) {
  const read = extraBody.safeParse(body ?? {});
  if (read.success) return read.data;
  const problems = read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new LachesisError("CONFIG_INVALID", `extra_body: ${problems.join("; ")}`);
}
