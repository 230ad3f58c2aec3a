/** Turns a chat request into the choices that the teacher's model would give. */
import type { AssistantMessage, ChatMessage, ToolCall } from "../contracts/chat.ts";
import { charsPerToken, type PracticeChoice, type PracticeRequest } from "./chat-wire.ts";
import { plainAttempt } from "./plain-attempt.ts";
import { callIdOf, type FateDraw, fateOfCallId, type RolloutFate } from "./rollout-fate.ts";
import type { Lesson, Teacher, TeacherTurn } from "./teacher.ts";

export type Played = {
  choices: PracticeChoice[];
  /** Number of the task, null when unknown. */
  task: number | null;
  /** Of each choice's rollout; null for an unknown task. */
  errs: (boolean | null)[];
};

export class PracticePlayer {
  readonly #teacher: Teacher;
  readonly #fates: FateDraw;

  constructor({ teacher, fates }: { teacher: Teacher; fates: FateDraw }) {
    this.#teacher = teacher;
    this.#fates = fates;
  }

  play(request: PracticeRequest): Played {
    const lesson = this.#teacher.recognise(request.messages);
    const played: Played = { choices: [], task: lesson?.index ?? null, errs: [] };
    const earlier = fateOfConversation(request.messages);
    for (let index = 0; index < (request.n ?? 1); index += 1) {
      const fate = lesson && (earlier ?? this.#fates.draw(lesson.index));
      const message =
        lesson && fate ? teach(lesson, fate, request) : toMessage(plainAttempt(request.messages));
      played.choices.push({ index, logprobs: null, ...cutToLimit(message, limitOf(request)) });
      played.errs.push(fate?.errs ?? null);
    }
    return played;
  }
}

function teach(lesson: Lesson, fate: RolloutFate, request: PracticeRequest): AssistantMessage {
  const tools = request.tool_choice === "none" ? [] : request.tools;
  const turn = lesson.nextTurn({ messages: request.messages, tools, seed: fate.seed, errs: fate.errs });
  const turnNumber = request.messages.filter(({ role }) => role === "assistant").length;
  return toMessage(turn, (index) => callIdOf(fate, turnNumber, index));
}

function toMessage(
  { content, calls }: TeacherTurn,
  idOf: (index: number) => string = String,
): AssistantMessage {
  const tool_calls = calls.map(
    (call, index): ToolCall => ({
      id: idOf(index),
      type: "function",
      function: { name: call.name, arguments: JSON.stringify(call.arguments) },
    }),
  );
  return { role: "assistant", content, ...(tool_calls.length > 0 && { tool_calls }) };
}

function fateOfConversation(messages: readonly ChatMessage[]): RolloutFate | null {
  for (const message of messages.toReversed()) {
    if (message.role !== "assistant") continue;
    for (const { id } of message.tool_calls ?? []) {
      const fate = fateOfCallId(id);
      if (fate) return fate;
    }
  }
  return null;
}

const limitOf = ({ max_tokens, max_completion_tokens }: PracticeRequest): number =>
  Math.min(max_tokens ?? Number.POSITIVE_INFINITY, max_completion_tokens ?? Number.POSITIVE_INFINITY);

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
