/** The policy server's chat API: messages become ids by the chat template, sampled ids become messages again. */
import { z } from "zod";
import { BadRequest } from "../practice/bad-request.ts";
import { chatRequest } from "../practice/chat-wire.ts";
import type { ConversationFormat } from "../practice/conversation-format.ts";
import type { SampledSequence, SamplingRequest } from "../practice/token-sampler.ts";
import { fields, samplingFilters } from "../practice/wire/fields.ts";
import { chatLogprobs } from "../practice/wire/openai-logprobs.ts";
import type { LoadedTokenizer } from "../tokens/load-tokenizer.ts";

export const policyChatRequest = chatRequest.extend({
  model: z.string().nullish(),
  temperature: fields.temperature,
  seed: fields.seed,
  ...fields.filters,
});

export type PolicyChatRequest = z.output<typeof policyChatRequest>;

export type ChatModel = Pick<LoadedTokenizer, "tokenizer" | "chatTemplate">;

/** Throws BadRequest when the tokenizer has no chat template, and what the template throws. */
export function chatPromptIds(request: PolicyChatRequest, { tokenizer, chatTemplate }: ChatModel): number[] {
  if (chatTemplate === null) throw new BadRequest("The tokenizer has no chat template: send ids instead");
  const tools = request.tool_choice === "none" ? [] : request.tools;
  return tokenizer.encode(
    chatTemplate.render({
      messages: request.messages,
      ...(tools.length > 0 && { tools }),
      addGenerationPrompt: true,
      kwargs: request.chat_template_kwargs ?? {},
    }),
  );
}

export function chatSampling(request: PolicyChatRequest): SamplingRequest {
  return {
    n: request.n ?? 1,
    temperature: request.temperature,
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? null,
    stop: request.stop,
    stopTokenIds: request.stop_token_ids,
    seed: request.seed,
    topLogprobs: request.top_logprobs ?? 0,
    skipSpecialTokens: true,
    includeStop: false,
    filters: samplingFilters(request),
  };
}

export type ChatAnswer = {
  id: string;
  createdSeconds: number;
  model: string;
  promptIds: readonly number[];
  sequences: readonly SampledSequence[];
};

export function chatBody(
  request: PolicyChatRequest,
  answer: ChatAnswer,
  { model, format }: { model: ChatModel; format: ConversationFormat },
) {
  const { promptIds, sequences } = answer;
  const withIds = request.return_token_ids === true;
  const completionTokens = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
  return {
    id: `chatcmpl-${answer.id}`,
    object: "chat.completion",
    created: answer.createdSeconds,
    model: request.model ?? answer.model,
    ...(withIds && { prompt_token_ids: promptIds }),
    choices: sequences.map((sequence, index) => {
      const message = format.readAnswer(sequence.text, "free");
      const tool_calls = message.tool_calls?.map((call, place) => ({
        ...call,
        id: `call_${answer.id}_${index}_${place}`,
      }));
      return {
        index,
        message: { ...message, ...(tool_calls && { tool_calls }) },
        logprobs: logprobsOf(sequence, request, model),
        finish_reason: sequence.finish === "stop" && tool_calls ? "tool_calls" : sequence.finish,
        stop_reason: sequence.stopReason,
        weight_version: sequence.version,
        ...(withIds && { token_ids: sequence.ids }),
      };
    }),
    usage: {
      prompt_tokens: promptIds.length,
      completion_tokens: completionTokens,
      total_tokens: promptIds.length + completionTokens,
    },
  };
}

function logprobsOf(sequence: SampledSequence, request: PolicyChatRequest, { tokenizer }: ChatModel) {
  if (request.logprobs !== true) return null;
  const names = request.return_tokens_as_token_ids === true ? "ids" : "texts";
  return chatLogprobs(sequence, { tokenizer, names, top: request.top_logprobs ?? 0 });
}
