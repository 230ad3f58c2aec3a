/**
 * The tokens that give a conversation its shape ("<|im_start|>", "</s>", "<｜User｜>"), as against tags that are
 * part of what is said ("<think>", "<tool_call>").
 *
 * A message must not be able to write the former: a file that a tool prints may hold "<|im_end|>", and if that
 * became the token, the tool's answer would end there and its next line would be a turn of its own. So such
 * literals are encoded as plain text: `guard` puts a mark into each, and where the prompt is encoded the text is
 * cut at the marks. The tags stay tokens wherever they stand, as models and their parsers expect.
 */
import type { AssistantMessage, ChatMessage, JsonValue, ToolSchema } from "../contracts/chat.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Noncharacters, which no text has reason to hold. */
export const guardMark = "\uFDD0\uFDD1\uFDD0";

/** Names under which models end a turn; a tokenizer has a few of them. */
const knownEnds = [
  "<|im_end|>",
  "<|endoftext|>",
  "<|end_of_text|>",
  "<|eot_id|>",
  "<|eom_id|>",
  "<|eot|>",
  "<|end|>",
  "<|return|>",
  "<|call|>",
  "<|end_of_turn|>",
  "<end_of_turn>",
  "<turn|>",
  "<|END_OF_TURN_TOKEN|>",
  "<｜end▁of▁sentence｜>",
  "<eos>",
  "</s>",
];

const controlTags = new Set(["s", "bos", "eos", "pad", "unk", "mask", "start_of_turn", "end_of_turn"]);

export class ControlTokens {
  /** Every control token; null for a tokenizer without any. */
  readonly pattern: RegExp | null;
  /** One of them, to stand in front of text that is encoded by itself; "" for a tokenizer without any. */
  readonly anyToken: string;
  readonly #texts: ReadonlyMap<number, string>;
  readonly #ends: ReadonlySet<string>;
  readonly #endPattern: RegExp | null;
  readonly #ids: ReadonlyMap<string, number>;

  /** `endOfTurnIds`: further ids that end a turn, as generation_config.json's `eos_token_id` lists them. */
  constructor(tokenizer: Tokenizer, { endOfTurnIds = [] }: { endOfTurnIds?: readonly number[] } = {}) {
    this.#ids = tokenizer.addedTokens;
    const control = [...tokenizer.addedTokens].filter(([text]) => isControl(text));
    this.pattern = anyOf(control.map(([text]) => text));
    this.anyToken = control[0]?.[0] ?? "";
    this.#texts = new Map(control.map(([text, id]) => [id, text]));
    const endIds = new Set([tokenizer.eosId, ...endOfTurnIds]);
    const ends = control
      .map(([text]) => text)
      .filter((text) => knownEnds.includes(text) || endIds.has(this.#ids.get(text) ?? -1));
    this.#ends = new Set(ends);
    this.#endPattern = anyOf(ends);
  }

  idOf(text: string): number | undefined {
    return this.#ids.get(text);
  }

  /** Text of the control token; "" when the id is none. */
  textOf(id: number | undefined): string {
    return id === undefined ? "" : (this.#texts.get(id) ?? "");
  }

  /** Whether models end their turn with it, whatever comes next. */
  isEnd(token: string): boolean {
    return this.#ends.has(token);
  }

  /** The control token that the text begins with; "" for none. */
  headOf(text: string): string {
    const found = this.pattern?.exec(text);
    return found?.index === 0 ? found[0] : "";
  }

  /** The first end of a turn in the text. */
  findEnd(text: string): { index: number; text: string } | null {
    const found = this.#endPattern?.exec(text);
    return found === null || found === undefined ? null : { index: found.index, text: found[0] };
  }

  /** The text with a mark in every literal control token. */
  guard(text: string): string {
    if (this.pattern === null || !this.pattern.test(text)) return text;
    return text.replaceAll(new RegExp(this.pattern, "gu"), (token) => {
      const [first = ""] = token;
      return first + guardMark + token.slice(first.length);
    });
  }

  /** The message with all its text guarded; itself where there is nothing to guard. */
  guardMessage(message: ChatMessage): ChatMessage {
    return this.pattern === null
      ? message
      : message.role === "assistant"
        ? this.#assistant(message)
        : this.#plain(message);
  }

  guardTools(tools: readonly ToolSchema[]): readonly ToolSchema[] {
    if (this.pattern === null || !this.pattern.test(JSON.stringify(tools))) return tools;
    return tools.map(({ function: { name, description, parameters }, ...rest }) => ({
      ...rest,
      function: {
        name: this.guard(name),
        description: this.guard(description),
        parameters: Object.fromEntries(
          Object.entries(parameters).map(([key, value]) => [this.guard(key), this.#value(value)]),
        ),
      },
    }));
  }

  #plain<Message extends Exclude<ChatMessage, AssistantMessage>>(message: Message): Message {
    const content = this.guard(message.content);
    return content === message.content ? message : { ...message, content };
  }

  #assistant(message: AssistantMessage): AssistantMessage {
    const { content, reasoning_content, reasoning, tool_calls } = message;
    const texts = [content, reasoning_content, reasoning];
    for (const call of tool_calls ?? []) texts.push(call.function.name, call.function.arguments);
    if (!texts.some((text) => typeof text === "string" && this.pattern?.test(text))) return message;
    const guarded: AssistantMessage = { ...message, content: content === null ? null : this.guard(content) };
    if (typeof reasoning_content === "string") guarded.reasoning_content = this.guard(reasoning_content);
    if (typeof reasoning === "string") guarded.reasoning = this.guard(reasoning);
    if (tool_calls !== undefined) {
      guarded.tool_calls = tool_calls.map((call) => ({
        ...call,
        function: {
          name: this.guard(call.function.name),
          arguments: this.guard(call.function.arguments),
        },
      }));
    }
    return guarded;
  }

  #value(value: JsonValue): JsonValue {
    if (typeof value === "string") return this.guard(value);
    if (Array.isArray(value)) return value.map((item) => this.#value(item));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [this.guard(key), this.#value(item)]),
    );
  }
}

/** "<think>" and "</tool_call>" are speech, whatever a tokenizer says of them; "<s>" and "<eos>" are not. */
function isControl(text: string): boolean {
  if (text.trim().length < 3) return false;
  const [, tag] = /^<\/?([a-z_]+)>$/.exec(text) ?? [];
  return tag === undefined || controlTags.has(tag);
}

function anyOf(texts: readonly string[]): RegExp | null {
  if (texts.length === 0) return null;
  const escaped = texts
    .toSorted((a, b) => b.length - a.length)
    .map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return new RegExp(escaped.join("|"), "u");
}
