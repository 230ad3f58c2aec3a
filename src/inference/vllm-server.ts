/**
 * Stock `vllm serve`: POST /inference/v1/generate, token ids in and out. A server that does not have it (404,
 * 405) is asked at /v1/completions with the prompt as ids and `return_token_ids`, and from its first answer
 * there only there. Log-probabilities are raw unless it runs with `--logprobs-mode processed_logprobs`.
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
import { ServerFailure } from "./server-failure.ts";
import { vllmSampling } from "./vllm-sampling.ts";

const usage = z.object({ prompt_tokens: z.int() }).nullish().catch(undefined);
/** Not stock vLLM's: our own policy server tells it with each sequence. */
const weightVersion = z.union([z.string(), z.number()]).nullish().catch(undefined);

const generateAnswer = z.object({
  choices: z
    .array(
      z.object({
        index: z.int(),
        finish_reason: z.string(),
        token_ids: idList.nullish(),
        weight_version: weightVersion,
        logprobs: z
          .object({
            content: z
              .array(z.object({ token: z.string().nullish(), logprob: z.unknown().optional() }))
              .nullish(),
          })
          .nullish(),
      }),
    )
    .min(1),
  usage,
});

const completionAnswer = z.object({
  choices: z
    .array(
      z.object({
        index: z.int(),
        finish_reason: z.string(),
        stop_reason: z.union([z.string(), z.number()]).nullish(),
        token_ids: idList.nullish(),
        prompt_token_ids: idList.nullish(),
        weight_version: weightVersion,
        logprobs: z
          .object({
            tokens: z.array(z.string()).nullish(),
            token_logprobs: z.array(z.unknown()).nullish(),
          })
          .nullish(),
      }),
    )
    .min(1),
  usage,
});

type CallOptions = { signal: AbortSignal; headers: Record<string, string> };

export class VllmServer extends HttpTokenServer {
  #generateMissing = false;

  constructor(options: TokenServerOptions) {
    super(options, {
      logprobKind: "raw",
      healthPath: "/health",
      sessionHeader: "x-session-id",
      hint: "Token ids and log-probabilities need a vLLM with return_token_ids, 0.10.2 or later.",
    });
  }

  override weightVersion({ signal }: { signal: AbortSignal }): Promise<string | null> {
    return this.readVersion("/weight_info", "weight_version", signal);
  }

  override contextLength({ signal }: { signal: AbortSignal }): Promise<number | null> {
    return this.listedContextLength(signal);
  }

  protected override async sample(request: GenerateRequest, options: CallOptions): Promise<SampledAnswer> {
    if (this.#generateMissing) return this.#complete(request, options);
    try {
      return await this.#generate(request, options);
    } catch (thrown) {
      if (!(thrown instanceof ServerFailure) || (thrown.status !== 404 && thrown.status !== 405))
        throw thrown;
    }
    // A 404 may also mean an unknown model: only an answer proves that the other way is the right one.
    const answer = await this.#complete(request, options);
    this.#generateMissing = true;
    return answer;
  }

  async #generate({ inputIds, sampling }: GenerateRequest, options: CallOptions): Promise<SampledAnswer> {
    const body = {
      model: this.modelName,
      token_ids: inputIds,
      sampling_params: fields(sampling),
      stream: false,
    };
    const answer = this.read(generateAnswer, await this.http.post("/inference/v1/generate", body, options));
    return {
      prompt: { count: answer.usage?.prompt_tokens },
      sequences: byIndex(answer.choices).map(({ token_ids, logprobs, finish_reason, weight_version }) => ({
        ids: token_ids,
        logprobs: logprobs?.content?.map(({ logprob }) => logprob),
        logprobIds: logprobs?.content?.map(({ token }) => writtenId(token)),
        finishReason: finish_reason,
        // Not told here.
        stopReason: finish_reason === "stop" ? stopTokenAtEnd(token_ids, sampling) : null,
        version: weight_version,
      })),
    };
  }

  async #complete({ inputIds, sampling }: GenerateRequest, options: CallOptions): Promise<SampledAnswer> {
    const body = {
      ...fields(sampling),
      model: this.modelName,
      prompt: inputIds,
      return_token_ids: true,
      return_tokens_as_token_ids: true,
      skip_special_tokens: false,
      spaces_between_special_tokens: false,
      add_special_tokens: false,
      echo: false,
      stream: false,
    };
    const answer = this.read(completionAnswer, await this.http.post("/v1/completions", body, options));
    const choices = byIndex(answer.choices);
    return {
      prompt: { ids: choices[0]?.prompt_token_ids, count: answer.usage?.prompt_tokens },
      sequences: choices.map(({ token_ids, logprobs, finish_reason, stop_reason, weight_version }) => ({
        ids: token_ids,
        logprobs: logprobs?.token_logprobs,
        logprobIds: logprobs?.tokens?.map(writtenId),
        finishReason: finish_reason,
        stopReason: stop_reason ?? null,
        version: weight_version,
      })),
    };
  }
}

const fields = (sampling: Sampling) => vllmSampling(sampling, { topKOff: 0 });

const byIndex = <Choice extends { index: number }>(choices: readonly Choice[]): Choice[] =>
  choices.toSorted((left, right) => left.index - right.index);

/** "token_id:3681" names an id; a token's text does not. */
function writtenId(token: string | null | undefined): number | null {
  const digits = token?.match(/^token_id:(\d+)$/)?.[1];
  return digits === undefined ? null : Number(digits);
}
