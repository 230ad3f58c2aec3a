/**
 * TRL's `trl vllm-serve`, POST /generate/: prompts in batches, no finish reasons. With `logprobs` above 0 a row
 * is sorted by probability and the sampled token stands somewhere in it.
 */
import { z } from "zod";
import type { SampledSequence } from "../token-sampler.ts";
import { fields, promptIds } from "./fields.ts";
import { allSequences, type TokenAnswer, type TokenWire } from "./token-wire.ts";

const request = z.object({
  prompts: fields.prompts,
  n: fields.count,
  temperature: fields.temperature,
  max_tokens: z.int().min(1).nullish(),
  logprobs: z.int().min(0).nullish(),
  generation_kwargs: z
    .object({ stop: fields.stop, stop_token_ids: fields.stopTokenIds, seed: fields.seed })
    .nullish(),
});

const defaultMaxTokens = 16;

export const trl: TokenWire = {
  name: "trl",
  paths: ["/generate/"],
  processedLogprobs: true,
  accepts: () => true,
  error: (_status, message) => ({ detail: message }),
  read(body, tokenizer) {
    const parsed = request.parse(body);
    // TRL's own default is to tell them.
    const top = parsed.logprobs === undefined ? 0 : parsed.logprobs;
    return {
      prompts: promptIds(parsed.prompts, tokenizer, { addSpecialTokens: true }),
      sessionId: null,
      sampling: {
        n: parsed.n,
        temperature: parsed.temperature,
        maxTokens: parsed.max_tokens ?? defaultMaxTokens,
        stop: parsed.generation_kwargs?.stop ?? [],
        stopTokenIds: parsed.generation_kwargs?.stop_token_ids ?? [],
        seed: parsed.generation_kwargs?.seed ?? null,
        topLogprobs: top ?? 0,
        skipSpecialTokens: false,
        includeStop: false,
      },
      write: (answer) => write(answer, top),
    };
  },
};

function write(answer: TokenAnswer, top: number | null) {
  const sequences = allSequences(answer).map(({ sequence }) => sequence);
  const rowsBySequence = sequences.map((sequence) => rows(sequence, top ?? 0));
  const told = top !== null && sequences.every(({ logprobs }) => logprobs !== null);
  return {
    prompt_ids: answer.prompts.map(({ ids }) => ids),
    completion_ids: sequences.map(({ ids }) => ids),
    logprobs: told
      ? rowsBySequence.map((tokens) => tokens.map((row) => row.map(({ logprob }) => logprob)))
      : null,
    logprob_token_ids: told
      ? rowsBySequence.map((tokens) => tokens.map((row) => row.map(({ id }) => id)))
      : null,
  };
}

/** One row per token: the sampled one, and with `top` the likeliest ones, sorted. */
const rows = ({ ids, logprobs, scored }: SampledSequence, top: number) =>
  (logprobs ?? []).map((logprob, place) =>
    [{ id: ids[place] ?? 0, logprob }, ...(scored[place]?.rivals.slice(0, top) ?? [])].toSorted(
      (left, right) => right.logprob - left.logprob,
    ),
  );
