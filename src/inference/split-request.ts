/** A request for many completions as several for fewer, and their answers as one. */
import type { ChatChoice, ChatCompletion, ChatRequest, Usage } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";

/** Requests for `count` completions in all. A seed moves on with the samples, lest all chunks be alike. */
export function splitRequest(request: ChatRequest, count: number, chunkSize: number): ChatRequest[] {
  const chunks: ChatRequest[] = [];
  for (let first = 0; first < count; first += chunkSize) {
    const n = Math.min(chunkSize, count - first);
    const seed = request.seed === undefined ? {} : { seed: request.seed + first };
    chunks.push({ ...request, ...seed, n });
  }
  return chunks;
}

/** Joins answers to parts of one request: choices in order, numbered anew; usage summed. */
export function mergeCompletions(parts: readonly ChatCompletion[]): ChatCompletion {
  const [first, ...others] = parts;
  if (!first)
    throw new LachesisError("CONFIG_INVALID", "A chat request must ask for at least one completion (n).");
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
