/** A rollout on the practice tokenizer, told turn by turn: what the agent asks and what the model samples. */
import type { AssistantMessage, ChatMessage, ToolCall } from "../../src/contracts/chat.ts";
import type { Generation } from "../../src/contracts/token-server.ts";
import { ChatFormat, type TokenHistory } from "../../src/tokens/chat-format.ts";
import { ChatTemplate } from "../../src/tokens/chat-template.ts";
import { loadTokenizer } from "../../src/tokens/load-tokenizer.ts";
import { type PreparedTurn, SegmentTracker } from "../../src/tokens/segment-tracker.ts";

export const signal: AbortSignal = new AbortController().signal;

const { tokenizer, chatTemplate } = await loadTokenizer("practice", { signal });
if (chatTemplate === null) throw new Error("the practice tokenizer has lost its chat template");

export { tokenizer };
export const template: ChatTemplate = chatTemplate;
export const format: ChatFormat = new ChatFormat({ tokenizer, template });

/** ChatML that leaves out the thinking before the last user message, as Qwen3's template does. */
export const forgetful: { kwargs: { preserve_thinking: boolean } } = { kwargs: { preserve_thinking: false } };

export function trackerOf(
  tokenHistory: TokenHistory | "auto" = "template",
  source: string = template.source,
): SegmentTracker {
  const own =
    source === template.source ? format : new ChatFormat({ tokenizer, template: new ChatTemplate(source) });
  return new SegmentTracker({ format: own, tokenHistory });
}

export const user = (content: string): ChatMessage => ({ role: "user", content });
export const system = (content: string): ChatMessage => ({ role: "system", content });
export const tool = (content: string, id = "call00001"): ChatMessage => ({
  role: "tool",
  tool_call_id: id,
  content,
});
export const callOf = (name: string, args: string, id = "call00001"): ToolCall => ({
  id,
  type: "function",
  function: { name, arguments: args },
});

/** The server's answer with the text's ids, or these ids. */
export function sampled(text: string | readonly number[], changes: Partial<Generation> = {}): Generation {
  const ids = typeof text === "string" ? tokenizer.encode(text) : [...text];
  const logprobs = ids.map((_, at) => -(at + 1) / 100);
  return { ids, logprobs, logprobKind: "raw", finishReason: "stop", stopReason: null, ...changes };
}

export type Said = { text: string; message?: Partial<AssistantMessage>; changes?: Partial<Generation> };

/** One whole turn. Answers with the prompt and the message that the agent was given. */
export async function playTurn(
  tracker: SegmentTracker,
  messages: readonly ChatMessage[],
  { text, message = {}, changes = {} }: Said,
  settings: Omit<Parameters<SegmentTracker["prepare"]>[0], "messages" | "signal"> = {},
): Promise<{ prepared: PreparedTurn; answer: AssistantMessage; prompt: string }> {
  const prepared = await tracker.prepare({ messages, ...settings, signal });
  const content = text.replace(/<\|im_end\|>$/, "");
  const answer: AssistantMessage = { role: "assistant", content, ...message };
  tracker.commit(prepared, sampled(text, changes), answer);
  return { prepared, answer, prompt: tokenizer.decode(prepared.inputIds) };
}
