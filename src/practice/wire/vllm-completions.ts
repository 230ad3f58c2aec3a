/** vLLM's POST /v1/completions with `return_token_ids`: text beside ids, prompts in batches. */
import { z } from "zod";
import type { Tokenizer } from "../../tokens/tokenizer.ts";
import { rankedTokens, type ScoredToken } from "../logprob-model.ts";
import type { SampledSequence } from "../token-sampler.ts";
import { fields, promptIds, samplingFilters } from "./fields.ts";
import { openAiRefusal, tokenName } from "./openai-logprobs.ts";
import { allSequences, type TokenAnswer, type TokenWire, usageOf } from "./token-wire.ts";

/** Of `vllm serve` without `--max-logprobs`. */
const mostLogprobs = 20;

const request = z.object({
  model: z.string().nullish(),
  prompt: fields.prompts,
  n: fields.count,
  temperature: fields.temperature,
  max_tokens: z.int().min(1).nullish(),
  logprobs: z.int().min(0).nullish(),
  prompt_logprobs: z
    .int()
    .min(0)
    .max(mostLogprobs, `Requested prompt logprobs are more than ${mostLogprobs}`)
    .nullish(),
  stop: fields.stop,
  stop_token_ids: fields.stopTokenIds,
  seed: fields.seed,
  ...fields.filters,
  session_id: fields.sessionId,
  return_token_ids: z.boolean().nullish(),
  return_tokens_as_token_ids: z.boolean().nullish(),
  include_stop_str_in_output: z.boolean().default(false),
  skip_special_tokens: z.boolean().default(true),
  add_special_tokens: z.boolean().default(true),
  echo: z.literal(false, "the practice server does not echo").nullish(),
  stream: fields.stream,
});

type Body = z.output<typeof request>;

const defaultMaxTokens = 16;

export const vllmCompletions: TokenWire = {
  name: "vllm-completions",
  paths: ["/v1/completions"],
  processedLogprobs: false,
  accepts: () => true,
  error: openAiRefusal,
  read(body, tokenizer) {
    const parsed = request.parse(body);
    return {
      prompts: promptIds(parsed.prompt, tokenizer, { addSpecialTokens: parsed.add_special_tokens }),
      sessionId: parsed.session_id,
      promptTop: parsed.prompt_logprobs ?? undefined,
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
        filters: samplingFilters(parsed),
      },
      write: (answer) => write(answer, parsed),
    };
  },
};

function write(answer: TokenAnswer, body: Body) {
  const withIds = body.return_token_ids === true;
  return {
    id: `cmpl-${answer.id}`,
    object: "text_completion",
    created: answer.createdSeconds,
    model: body.model ?? answer.model,
    choices: allSequences(answer).map(({ promptIds, sequence, scored }, index) => ({
      index,
      text: sequence.text,
      logprobs: logprobs(sequence, body, answer.tokenizer),
      finish_reason: sequence.finish,
      stop_reason: sequence.stopReason,
      token_ids: withIds ? sequence.ids : null,
      prompt_logprobs: scored === undefined ? null : promptLogprobs(scored, body, answer.tokenizer),
      prompt_token_ids: withIds ? promptIds : null,
      routed_experts: null,
      ...(sequence.version !== undefined && { weight_version: sequence.version }),
    })),
    usage: usageOf(answer),
  };
}

/** A place's own token, whatever its rank, beside the likeliest ones. */
function promptLogprobs(scored: readonly ScoredToken[], body: Body, tokenizer: Tokenizer) {
  return scored.map((token, place) => {
    if (place === 0) return null;
    const ranked = rankedTokens(token);
    const shown = ranked.filter(({ id }, rank) => rank < (body.prompt_logprobs ?? 0) || id === token.id);
    return Object.fromEntries(
      shown.map(({ id, logprob }) => {
        const rank = ranked.findIndex((one) => one.id === id) + 1;
        return [id, { logprob, rank, decoded_token: tokenizer.decode([id]) }];
      }),
    );
  });
}

function logprobs({ ids, logprobs, scored }: SampledSequence, body: Body, tokenizer: Tokenizer) {
  const top = body.logprobs ?? null;
  if (top === null || logprobs === null) return null;
  const names = body.return_tokens_as_token_ids === true ? "ids" : "texts";
  const nameOf = (id: number) => tokenName(id, tokenizer, names);
  const texts = ids.map((id) => tokenizer.decode([id]));
  let offset = 0;
  return {
    text_offset: texts.map((text) => {
      const start = offset;
      offset += text.length;
      return start;
    }),
    token_logprobs: logprobs,
    tokens: ids.map(nameOf),
    top_logprobs: logprobs.map((logprob, place) => {
      const rivals = scored[place]?.rivals.slice(0, top) ?? [];
      return Object.fromEntries(
        [{ id: ids[place] ?? 0, logprob }, ...rivals].map((one) => [nameOf(one.id), one.logprob]),
      );
    }),
  };
}
