/** Runs a chat template over a conversation, with what its messages must not write guarded. */
import type { ChatMessage, JsonObject, ToolSchema } from "../contracts/chat.ts";
import { type ControlTokens, guardMark } from "./control-tokens.ts";

/** What is asked of a chat template; ChatTemplate is the implementation. */
export interface ChatRenderer {
  render(options: {
    messages: readonly ChatMessage[];
    tools?: readonly ToolSchema[];
    addGenerationPrompt: boolean;
    kwargs?: JsonObject;
  }): string;
}

/** What a template is given besides the messages. */
export type TemplateSettings = {
  tools?: readonly ToolSchema[] | undefined;
  /** Further variables of the template, e.g. `{ enable_thinking: false }`. */
  kwargs?: JsonObject | undefined;
};

export type Conversation = TemplateSettings & { messages: readonly ChatMessage[] };

/** Stands at the end of an answer to be continued, so that what the template adds after it can be cut off. */
const openMark = "\uFDD2open\uFDD2";

export class PromptRenderer {
  readonly #template: ChatRenderer;
  readonly #control: ControlTokens;
  #renders = 0;

  constructor(template: ChatRenderer, control: ControlTokens) {
    this.#template = template;
    this.#control = control;
  }

  /** How often the template was run. */
  get renders(): number {
    return this.#renders;
  }

  /**
   * The conversation's text up to where the model goes on: after the opening of an answer or, when the last
   * message is an answer already, after its content. Literal control tokens are guarded (control-tokens.ts).
   * Throws what the template throws.
   */
  render({ messages, ...settings }: Conversation): string {
    const last = messages.at(-1);
    if (isOpenAnswer(last)) {
      const opened = { ...last, content: (last.content ?? "") + openMark };
      const text = this.#run([...messages.slice(0, -1), opened], settings, false);
      const end = text.lastIndexOf(openMark);
      if (end !== -1) return text.slice(0, end);
    }
    return this.#run(messages, settings, true);
  }

  /** The conversation's text where nothing is to follow. */
  renderClosed({ messages, ...settings }: Conversation): string {
    return this.#run(messages, settings, false);
  }

  #run(
    messages: readonly ChatMessage[],
    { tools = [], kwargs }: TemplateSettings,
    addGenerationPrompt: boolean,
  ): string {
    this.#renders += 1;
    return this.#template.render({
      messages: messages.map((message) => this.#control.guardMessage(withReasoning(message))),
      ...(tools.length > 0 && { tools: this.#control.guardTools(tools) }),
      addGenerationPrompt,
      ...(kwargs !== undefined && { kwargs }),
    });
  }
}

/** Rendered text as it reads: without the marks in its literal control tokens. */
export function unguarded(text: string): string {
  return text.replaceAll(guardMark, "");
}

/** An answer that the model is asked to go on with. */
export function isOpenAnswer(
  message: ChatMessage | undefined,
): message is ChatMessage & { role: "assistant" } {
  return message?.role === "assistant" && (message.tool_calls ?? []).length === 0;
}

/** Templates know the field as `reasoning_content`. */
function withReasoning(message: ChatMessage): ChatMessage {
  if (message.role !== "assistant" || message.reasoning_content !== undefined) return message;
  return typeof message.reasoning === "string"
    ? { ...message, reasoning_content: message.reasoning }
    : message;
}
