/**
 * `trl vllm-serve`: POST /generate/ with the prompt as ids. TRL sets vLLM to processed log-probabilities. It
 * tells no finish reason: a sequence is taken for cut unless its end shows that it stopped.
 */
import { z } from "zod";
import type { GenerateRequest, Sampling } from "../contracts/token-server.ts";
import {
  HttpTokenServer,
  idList,
  type SampledAnswer,
  stopTokenAtEnd,
  type TokenServerOptions,
} from "./http-token-server.ts";
import { vllmSampling } from "./vllm-sampling.ts";

const answerSchema = z.object({
  prompt_ids: z.array(idList).nullish(),
  completion_ids: z.array(idList).min(1),
  /** By sequence and position: a row that has the sampled token's, or (older servers) that alone. */
  logprobs: z.array(z.array(z.unknown())).nullish(),
  logprob_token_ids: z.array(z.array(z.array(z.int()))).nullish(),
});

export class TrlServer extends HttpTokenServer {
  constructor(options: TokenServerOptions) {
    super(options, {
      logprobKind: "processed",
      healthPath: "/health/",
      sessionHeader: "x-session-id",
      hint: "Log-probabilities need a TRL whose /generate/ answers `logprobs`.",
    });
  }

  protected override async sample(
    { inputIds, sampling }: GenerateRequest,
    options: { signal: AbortSignal; headers: Record<string, string> },
  ): Promise<SampledAnswer> {
    const answer = this.read(
      answerSchema,
      await this.http.post("/generate/", body(inputIds, sampling), options),
    );
    return {
      prompt: { ids: answer.prompt_ids?.[0] },
      sequences: answer.completion_ids.map((ids, index) => {
        const rows = answer.logprobs?.[index];
        const rowIds = answer.logprob_token_ids?.[index];
        // Where a row has several tokens, the sampled one stands somewhere among them.
        const column = (place: number) => Math.max(0, rowIds?.[place]?.indexOf(ids[place] ?? -1) ?? 0);
        return {
          ids,
          logprobs: rows?.map((row, place) => (Array.isArray(row) ? row[column(place)] : row)),
          logprobIds: rowIds?.map((row, place) => row[column(place)]),
          ...ending(ids, sampling),
        };
      }),
    };
  }
}

/**
 * Shorter than `max_tokens` may mean an end-of-sequence token or a full context. With `stop_token_ids` alone
 * to stop at (they should hold the model's end tokens), the last id tells; with stop strings, only the length.
 */
function ending(
  ids: readonly number[],
  sampling: Sampling,
): { finishReason: string; stopReason: number | null } {
  const stopToken = stopTokenAtEnd(ids, sampling);
  const idsTell = sampling.stop_token_ids.length > 0 && sampling.stop.length === 0;
  const stopped = stopToken !== null || (!idsTell && ids.length < sampling.max_tokens);
  return { finishReason: stopped ? "stop" : "length", stopReason: stopToken };
}

function body(inputIds: readonly number[], sampling: Sampling) {
  const fields = vllmSampling(sampling, { topKOff: -1 });
  const { n, temperature, top_p, top_k, min_p, repetition_penalty, max_tokens, logprobs, ...rest } = fields;
  return {
    prompts: [inputIds],
    n,
    temperature,
    top_p,
    top_k,
    min_p,
    repetition_penalty,
    max_tokens,
    logprobs,
    // For all else that vLLM's SamplingParams know.
    generation_kwargs: rest,
  };
}
