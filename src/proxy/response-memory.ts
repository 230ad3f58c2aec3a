/** What the Responses API's `previous_response_id` stands for: the conversation up to and with that response. */
import type { ChatMessage } from "../contracts/chat.ts";

const maxResponses = 1_000;

export class ResponseMemory {
  readonly #conversations = new Map<string, readonly ChatMessage[]>();

  remember(responseId: string, conversation: readonly ChatMessage[]): void {
    this.#conversations.set(responseId, conversation);
    if (this.#conversations.size <= maxResponses) return;
    const [oldest] = this.#conversations.keys();
    if (oldest !== undefined) this.#conversations.delete(oldest);
  }

  /** Without the instructions (system message in front), which hold for one response only. */
  conversation(responseId: string): readonly ChatMessage[] | undefined {
    return this.#conversations.get(responseId);
  }
}
