/**
 * Answers of the chat API. With a tokenizer they are sampled like those of the other APIs and then read back,
 * so that ids and log-probabilities can be told; without one they are cut by characters.
 */
import type { AssistantMessage, ToolCall, ToolSchema } from "../contracts/chat.ts";
import type { ChatTemplate } from "../tokens/chat-template.ts";
import type { AnswerFault } from "./answer-faults.ts";
import { BadRequest, checkPrompt } from "./bad-request.ts";
import { charsPerToken, estimateTokens, type PracticeChoice, type PracticeRequest } from "./chat-wire.ts";
import type { Reply } from "./exchange.ts";
import type { PlayedTurn, PracticePlayer } from "./practice-player.ts";
import { callIdOf } from "./rollout-fate.ts";
import { tokenLogEntries } from "./token-log.ts";
import type { TokenPlayer } from "./token-player.ts";
import type { SampledSequence, SamplingRequest } from "./token-sampler.ts";
import { chatLogprobs } from "./wire/openai-logprobs.ts";

export type ChatTokens = { player: TokenPlayer; chatTemplate: ChatTemplate | null };

export type ChatAsked = { id: string; createdSeconds: number; time: string; fault: AnswerFault | null };

/** Without a tokenizer. */
export function answerChat(request: PracticeRequest, player: PracticePlayer, asked: ChatAsked): Reply {
  const { messages, seed } = request;
  const played = player.play({ messages, tools: callable(request), count: request.n ?? 1, seed });
  const limit = limitOf(request) ?? Number.POSITIVE_INFINITY;
  const choices = played.turns.map(
    (turn, index): PracticeChoice => ({ index, logprobs: null, ...cutToLimit(toMessage(turn), limit) }),
  );
  const completion = choices.reduce((sum, { message }) => sum + estimateTokens(message), 0);
  const prompt = estimateTokens({ messages, tools: request.tools });
  return {
    body: { ...completionBody(request, asked), choices, usage: usage(prompt, completion) },
    task: played.task,
    errs: played.turns.map(({ fate }) => fate?.errs ?? null),
    tokens: [],
  };
}

/** With a tokenizer. Throws BadRequest when ids are asked for and no template says what the prompt is. */
export function answerChatWithTokens(request: PracticeRequest, tokens: ChatTokens, asked: ChatAsked): Reply {
  const { player, chatTemplate } = tokens;
  const { tokenizer } = player.sampler;
  const withIds = request.return_token_ids === true;
  if (withIds && chatTemplate === null) throw new BadRequest("return_token_ids: there is no chat template");
  const tools = callable(request);
  const { messages } = request;
  const kwargs = request.chat_template_kwargs ?? {};
  const prompt = chatTemplate?.render({
    messages: messages.map((message) => ({ ...message, content: message.content ?? "" })),
    ...(tools.length > 0 && { tools }),
    addGenerationPrompt: true,
    kwargs,
  });
  const promptIds = tokenizer.encode(prompt ?? JSON.stringify({ messages, tools }));
  checkPrompt(promptIds, player.sampler);
  const thinking = prompt === undefined ? "free" : player.format.readPrompt(prompt).thinking;
  const answer = player.answer({
    promptIds,
    reading: { messages, tools, thinking },
    sampling: samplingOf(request),
    sessionId: null,
    processedLogprobs: false,
    fault: asked.fault,
  });
  const choices = answer.sequences.map((sequence, index): PracticeChoice => {
    const turn = answer.turns[index] ?? answer.turns[0];
    const message = withCallIds(player.messageOf(sequence, thinking), turn);
    return {
      index,
      message,
      logprobs: logprobsOf(sequence, request, player),
      finish_reason: sequence.finish === "stop" && message.tool_calls ? "tool_calls" : sequence.finish,
      stop_reason: sequence.stopReason,
      ...(withIds && { token_ids: sequence.ids }),
    };
  });
  const completion = answer.sequences.reduce((sum, { ids }) => sum + ids.length, 0);
  const logged = { time: asked.time, requestId: asked.id, shape: "chat", sessionId: null };
  return {
    body: {
      ...completionBody(request, asked),
      ...(withIds && { prompt_token_ids: promptIds }),
      choices,
      usage: usage(promptIds.length, completion),
    },
    task: answer.task,
    errs: answer.turns.map(({ fate }) => fate?.errs ?? null),
    tokens: tokenLogEntries(logged, promptIds, answer, 0),
  };
}

const completionBody = ({ model }: PracticeRequest, { id, createdSeconds }: ChatAsked) => ({
  id,
  object: "chat.completion",
  created: createdSeconds,
  model,
});

const usage = (prompt: number, completion: number) => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
});

const callable = ({ tool_choice, tools }: PracticeRequest): ToolSchema[] =>
  tool_choice === "none" ? [] : tools;

function samplingOf(request: PracticeRequest): SamplingRequest {
  return {
    n: request.n ?? 1,
    // A chat request without a seed is played anew: only the APIs of ids are greedy.
    temperature: 1,
    maxTokens: limitOf(request),
    stop: request.stop,
    stopTokenIds: request.stop_token_ids,
    seed: request.seed,
    topLogprobs: request.top_logprobs ?? 0,
    skipSpecialTokens: true,
    includeStop: false,
  };
}

function logprobsOf(sequence: SampledSequence, request: PracticeRequest, { sampler }: TokenPlayer) {
  if (request.logprobs !== true) return null;
  const names = request.return_tokens_as_token_ids === true ? "ids" : "texts";
  return chatLogprobs(sequence, {
    tokenizer: sampler.tokenizer,
    names,
    top: request.top_logprobs ?? 0,
  });
}

function withCallIds(message: AssistantMessage, turn: PlayedTurn | undefined): AssistantMessage {
  const calls = message.tool_calls?.map((call, index) => ({ ...call, id: callId(turn, index) }));
  return { ...message, ...(calls && { tool_calls: calls }) };
}

const callId = (turn: PlayedTurn | undefined, index: number): string =>
  turn?.fate ? callIdOf(turn.fate, turn.turnNumber, index) : String(index);

function toMessage(turn: PlayedTurn): AssistantMessage {
  const tool_calls = turn.calls.map(
    (call, index): ToolCall => ({
      id: callId(turn, index),
      type: "function",
      function: { name: call.name, arguments: JSON.stringify(call.arguments) },
    }),
  );
  return { role: "assistant", content: turn.content, ...(tool_calls.length > 0 && { tool_calls }) };
}

/** Null = no limit. */
function limitOf({ max_tokens, max_completion_tokens }: PracticeRequest): number | null {
  const limits = [max_tokens, max_completion_tokens].flatMap((limit) => limit ?? []);
  return limits.length > 0 ? Math.min(...limits) : null;
}

/** As a real server does: the text is cut, and a call that is not whole is no call. */
function cutToLimit(
  message: AssistantMessage,
  maxTokens: number,
): Pick<PracticeChoice, "message" | "finish_reason"> {
  let roomChars = maxTokens * charsPerToken;
  const { content, tool_calls = [] } = message;
  const text = content?.slice(0, Math.min(content.length, roomChars)) ?? null;
  roomChars -= content?.length ?? 0;
  const whole = tool_calls.filter((call) => {
    roomChars -= JSON.stringify(call.function).length;
    return roomChars >= 0;
  });
  const cut: AssistantMessage = {
    role: "assistant",
    content: text,
    ...(whole.length > 0 && { tool_calls: whole }),
  };
  if (roomChars < 0) return { message: cut, finish_reason: "length" };
  return { message, finish_reason: tool_calls.length > 0 ? "tool_calls" : "stop" };
}
