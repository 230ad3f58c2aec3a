/** What the Responses API refers to by id: the conversation up to and with a response, and the items of its output. */
import type { ChatMessage, JsonObject } from "../contracts/chat.ts";

const maxResponses = 1_000;

export class ResponseMemory {
  /** Oldest first. */
  readonly #responses = new Map<
    string,
    { conversation: readonly ChatMessage[]; items: readonly JsonObject[] }
  >();

  remember(responseId: string, conversation: readonly ChatMessage[], items: readonly JsonObject[]): void {
    this.#responses.set(responseId, { conversation, items });
    if (this.#responses.size <= maxResponses) return;
    const [oldest] = this.#responses.keys();
    if (oldest !== undefined) this.#responses.delete(oldest);
  }

  /** Without the instructions, which hold for one response only. */
  conversation(responseId: string): readonly ChatMessage[] | undefined {
    return this.#responses.get(responseId)?.conversation;
  }

  item(itemId: string): JsonObject | undefined {
    for (const { items } of this.#responses.values()) {
      const found = items.find(({ id }) => id === itemId);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
