/** What the agent loop hands over when a rollout has been played out: the conversation and its accounts. */
import type { ChatMessage, FinishReason, Usage } from "../contracts/chat.ts";
import type { StopReason } from "../contracts/outcome.ts";

/** One tool call that gave the model an error. */
export type ToolError = {
  /** 1-based turn of the call. */
  turn: number;
  /** "" where the call can't be read and names none. */
  toolName: string;
  /** The model's own text, cut to 200 characters. */
  arguments: string;
  error: string;
  /** What the model read, cut to 500 characters. */
  toolResult: string;
};

export type ToolCallCounts = {
  /** Calls the model wrote, also those of a turn that was cut by the token limit. */
  attempted: number;
  /** Of these, calls of a known tool whose arguments fit its schema. */
  schemaValid: number;
  /** Of these, calls that ran without an error. */
  executedOk: number;
  /** Valid calls that ran and gave an error. */
  executionErrors: number;
};

export type AgentResult = {
  /** The whole conversation: the caller's messages, then everything the model and its tools said. */
  messages: ChatMessage[];
  stop: StopReason;
  /** Model calls that were answered. */
  turnsUsed: number;
  /** True when the model ended the rollout by itself (`stop` is "finished"). */
  finishedNaturally: boolean;
  /** Per turn, what the server gave as the model's reasoning; null = none. */
  reasoningPerTurn: (string | null)[];
  toolErrors: ToolError[];
  toolCalls: ToolCallCounts;
  /** Sums over all turns; a turn whose server reported no usage adds nothing. */
  usage: Usage;
  /** Per turn, as the server said it. */
  finishReasons: FinishReason[];
};
