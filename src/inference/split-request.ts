/** A request for many samples as several for fewer, and the answers to chat requests as one. */
import type { ChatChoice, ChatCompletion, ChatRequest, Usage } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { GenerateRequest } from "../contracts/token-server.ts";

/** `n` samples of a request, of which the first is number `first` of all. */
export type Part = { first: number; n: number };

/** `count` samples from number `first` on, at most `size` to a part. */
export function splitIntoParts({ first, n: count }: Part, size: number): Part[] {
  return Array.from({ length: Math.ceil(count / size) }, (_, index) => ({
    first: first + index * size,
    n: Math.min(size, count - index * size),
  }));
}

/** The seed moves on with the samples, lest all parts be alike. */
export function chatPart(request: ChatRequest, { first, n }: Part): ChatRequest {
  const seed = request.seed === undefined ? {} : { seed: request.seed + first };
  return { ...request, ...seed, n };
}

/** As `chatPart`, for tokens. */
export function tokenPart(request: GenerateRequest, { first, n }: Part): GenerateRequest {
  const { sampling } = request;
  const seed = sampling.seed === null ? null : sampling.seed + first;
  return { ...request, sampling: { ...sampling, seed, n } };
}

/** Joins answers to parts of one request: choices in order, numbered anew; usage summed. */
export function mergeCompletions(parts: readonly ChatCompletion[]): ChatCompletion {
  const [first, ...others] = parts;
  if (!first) throw new LachesisError("INTERNAL", "A chat request came back without any part of its answer.");
  if (others.length === 0) return first;
  const choices: ChatChoice[] = parts
    .flatMap((part) => part.choices)
    .map((choice, index) => ({ ...choice, index }));
  const usages = parts.flatMap(({ usage }) => usage ?? []);
  return {
    id: first.id,
    model: first.model,
    choices,
    ...(usages.length === parts.length && { usage: usages.reduce(addUsage) }),
  };
}

const addUsage = (left: Usage, right: Usage): Usage => ({
  prompt_tokens: left.prompt_tokens + right.prompt_tokens,
  completion_tokens: left.completion_tokens + right.completion_tokens,
  total_tokens: left.total_tokens + right.total_tokens,
});
