/**
 * Replies to calls that can't be read. They are no calls of the message, which keeps them as the text they are: the
 * conversation is what the model wrote, and no template has to write a call that there is not.
 */
import type { ChatMessage } from "../contracts/chat.ts";

/**
 * After results of good calls the replies are further results. Otherwise they are a user's message, for not every
 * template writes results where no call was made; in the words in which Hermes' and Qwen's templates write
 * results, which Qwen3's then takes for some: the thinking before it stays.
 */
export function brokenCallReplies(
  contents: readonly string[],
  { turn, afterResults }: { turn: number; afterResults: boolean },
): ChatMessage[] {
  if (contents.length === 0) return [];
  if (afterResults) {
    return contents.map((content, index) => ({
      role: "tool",
      tool_call_id: brokenCallId(turn, index),
      content,
    }));
  }
  const results = contents.map((content) => `<tool_response>\n${content}\n</tool_response>`);
  return [{ role: "user", content: results.join("\n") }];
}

/** The tool that the text of a broken call names, in JSON or in a tag; "" where it names none. */
export function calledName(raw: string): string {
  const [, json, tag] = /"name"\s*:\s*"([^"\\\n]{1,64})"|<function=([^>\s]{1,64})>/.exec(raw) ?? [];
  return json ?? tag ?? "";
}

/** Nine letters and digits, as Mistral's template wants them. */
function brokenCallId(turn: number, index: number): string {
  return `b${String(turn).padStart(4, "0")}${String(index).padStart(4, "0")}`;
}
