/** POST /generate of Atropos' own vllm_api_server: parallel lists, log-probabilities as one-entry maps. */
import { z } from "zod";
import { fields, promptIds } from "./fields.ts";
import { allSequences, type TokenAnswer, type TokenWire } from "./token-wire.ts";

const request = z.object({
  prompt: z.union(
    [z.string(), z.object({ prompt_token_ids: fields.ids })],
    "expected a text or { prompt_token_ids }",
  ),
  n: fields.count,
  temperature: fields.temperature,
  max_tokens: z.int().min(1).nullish(),
  logprobs: z.int().min(0).nullish(),
  stop: fields.stop,
  stop_token_ids: fields.stopTokenIds,
  seed: fields.seed,
  include_stop_str_in_output: z.boolean().default(false),
  skip_special_tokens: z.boolean().default(true),
  stream: fields.stream,
});

const defaultMaxTokens = 16;

export const atropos: TokenWire = {
  name: "atropos",
  paths: ["/generate"],
  processedLogprobs: false,
  accepts: (body) => typeof body === "object" && body !== null && "prompt" in body,
  error: (_status, message) => ({ detail: message }),
  read(body, tokenizer) {
    const { prompt, ...parsed } = request.parse(body);
    const ids = typeof prompt === "string" ? prompt : prompt.prompt_token_ids;
    return {
      prompts: promptIds(ids, tokenizer, { addSpecialTokens: true }),
      sessionId: null,
      sampling: {
        n: parsed.n,
        temperature: parsed.temperature,
        maxTokens: parsed.max_tokens ?? defaultMaxTokens,
        stop: parsed.stop,
        stopTokenIds: parsed.stop_token_ids,
        seed: parsed.seed,
        topLogprobs: parsed.logprobs ?? 0,
        skipSpecialTokens: parsed.skip_special_tokens,
        includeStop: parsed.include_stop_str_in_output,
      },
      write: (answer) => write(answer, parsed.logprobs ?? null),
    };
  },
};

function write(answer: TokenAnswer, top: number | null) {
  const sequences = allSequences(answer).map(({ sequence }) => sequence);
  const prompt = answer.prompts[0]?.ids ?? [];
  const told = top !== null && sequences.every(({ logprobs }) => logprobs !== null);
  return {
    text: sequences.map(({ text }) => text),
    prompt: answer.tokenizer.decode(prompt),
    finish_reasons: sequences.map(({ finish }) => finish),
    ...(told && {
      logprobs: sequences.map(({ ids, logprobs, scored }) =>
        (logprobs ?? []).map((logprob, place) => [
          Object.fromEntries([
            [ids[place], logprob],
            ...(scored[place]?.rivals.slice(0, top) ?? []).map((rival) => [rival.id, rival.logprob]),
          ]),
        ]),
      ),
    }),
    ...(top !== null && { prompt_token_ids: prompt, token_ids: sequences.map(({ ids }) => ids) }),
  };
}
