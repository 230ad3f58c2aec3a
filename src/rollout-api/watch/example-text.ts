/**
 * A group's conversations as short plain text for people: the wire allows any JSON as a message's content,
 * and a single message can have a book in it. What is left out is said.
 */
import { messagesOf, scoresOf, tokensOf } from "../stored-group.ts";

/** Makes text of token ids. */
export type DecodeTokens = (ids: readonly number[]) => string;

export type ExampleMessage = { role: string; text: string };
export type ExampleSequence = { score: number | null; messages: readonly ExampleMessage[] };

const MAX_SEQUENCES = 4;
const MAX_MESSAGES = 24;
const MAX_CHARACTERS = 3000;
const MAX_ROLE_CHARACTERS = 32;
/** Enough for the characters that are shown. */
const MAX_DECODED_TOKENS = 4096;

/**
 * The first few sequences of a group: its messages, or else its tokens as text where they can be decoded;
 * null = there is nothing to read.
 */
export function exampleOf(body: Buffer, decode?: DecodeTokens): readonly ExampleSequence[] | null {
  const conversations = messagesOf(body) ?? (decode && decodedConversations(body, decode));
  if (conversations === undefined) return null;
  const scores = scoresOf(body);
  return conversations.slice(0, MAX_SEQUENCES).map((conversation, index) => ({
    score: scores[index] ?? null,
    messages: Array.isArray(conversation) ? shorten(conversation).map(toMessage) : [],
  }));
}

/** Each sequence as one message, from its beginning. */
function decodedConversations(body: Buffer, decode: DecodeTokens): readonly unknown[] | undefined {
  const sequences = tokensOf(body);
  if (sequences.length === 0) return undefined;
  return sequences
    .slice(0, MAX_SEQUENCES)
    .map((ids) => [{ role: "tokens", content: decode(ids.slice(0, MAX_DECODED_TOKENS)) }]);
}

/** The beginning (the task) and the end (the answer) say most. */
function shorten(conversation: readonly unknown[]): readonly unknown[] {
  if (conversation.length <= MAX_MESSAGES) return conversation;
  const head = conversation.slice(0, MAX_MESSAGES / 2);
  const tail = conversation.slice(-MAX_MESSAGES / 2);
  const leftOut = conversation.length - head.length - tail.length;
  return [...head, { role: "…", content: `${leftOut} messages are left out here` }, ...tail];
}

function toMessage(message: unknown): ExampleMessage {
  const { role, content, tool_calls: toolCalls } = fieldsOf(message);
  const calls = Array.isArray(toolCalls) ? toolCalls.map(callText) : [];
  const text = [contentText(content), ...calls].filter((part) => part !== "").join("\n");
  return {
    role: cut(typeof role === "string" ? role : jsonText(role), MAX_ROLE_CHARACTERS),
    text: cut(text),
  };
}

/** Content is a string, or a list of parts of which the texts count, or anything. */
function contentText(content: unknown): string {
  if (content === null || content === undefined) return "";
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return jsonText(content);
  return content.map(partText).join("\n");
}

function partText(part: unknown): string {
  const { text, type } = fieldsOf(part);
  if (typeof text === "string") return text;
  return typeof type === "string" ? `[${type}]` : jsonText(part);
}

function callText(call: unknown): string {
  const { name, arguments: input } = fieldsOf(fieldsOf(call).function);
  return `→ ${typeof name === "string" ? name : "?"}(${typeof input === "string" ? input : jsonText(input)})`;
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function jsonText(value: unknown): string {
  return JSON.stringify(value) ?? "";
}

function cut(text: string, limit = MAX_CHARACTERS): string {
  if (text.length <= limit) return text;
  return `${text.slice(0, limit)}… (${text.length - limit} more characters)`;
}
