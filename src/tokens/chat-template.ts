/** A model's chat template: messages and tools to the text that the model was trained on. */
import { Template } from "@huggingface/jinja";
import type { ChatMessage, JsonObject, ToolSchema } from "../contracts/chat.ts";

export type RenderOptions = {
  messages: readonly ChatMessage[];
  tools?: readonly ToolSchema[];
  /** Whether the text ends where the model is to go on: after the opening of an assistant message. */
  addGenerationPrompt: boolean;
  /** Further variables of the template, e.g. `{ enable_thinking: false }`. */
  kwargs?: JsonObject;
};

export class ChatTemplate {
  /** The Jinja text. */
  readonly source: string;
  readonly #template: Template;

  constructor(source: string) {
    this.source = source;
    this.#template = new Template(source);
  }

  render({ messages, tools, addGenerationPrompt, kwargs }: RenderOptions): string {
    return this.#template.render({
      ...kwargs,
      messages,
      tools: tools ?? null,
      add_generation_prompt: addGenerationPrompt,
    });
  }
}
