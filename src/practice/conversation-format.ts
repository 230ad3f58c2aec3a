/**
 * How a family of models writes conversations. The practice server needs both directions: prompts of ids are
 * read back into messages for the teacher, and the teacher's answers are written as a model would emit them.
 */
import type { AssistantMessage, ChatMessage, ToolSchema } from "../contracts/chat.ts";
import type { FormattableCompletion } from "../contracts/tool-call-parser.ts";

/** Of the prompt's end. "open": thinking has begun; "off": it is closed already; "free": the model decides. */
export type PromptThinking = "free" | "open" | "off";

export type PromptReading = { messages: ChatMessage[]; tools: ToolSchema[]; thinking: PromptThinking };

export type AnswerParts = FormattableCompletion & { thoughts: string | null; thinking: PromptThinking };

export interface ConversationFormat {
  /** The special token with which the model ends its turn. */
  readonly endOfTurn: string;
  /** Never throws: what can't be read is text of the user. Ids of tool calls are made up. */
  readPrompt(text: string): PromptReading;
  /** The model's text after the prompt, without `endOfTurn`. */
  writeAnswer(parts: AnswerParts): string;
  /** The inverse of `writeAnswer`; `prompt` says how the prompt ended. */
  readAnswer(text: string, prompt: PromptThinking): AssistantMessage;
}
