/**
 * Whether a message that an agent hands back is one that it was given. SDKs and agents change what means
 * nothing: they write null for "", parse and re-write a call's arguments, make up call ids of their own, and
 * leave out the thinking, which OpenAI's API has no field for.
 */
import type { AssistantMessage, ChatMessage, ToolCall } from "../contracts/chat.ts";
import { tryPythonJsonParse } from "../contracts/python-json.ts";
import { pythonJsonDumps } from "../contracts/python-json-dumps.ts";

export function sameMessage(known: ChatMessage, given: ChatMessage): boolean {
  switch (known.role) {
    case "assistant":
      return given.role === "assistant" && sameAnswer(known, given);
    case "tool":
      return (
        given.role === "tool" && known.content === given.content && known.tool_call_id === given.tool_call_id
      );
    case "system":
    case "user":
      return given.role === known.role && known.content === given.content;
    default:
      return known satisfies never;
  }
}

/** Whether the conversation has the messages at the place. */
export function hasMessagesAt(
  conversation: readonly ChatMessage[],
  messages: readonly ChatMessage[],
  at: number,
): boolean {
  if (conversation.length < at + messages.length) return false;
  return messages.every((message, index) => {
    const given = conversation[at + index];
    return given !== undefined && (given === message || sameMessage(message, given));
  });
}

/** The answer's thinking, wherever it is kept, without white space around it; "" for none. */
export function reasoningOf({ reasoning_content, reasoning, content }: AssistantMessage): string {
  const apart = reasoning_content ?? reasoning;
  if (typeof apart === "string" && apart.trim() !== "") return apart.trim();
  const inline = /^(?:\s*<think>)?([\s\S]*?)<\/think>/.exec(content ?? "");
  return inline?.[1]?.trim() ?? "";
}

function sameAnswer(known: AssistantMessage, given: AssistantMessage): boolean {
  if ((known.content ?? "").trim() !== (given.content ?? "").trim()) return false;
  const [thought, givenThought] = [reasoningOf(known), reasoningOf(given)];
  if (givenThought !== "" && givenThought !== thought) return false;
  const [calls, givenCalls] = [known.tool_calls ?? [], given.tool_calls ?? []];
  return (
    calls.length === givenCalls.length && calls.every((call, index) => sameCall(call, givenCalls[index]))
  );
}

function sameCall(known: ToolCall, given: ToolCall | undefined): boolean {
  if (given === undefined || known.function.name !== given.function.name) return false;
  const [a, b] = [known.function.arguments, given.function.arguments];
  return a === b || canonicalJson(a) === canonicalJson(b);
}

function canonicalJson(text: string): string {
  const parsed = tryPythonJsonParse(text);
  return parsed.ok ? pythonJsonDumps(parsed.value, { sortKeys: true }) : text;
}
