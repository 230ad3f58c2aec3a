/** The Responses API's input items as the messages that they stand for. */
import { z } from "zod";
import type { AssistantMessage, ChatMessage, ToolCall } from "../contracts/chat.ts";
import { joinTexts } from "./model-api.ts";
import { invalidRequest } from "./proxy-refusal.ts";
import type { ResponseMemory } from "./response-memory.ts";

const part = z.union([
  z
    .object({
      type: z.enum(["input_text", "output_text", "text"], {
        error: "only text is understood; images, audio and files are not",
      }),
      text: z.string(),
    })
    .transform(({ text }) => text),
  z.object({ type: z.literal("refusal"), refusal: z.string() }).transform(({ refusal }) => refusal),
]);
const text = z.union([z.string(), z.array(part).transform(joinTexts)]);

const reasoningText = z.array(z.object({ text: z.string() }).transform(({ text }) => text));

const message = z.object({
  type: z.literal("message").optional(),
  role: z.enum(["user", "assistant", "system", "developer"]),
  content: text,
});
const functionCall = z.object({
  type: z.literal("function_call"),
  call_id: z.string(),
  name: z.string(),
  arguments: z.string(),
});
const functionOutput = z.object({
  type: z.literal("function_call_output"),
  call_id: z.string(),
  output: text,
});
const reasoning = z.object({
  type: z.literal("reasoning"),
  summary: reasoningText.default([]),
  content: reasoningText.nullish(),
});
const reference = z.object({ type: z.literal("item_reference"), id: z.string() });

const item = z.union([functionCall, functionOutput, reasoning, reference, message]);

export const inputItems = z.array(item);
export type InputItem = z.output<typeof item>;

/** An answer lies in several items: its thinking, its words, its calls. Throws for an item that isn't known. */
export function messagesOf(items: readonly InputItem[], known: ResponseMemory): ChatMessage[] {
  const messages: ChatMessage[] = [];
  let answer: AnswerInParts | null = null;
  const flush = () => {
    if (answer !== null) messages.push(answer.message());
    answer = null;
  };
  const open = (isNext: (answer: AnswerInParts) => boolean): AnswerInParts => {
    if (answer !== null && isNext(answer)) flush();
    answer ??= new AnswerInParts();
    return answer;
  };
  for (const one of items) {
    const given = "type" in one && one.type === "item_reference" ? resolve(one.id, known) : one;
    switch (given.type) {
      case "reasoning":
        open((before) => before.hasWords || before.hasCalls).addThought(given);
        break;
      case "function_call":
        open(() => false).addCall(given);
        break;
      case "function_call_output":
        flush();
        messages.push({ role: "tool", tool_call_id: given.call_id, content: given.output });
        break;
      default: {
        const { role, content } = given;
        if (role === "assistant") {
          open((before) => before.hasWords || before.hasCalls).addWords(content);
          break;
        }
        flush();
        messages.push({ role: role === "developer" ? "system" : role, content });
      }
    }
  }
  flush();
  return messages;
}

type OwnItem = Exclude<InputItem, { type: "item_reference" }>;

function resolve(id: string, known: ResponseMemory): OwnItem {
  const found = item.safeParse(known.item(id));
  if (found.success && found.data.type !== "item_reference") return found.data;
  throw invalidRequest(`input: there is no item ${id} in this session`, "input");
}

class AnswerInParts {
  #thought = "";
  #words: string | null = null;
  readonly #calls: ToolCall[] = [];

  get hasWords(): boolean {
    return this.#words !== null;
  }

  get hasCalls(): boolean {
    return this.#calls.length > 0;
  }

  addThought({ content, summary }: z.output<typeof reasoning>): void {
    this.#thought += joinTexts(content ?? summary);
  }

  addWords(words: string): void {
    this.#words = words;
  }

  addCall({ call_id: id, name, arguments: text }: z.output<typeof functionCall>): void {
    this.#calls.push({ id, type: "function", function: { name, arguments: text } });
  }

  message(): AssistantMessage {
    return {
      role: "assistant",
      content: this.#words,
      ...(this.#thought !== "" && { reasoning_content: this.#thought }),
      ...(this.#calls.length > 0 && { tool_calls: this.#calls }),
    };
  }
}
