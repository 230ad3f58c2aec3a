/**
 * The arguments of a session's tool calls in the model's own spelling. Clients that read them and write them again
 * lose some of it ("1.0" becomes "1", Anthropic's API has objects only): such a call is still the one that was
 * sampled, and is put back as it was.
 */
import { isDeepStrictEqual } from "node:util";
import type { AssistantMessage, ChatMessage, JsonObject, JsonValue, ToolCall } from "../contracts/chat.ts";

const maxCalls = 10_000;

export class CallMemory {
  readonly #arguments = new Map<string, string>();

  remember({ tool_calls: calls = [] }: AssistantMessage): void {
    for (const call of calls) this.#arguments.set(keyOf(call), call.function.arguments);
    for (const key of this.#arguments.keys()) {
      if (this.#arguments.size <= maxCalls) break;
      this.#arguments.delete(key);
    }
  }

  /** The messages with their calls as they were sampled, where they say the same. */
  restore(messages: readonly ChatMessage[]): ChatMessage[] {
    return messages.map((message) =>
      message.role === "assistant" && message.tool_calls !== undefined
        ? { ...message, tool_calls: message.tool_calls.map((call) => this.#restoreCall(call)) }
        : message,
    );
  }

  #restoreCall(call: ToolCall): ToolCall {
    const known = this.#arguments.get(keyOf(call));
    if (known === undefined || known === call.function.arguments) return call;
    const isSame = isDeepStrictEqual(toolInput(known), toolInput(call.function.arguments));
    return isSame ? { ...call, function: { ...call.function, arguments: known } } : call;
  }
}

/** A call's arguments as an object; {} for a text that is none. */
export function toolInput(text: string): JsonObject {
  try {
    const value: JsonValue = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}

const keyOf = ({ id, function: { name } }: ToolCall): string => `${id} ${name}`;
