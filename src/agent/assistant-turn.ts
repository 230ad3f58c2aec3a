/** One answer of the server as the turn that goes into the conversation. */
import type { AssistantMessage, ChatChoice, ToolCall, ToolCallError } from "../contracts/chat.ts";

export type AssistantTurn = {
  message: AssistantMessage;
  calls: ToolCall[];
  /** Calls that the model meant and that nobody can read. */
  broken: readonly ToolCallError[];
  reasoning: string | null;
};

/**
 * The turn to keep: reasoning as the server gave it, and tool calls whose ids are unique in the turn, so that
 * each reply can name its call. Everything else is the model's and stays as it is.
 */
export function assistantTurn(
  { message, tool_call_errors: broken = [] }: ChatChoice,
  turn: number,
): AssistantTurn {
  const calls = withUniqueIds(message.tool_calls ?? [], turn);
  return {
    message: {
      role: "assistant",
      content: message.content ?? "",
      ...(message.reasoning_content !== undefined && { reasoning_content: message.reasoning_content }),
      ...(message.reasoning !== undefined && { reasoning: message.reasoning }),
      ...(message.reasoning_details !== undefined && { reasoning_details: message.reasoning_details }),
      ...(calls.length > 0 && { tool_calls: calls }),
    },
    calls,
    broken,
    reasoning: reasoningOf(message),
  };
}

/** The first that is not empty of the three places where servers put it. */
function reasoningOf({ reasoning_content, reasoning, reasoning_details }: AssistantMessage): string | null {
  const detail = reasoning_details?.find(({ text }) => typeof text === "string" && text !== "")?.text;
  return reasoning_content || reasoning || detail || null;
}

function withUniqueIds(calls: readonly ToolCall[], turn: number): ToolCall[] {
  const given = new Set(calls.map(({ id }) => id));
  const used = new Set<string>();
  return calls.map((call, index) => {
    let id = call.id;
    for (let attempt = 0; !id || used.has(id); attempt++) {
      const candidate = attempt === 0 ? `call_${turn}_${index}` : `call_${turn}_${index}_${attempt}`;
      id = given.has(candidate) ? "" : candidate;
    }
    used.add(id);
    return {
      id,
      type: "function",
      function: { name: call.function.name, arguments: call.function.arguments },
    };
  });
}
