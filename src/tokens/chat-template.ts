/**
 * A model's chat template: messages and tools to the very text that Python's transformers would give, since
 * that is what the model was trained on. Compiled once. The variables are those of `apply_chat_template`:
 * messages, tools, add_generation_prompt, the special tokens, and whatever the caller adds.
 */
import type { ChatMessage, JsonObject, ToolSchema } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import { toPythonValue } from "../contracts/python-json.ts";
import { JinjaTemplate } from "./jinja/template.ts";
import { TemplateError } from "./jinja/template-error.ts";
import { type JinjaFunction, type JinjaValue, toText } from "./jinja/values.ts";
import { strftime } from "./strftime.ts";
import { templateMessage } from "./template-message.ts";

export type RenderOptions = {
  messages: readonly ChatMessage[];
  /** None and an empty list are the same: no tools. */
  tools?: readonly ToolSchema[];
  /** Whether the text ends where the model is to go on: after the opening of an assistant message. */
  addGenerationPrompt: boolean;
  /** Further variables of the template, e.g. `{ enable_thinking: false }`. They win over all others. */
  kwargs?: JsonObject;
};

export type ChatTemplateOptions = {
  /** Where it was loaded from, for messages. */
  name?: string;
  /** `bos_token`, `eos_token`, ...: the texts of the tokenizer's special tokens. */
  specialTokens?: Readonly<Record<string, string>>;
  /** The template for requests with tools, where a model has one of its own. */
  toolUseSource?: string;
  /** Milliseconds since 1970, for `strftime_now`. Default: Date.now. */
  clock?: () => number;
};

export class ChatTemplate {
  /** The Jinja text. */
  readonly source: string;
  readonly #name: string;
  readonly #specialTokens: ReadonlyMap<string, JinjaValue>;
  readonly #template: Compiled;
  readonly #toolUse: Compiled | null;

  /** Throws CHAT_TEMPLATE_INVALID. */
  constructor(source: string, options: ChatTemplateOptions = {}) {
    const { name = "the chat template", specialTokens = {}, toolUseSource, clock = Date.now } = options;
    this.source = source;
    this.#name = name;
    this.#specialTokens = new Map(Object.entries(specialTokens));
    this.#template = this.#compile(source, clock);
    this.#toolUse = toolUseSource === undefined ? null : this.#compile(toolUseSource, clock);
  }

  /** Throws CHAT_TEMPLATE_REFUSED (the template said no) or CHAT_TEMPLATE_FAILED (it broke on these values). */
  render({ messages, tools = [], addGenerationPrompt, kwargs = {} }: RenderOptions): string {
    const { template, takesNone } = (tools.length > 0 && this.#toolUse) || this.#template;
    const variables = new Map<string, JinjaValue>([
      ...this.#specialTokens,
      ["messages", messages.map((message) => templateMessage(message, { takesNone }))],
      ["tools", tools.length > 0 ? tools.map((tool) => toPythonValue(tool)) : null],
      ["documents", null],
      ["add_generation_prompt", addGenerationPrompt],
      ...Object.entries(kwargs).map(([key, value]) => [key, toPythonValue(value)] as const),
    ]);
    try {
      return template.render(variables);
    } catch (error) {
      throw this.#renderError(error);
    }
  }

  #compile(source: string, clock: () => number): Compiled {
    try {
      return {
        template: new JinjaTemplate(source, templateFunctions(clock)),
        takesNone: asksForNone(source),
      };
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      throw new LachesisError(
        "CHAT_TEMPLATE_INVALID",
        `${this.#name} is no Jinja template: ${error.message}`,
        {
          hint: "Mend the template's text, or take the one that the model's publisher ships.",
          cause: error,
        },
      );
    }
  }

  #renderError(error: unknown): unknown {
    if (error instanceof RangeError) {
      return new LachesisError(
        "CHAT_TEMPLATE_FAILED",
        `${this.#name} nests too deeply or writes too much text.`,
        {
          cause: error,
        },
      );
    }
    if (!(error instanceof TemplateError)) return error;
    if (error.kind === "refused") {
      return new LachesisError(
        "CHAT_TEMPLATE_REFUSED",
        `${this.#name} refuses the messages: ${error.message}`,
        {
          hint: "Give it messages in the order and with the roles that the model knows.",
          cause: error,
        },
      );
    }
    return new LachesisError(
      "CHAT_TEMPLATE_FAILED",
      `${this.#name} can't render the messages: ${error.message}`,
      {
        hint: "The template expects a field or type that a message doesn't have; its text tells which.",
        cause: error,
      },
    );
  }
}

type Compiled = { template: JinjaTemplate; takesNone: boolean };

/** Does it know that content may be None, as it is in OpenAI's messages that only call tools? */
function asksForNone(source: string): boolean {
  return /(?<!\w)content['"]?\]?\s+is\s+(?:not\s+)?none\b/i.test(source);
}

function templateFunctions(clock: () => number): ReadonlyMap<string, JinjaFunction> {
  return new Map<string, JinjaFunction>([
    [
      "raise_exception",
      ({ positional }) => {
        throw new TemplateError("refused", toText(positional[0]));
      },
    ],
    ["strftime_now", ({ positional }) => strftime(new Date(clock()), toText(positional[0]))],
  ]);
}
