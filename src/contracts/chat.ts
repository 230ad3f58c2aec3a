/** OpenAI-compatible chat, as it goes over the wire (hence snake_case), and the server contract over it. */

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };
export type JsonObject = { [key: string]: JsonValue };

export type ToolCall = {
  id: string;
  type: "function";
  /** `arguments` is the model's own text: meant to be a JSON object, not always one. */
  function: { name: string; arguments: string };
};

export type ReasoningDetail = { type?: string; text?: string; [key: string]: unknown };

export type SystemMessage = { role: "system"; content: string };
export type UserMessage = { role: "user"; content: string };
export type AssistantMessage = {
  role: "assistant";
  content: string | null;
  tool_calls?: ToolCall[];
  reasoning_content?: string;
  reasoning?: string;
  reasoning_details?: ReasoningDetail[];
};
export type ToolMessage = { role: "tool"; tool_call_id: string; content: string };
export type ChatMessage = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

/** One entry of the request's `tools`. */
export type ToolSchema = {
  type: "function";
  function: { name: string; description: string; parameters: JsonObject };
};

export type ChatRequest = {
  messages: readonly ChatMessage[];
  tools?: readonly ToolSchema[];
  tool_choice?: "auto" | "none" | "required";
  /** Number of completions. Default 1. */
  n?: number;
  temperature?: number;
  top_p?: number;
  max_tokens?: number;
  stop?: readonly string[];
  seed?: number;
  /** Provider-specific fields, merged into the top level of the request body. */
  extra_body?: JsonObject;
};

/** "length" means cut by the token limit and is never rewritten to anything else. */
export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter" | (string & {});

/** A call that could not be read: `reason` is written for the model, `raw` is its text. */
export type ToolCallError = { reason: string; raw: string };

export type ChatChoice = {
  index: number;
  message: AssistantMessage;
  finish_reason: FinishReason;
  /** Calls that the model got wrong, where its text is read here; their text stays in the message's content. */
  tool_call_errors?: ToolCallError[];
  /** The stop string or token id that ended it, where the server tells it. */
  stop_reason?: string | number;
};
export type Usage = { prompt_tokens: number; completion_tokens: number; total_tokens: number };
export type ChatCompletion = { id: string; model: string; choices: ChatChoice[]; usage?: Usage };

/** Which limits and statistics a call counts against. */
export type Split = "train" | "eval";

export type CallOptions = { signal: AbortSignal; split?: Split };

/**
 * Answers chat requests: one OpenAI-compatible server, a ServerManager over several, or a ManagedServer on
 * top of a token server. Rejects with a LachesisError (stage "inference") when no answer could be had, and
 * with the signal's reason when aborted.
 */
export interface ChatServer {
  chatCompletion(request: ChatRequest, options: CallOptions): Promise<ChatCompletion>;
}
