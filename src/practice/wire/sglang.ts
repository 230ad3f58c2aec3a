/** SGLang's POST /generate: one answer as an object, several (n > 1, or a batch) as a list. */
import { z } from "zod";
import { rankedTokens, type ScoredToken } from "../logprob-model.ts";
import type { SampledSequence } from "../token-sampler.ts";
import { fields, promptIds } from "./fields.ts";
import { allSequences, type TokenAnswer, type TokenWire } from "./token-wire.ts";

const request = z
  .object({
    rid: z.string().nullish(),
    text: z.union([z.string(), z.array(z.string()).min(1)]).nullish(),
    input_ids: z.union([fields.ids, z.array(fields.ids).min(1)]).nullish(),
    sampling_params: z
      .object({
        n: fields.count,
        temperature: fields.temperature,
        max_new_tokens: z.int().min(0).nullish(),
        stop: fields.stop,
        stop_token_ids: fields.stopTokenIds,
        sampling_seed: fields.seed,
        skip_special_tokens: z.boolean().default(true),
        no_stop_trim: z.boolean().default(false),
      })
      .prefault({}),
    return_logprob: z.boolean().nullish(),
    logprob_start_len: z
      .union([z.literal(-1), z.literal(0)], "the practice server scores all of a prompt, or none")
      .nullish(),
    top_logprobs_num: z.int().min(0).nullish(),
    return_text_in_logprobs: z.boolean().nullish(),
    return_prompt_token_ids: z.boolean().nullish(),
    session_id: fields.sessionId,
    stream: fields.stream,
  })
  .refine(({ text, input_ids }) => (text ?? null) !== null || (input_ids ?? null) !== null, {
    path: ["input_ids"],
    error: "either text or input_ids should be provided",
  });

type Body = z.output<typeof request>;

const defaultMaxNewTokens = 128;

export const sglang: TokenWire = {
  name: "sglang",
  paths: ["/generate"],
  processedLogprobs: true,
  accepts: (body) => typeof body === "object" && body !== null && !("prompt" in body),
  error: (_status, message) => ({ error: { message } }),
  read(body, tokenizer) {
    const parsed = request.parse(body);
    const params = parsed.sampling_params;
    return {
      prompts: promptIds(parsed.input_ids ?? parsed.text ?? "", tokenizer, { addSpecialTokens: true }),
      sessionId: parsed.session_id,
      promptTop:
        parsed.return_logprob === true && parsed.logprob_start_len === 0
          ? (parsed.top_logprobs_num ?? 0)
          : undefined,
      sampling: {
        n: params.n,
        temperature: params.temperature,
        maxTokens: params.max_new_tokens || defaultMaxNewTokens,
        stop: params.stop,
        stopTokenIds: params.stop_token_ids,
        seed: params.sampling_seed,
        topLogprobs: parsed.top_logprobs_num ?? 0,
        skipSpecialTokens: params.skip_special_tokens,
        includeStop: params.no_stop_trim,
      },
      write: (answer) => write(answer, parsed),
    };
  },
};

function write(answer: TokenAnswer, body: Body) {
  const answers = allSequences(answer).map(({ promptIds, sequence, scored }, index, { length }) => ({
    text: sequence.text,
    output_ids: sequence.ids,
    prompt_token_ids: body.return_prompt_token_ids === true ? promptIds : null,
    meta_info: {
      id: length === 1 ? (body.rid ?? answer.id) : `${body.rid ?? answer.id}_${index}`,
      finish_reason: finishOf(sequence, answer.eosId),
      prompt_tokens: promptIds.length,
      completion_tokens: sequence.ids.length,
      cached_tokens: 0,
      reasoning_tokens: 0,
      weight_version: answer.weightVersion,
      num_retractions: 0,
      dp_rank: 0,
      e2e_latency: answer.durationMs / 1000,
      ...(body.return_logprob === true && logprobFields({ ...sequence, prompt: scored }, body, answer)),
    },
  }));
  const [only] = answers;
  return answers.length === 1 ? only : answers;
}

function finishOf({ ids, finish, stopReason }: SampledSequence, eosId: number) {
  switch (finish) {
    case "stop":
      return { type: "stop", matched: stopReason ?? eosId };
    case "length":
      return { type: "length", length: ids.length };
    case "abort":
      return { type: "abort", message: "Aborted on purpose", status_code: null, err_type: null };
    default:
      return finish satisfies never;
  }
}

type TokenLogprob = [logprob: number, id: number, text: string | null];

type Scored = SampledSequence & { prompt: readonly ScoredToken[] | undefined };

function logprobFields({ ids, logprobs, scored, prompt }: Scored, body: Body, { tokenizer }: TokenAnswer) {
  if (logprobs === null) return {};
  const entry = (id: number, logprob: number): TokenLogprob => [
    logprob,
    id,
    body.return_text_in_logprobs === true ? tokenizer.decode([id]) : null,
  ];
  const top = body.top_logprobs_num ?? 0;
  const likeliest = (token: ScoredToken) =>
    rankedTokens(token)
      .slice(0, top)
      .map((one) => entry(one.id, one.logprob));
  return {
    input_token_logprobs: (prompt ?? []).map(({ id, logprob }, place) =>
      place === 0 ? [null, id, null] : entry(id, logprob),
    ),
    output_token_logprobs: logprobs.map((logprob, place) => entry(ids[place] ?? 0, logprob)),
    output_token_logprobs_length: logprobs.length,
    ...(top > 0 && {
      input_top_logprobs: (prompt ?? []).map((token, place) => (place === 0 ? null : likeliest(token))),
      output_top_logprobs: scored.map(likeliest),
    }),
  };
}
