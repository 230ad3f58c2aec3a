/**
 * llama.cpp's POST /completion. Two of its ways are easy to trip over: without `return_tokens` there are no ids,
 * and an answer that a stop string ended has the probabilities of the stop string's tokens cut off, but not
 * the tokens themselves.
 */
import { z } from "zod";
import type { Tokenizer } from "../../tokens/tokenizer.ts";
import type { SampledSequence } from "../token-sampler.ts";
import { fields, promptIds } from "./fields.ts";
import { allSequences, type TokenAnswer, type TokenWire } from "./token-wire.ts";

const request = z.object({
  prompt: fields.prompts,
  n: fields.count,
  n_predict: z.int().min(-1).nullish(),
  max_tokens: z.int().min(-1).nullish(),
  temperature: z.number().min(0).default(0.8),
  n_probs: z.int().min(0).default(0),
  return_tokens: z.boolean().default(false),
  post_sampling_probs: z.boolean().default(false),
  stop: fields.stop,
  seed: fields.seed.transform((seed) => (seed === -1 ? null : seed)),
  id_slot: z.int().default(-1),
  stream: fields.stream,
});

type Body = z.output<typeof request>;

export const llamacpp: TokenWire = {
  name: "llamacpp",
  paths: ["/completion", "/completions"],
  processedLogprobs: false,
  accepts: () => true,
  error: (status, message) => ({
    error: { code: status, message, type: status < 500 ? "invalid_request_error" : "server_error" },
  }),
  read(body, tokenizer) {
    const parsed = request.parse(body);
    const maxTokens = parsed.n_predict ?? parsed.max_tokens ?? -1;
    return {
      prompts: promptIds(parsed.prompt, tokenizer, { addSpecialTokens: true }),
      sessionId: null,
      sampling: {
        n: parsed.n,
        temperature: parsed.temperature,
        // 0 reads the prompt alone, which has nothing to practise on.
        maxTokens: maxTokens < 0 ? null : Math.max(1, maxTokens),
        stop: parsed.stop,
        stopTokenIds: [],
        seed: parsed.seed,
        topLogprobs: Math.max(0, parsed.n_probs - 1),
        skipSpecialTokens: true,
        includeStop: false,
      },
      write: (answer) => write(answer, parsed),
    };
  },
};

function write(answer: TokenAnswer, body: Body) {
  const { tokenizer } = answer;
  const answers = allSequences(answer).map(({ promptIds, sequence }, index) => ({
    index,
    content: sequence.text,
    tokens: body.return_tokens ? sequence.ids : [],
    id_slot: Math.max(0, body.id_slot),
    stop: true,
    model: answer.model,
    tokens_predicted: sequence.ids.length,
    tokens_evaluated: promptIds.length,
    generation_settings: {
      seed: body.seed ?? -1,
      temperature: body.temperature,
      n_predict: body.n_predict ?? -1,
    },
    prompt: tokenizer.decode(promptIds),
    has_new_line: sequence.text.includes("\n"),
    truncated: false,
    stop_type: stopType(sequence),
    stopping_word: typeof sequence.stopReason === "string" ? sequence.stopReason : "",
    tokens_cached: promptIds.length + sequence.ids.length - 1,
    timings: {
      prompt_n: promptIds.length,
      predicted_n: sequence.ids.length,
      predicted_ms: answer.durationMs,
    },
    ...(body.n_probs > 0 &&
      sequence.logprobs !== null && { completion_probabilities: probabilities(sequence, body, tokenizer) }),
  }));
  const [only] = answers;
  return answers.length === 1 ? only : answers;
}

/** "none": neither the model nor a limit ended it. */
function stopType({ finish, stopReason }: SampledSequence): "eos" | "limit" | "word" | "none" {
  if (finish === "length") return "limit";
  if (finish === "abort") return "none";
  return stopReason === null ? "eos" : "word";
}

function probabilities(
  { ids, logprobs, scored, stopReason }: SampledSequence,
  body: Body,
  tokenizer: Tokenizer,
) {
  const cut = typeof stopReason === "string" ? tokenizer.encode(stopReason).length : 0;
  const shown = (logprobs ?? []).slice(0, Math.max(0, (logprobs?.length ?? 0) - cut));
  const entry = (id: number, logprob: number) => {
    const token = tokenizer.decode([id], { skipSpecialTokens: true });
    const bytes = [...Buffer.from(token)];
    return body.post_sampling_probs
      ? { id, token, bytes, prob: Math.exp(logprob) }
      : { id, token, bytes, logprob };
  };
  return shown.map((logprob, place) => {
    const id = ids[place] ?? 0;
    const top = [{ id, logprob }, ...(scored[place]?.rivals ?? [])]
      .toSorted((left, right) => right.logprob - left.logprob)
      .slice(0, body.n_probs)
      .map((one) => entry(one.id, one.logprob));
    return { ...entry(id, logprob), [body.post_sampling_probs ? "top_probs" : "top_logprobs"]: top };
  });
}
