/**
 * llama.cpp's server: POST /completion with the prompt as ids. Log-probabilities are of the raw logits. It
 * knows no stop token ids: what it sampled after one is cut off here, which leaves the distribution of what
 * comes before as it is. It leaves out the log-probabilities of a stop string and of a token that ends within
 * a character; such answers are refused.
 */
import { z } from "zod";
import type { GenerateRequest, Sampling } from "../contracts/token-server.ts";
import {
  HttpTokenServer,
  idList,
  type SampledAnswer,
  type TokenServerOptions,
  tokenCount,
} from "./http-token-server.ts";
import { type SampledSequence, untrusted } from "./token-generation-audit.ts";

const completion = z.object({
  tokens: idList.nullish(),
  stop_type: z.enum(["eos", "limit", "word", "none"]),
  stopping_word: z.string().nullish(),
  truncated: z.boolean().nullish(),
  tokens_evaluated: z.int().nullish(),
  completion_probabilities: z
    .array(z.object({ id: z.int().nullish(), logprob: z.unknown().optional() }))
    .nullish(),
});

/** `n_ctx` is one slot's share of the context. */
const properties = z.object({ default_generation_settings: z.object({ n_ctx: tokenCount }) });

/** "none" is what a generation says that was ended from outside. */
const finishReasons = { eos: "stop", word: "stop", limit: "length", none: "abort" } as const;

export class LlamaCppServer extends HttpTokenServer {
  constructor(options: TokenServerOptions) {
    super(options, {
      logprobKind: "raw",
      healthPath: "/health",
      sessionHeader: "x-session-id",
      hint: "llama.cpp gives no log-probability for stop strings and parts of characters: use stop_token_ids, or another server for such text.",
    });
  }

  override samplesTogether(): boolean {
    return false;
  }

  override async contextLength({ signal }: { signal: AbortSignal }): Promise<number | null> {
    const page = await this.readPage("/props", properties, signal);
    return page?.default_generation_settings.n_ctx ?? null;
  }

  protected override async sample(
    request: GenerateRequest,
    options: { signal: AbortSignal; headers: Record<string, string> },
  ): Promise<SampledAnswer> {
    const { inputIds, sampling } = request;
    const body = { ...fields(sampling), prompt: inputIds };
    const answer = this.read(completion, await this.http.post("/completion", body, options));
    const { tokens: ids, completion_probabilities: entries } = answer;
    if (answer.truncated && (answer.stop_type !== "limit" || ids?.length === sampling.max_tokens)) {
      // Out of context is "limit" before max_tokens; anything else went on with a part of the prompt dropped.
      throw untrusted(this.auditContext(request), "what it sampled after it had shifted the context");
    }
    const sequence: SampledSequence = {
      ids,
      logprobs: entries?.map(({ logprob }) => logprob),
      logprobIds: entries?.map(({ id }) => id),
      finishReason: finishReasons[answer.stop_type],
      stopReason: answer.stop_type === "word" ? (answer.stopping_word ?? null) : null,
    };
    const cut = cutAtStopToken(sequence, sampling);
    return { prompt: { count: answer.tokens_evaluated }, sequences: [cut] };
  }
}

function cutAtStopToken(sequence: SampledSequence, { stop_token_ids }: Sampling): SampledSequence {
  const { ids, logprobs, logprobIds, finishReason } = sequence;
  if (finishReason === "abort") return sequence;
  const end = ids?.findIndex((id) => stop_token_ids.includes(id)) ?? -1;
  // Lists that do not fit together are left as they came, for the audit to see.
  if (end === -1 || ids?.length !== logprobs?.length) return sequence;
  return {
    ids: ids?.slice(0, end + 1),
    logprobs: logprobs?.slice(0, end + 1),
    logprobIds: logprobIds?.slice(0, end + 1),
    finishReason: "stop",
    stopReason: ids?.[end] ?? null,
  };
}

/** The server's command line may have switched on any of its samplers: all are named, and off. */
function fields({ extra, max_tokens, repetition_penalty, seed, ...rest }: Sampling) {
  const { temperature, top_k, top_p, min_p, stop } = rest;
  return {
    presence_penalty: 0,
    frequency_penalty: 0,
    repeat_last_n: -1,
    typical_p: 1,
    top_n_sigma: -1,
    dynatemp_range: 0,
    xtc_probability: 0,
    dry_multiplier: 0,
    mirostat: 0,
    ignore_eos: false,
    ...extra,
    n_predict: max_tokens,
    temperature,
    top_k,
    top_p,
    min_p,
    repeat_penalty: repetition_penalty,
    stop,
    seed: seed ?? -1,
    n_probs: 1,
    post_sampling_probs: false,
    return_tokens: true,
    cache_prompt: true,
    id_slot: -1,
    stream: false,
  };
}
