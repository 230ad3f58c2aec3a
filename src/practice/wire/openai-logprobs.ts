/** Log-probabilities in the shape of OpenAI's chat API, which vLLM uses for its generate route too. */
import type { Tokenizer } from "../../tokens/tokenizer.ts";
import type { SampledSequence } from "../token-sampler.ts";

export type TokenNames = "ids" | "texts";

/** "token_id:9", or what the token reads as. */
export const tokenName = (id: number, tokenizer: Tokenizer, names: TokenNames): string =>
  names === "ids" ? `token_id:${id}` : tokenizer.decode([id]);

/** Null where the server told no log-probabilities. */
export function chatLogprobs(
  { ids, logprobs, scored }: SampledSequence,
  { tokenizer, names, top }: { tokenizer: Tokenizer; names: TokenNames; top: number },
) {
  if (logprobs === null) return null;
  const entry = (id: number, logprob: number) => ({
    token: tokenName(id, tokenizer, names),
    logprob,
    bytes: names === "ids" ? null : [...Buffer.from(tokenizer.decode([id]))],
  });
  const content = logprobs.map((logprob, place) => {
    const id = ids[place] ?? 0;
    const rivals = scored[place]?.rivals.slice(0, top) ?? [];
    // The sampled token comes first, wherever it ranks.
    const ranked = [{ id, logprob }, ...rivals];
    return { ...entry(id, logprob), top_logprobs: ranked.map((one) => entry(one.id, one.logprob)) };
  });
  return { content };
}

export function openAiRefusal(status: number, message: string) {
  const type = status < 500 ? "BadRequestError" : "InternalServerError";
  return { error: { message, type, param: null, code: status } };
}
