/** vLLM's POST /inference/v1/generate: ids in, ids out, no text and no stop reason. */
import { z } from "zod";
import { fields, samplingFilters } from "./fields.ts";
import { chatLogprobs, openAiRefusal } from "./openai-logprobs.ts";
import { allSequences, type TokenAnswer, type TokenWire, usageOf } from "./token-wire.ts";

const request = z.object({
  request_id: z.string().nullish(),
  model: z.string().nullish(),
  token_ids: fields.ids,
  sampling_params: z.object({
    n: fields.count,
    temperature: fields.temperature,
    max_tokens: z.int().min(1).nullish(),
    logprobs: z.int().min(0).nullish(),
    stop: fields.stop,
    stop_token_ids: fields.stopTokenIds,
    seed: fields.seed,
    ...fields.filters,
  }),
  stream: fields.stream,
});

export const vllmGenerate: TokenWire = {
  name: "vllm-generate",
  paths: ["/inference/v1/generate"],
  processedLogprobs: false,
  accepts: () => true,
  error: openAiRefusal,
  read(body) {
    const { token_ids, sampling_params: params, ...rest } = request.parse(body);
    return {
      prompts: [token_ids],
      // This route takes the session from a header alone.
      sessionId: null,
      sampling: {
        n: params.n,
        temperature: params.temperature,
        maxTokens: params.max_tokens ?? null,
        stop: params.stop,
        stopTokenIds: params.stop_token_ids,
        seed: params.seed,
        topLogprobs: params.logprobs ?? 0,
        skipSpecialTokens: false,
        includeStop: false,
        filters: samplingFilters(params),
      },
      write: (answer) => write(answer, { requestId: rest.request_id, top: params.logprobs ?? null, ...rest }),
    };
  },
};

type Asked = { requestId: string | null | undefined; model?: string | null | undefined; top: number | null };

function write(answer: TokenAnswer, { requestId, model, top }: Asked) {
  const { tokenizer } = answer;
  return {
    request_id: `generate-tokens-${requestId ?? answer.id}`,
    model: model ?? answer.model,
    created: answer.createdSeconds,
    choices: allSequences(answer).map(({ sequence }, index) => ({
      index,
      logprobs: top === null ? null : chatLogprobs(sequence, { tokenizer, names: "ids", top }),
      finish_reason: sequence.finish,
      token_ids: sequence.ids,
      routed_experts: null,
      ...(sequence.version !== undefined && { weight_version: sequence.version }),
    })),
    usage: usageOf(answer),
    prompt_logprobs: null,
    kv_transfer_params: null,
  };
}
