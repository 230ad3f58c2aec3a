/**
 * Atropos' example_trainer/vllm_api_server.py: POST /generate with the prompt as ids. Raw log-probabilities, as
 * of a vLLM that nobody told otherwise. `/bridge/info` counts the weight updates.
 */
import { z } from "zod";
import type { GenerateRequest } from "../contracts/token-server.ts";
import {
  HttpTokenServer,
  idList,
  type SampledAnswer,
  stopTokenAtEnd,
  type TokenServerOptions,
} from "./http-token-server.ts";
import { vllmSampling } from "./vllm-sampling.ts";

const answerSchema = z.object({
  finish_reasons: z.array(z.string()).min(1),
  token_ids: z.array(idList).nullish(),
  prompt_token_ids: idList.nullish(),
  /** By sequence and position: a list of one object from id to log-probability. */
  logprobs: z.array(z.array(z.array(z.record(z.string(), z.unknown())).min(1))).nullish(),
});

export class AtroposServer extends HttpTokenServer {
  constructor(options: TokenServerOptions) {
    super(options, {
      logprobKind: "raw",
      healthPath: "/health",
      sessionHeader: "x-session-id",
      hint: "Make sure that base_url is Atropos' own vllm_api_server.py: it answers ids and log-probabilities.",
    });
  }

  override weightVersion({ signal }: { signal: AbortSignal }): Promise<string | null> {
    return this.readVersion("/bridge/info", "update_count", signal);
  }

  protected override async sample(
    { inputIds, sampling }: GenerateRequest,
    options: { signal: AbortSignal; headers: Record<string, string> },
  ): Promise<SampledAnswer> {
    // Older vLLM engines know -1 only.
    const body = { prompt: { prompt_token_ids: inputIds }, ...vllmSampling(sampling, { topKOff: -1 }) };
    const answer = this.read(answerSchema, await this.http.post("/generate", body, options));
    return {
      prompt: { ids: answer.prompt_token_ids },
      sequences: answer.finish_reasons.map((finishReason, index) => {
        const ids = answer.token_ids?.[index];
        // By id, for an object's keys come in the order of their numbers, not of the server's.
        const logprobs = answer.logprobs?.[index]?.map(([entry], place) => entry?.[String(ids?.[place])]);
        const stopReason = finishReason === "stop" ? stopTokenAtEnd(ids, sampling) : null;
        return { ids, logprobs, finishReason, stopReason };
      }),
    };
  }
}
