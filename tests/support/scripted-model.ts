/** A chat server in the same process that answers turn by turn what a test wrote down. */
import type {
  AssistantMessage,
  CallOptions,
  ChatCompletion,
  ChatRequest,
  ChatServer,
  FinishReason,
  ToolCall,
} from "../../src/contracts/chat.ts";

export type ScriptedTurn =
  | { message: Partial<AssistantMessage>; finishReason?: FinishReason; usage?: ChatCompletion["usage"] }
  | ((request: ChatRequest, options: CallOptions) => Promise<ChatCompletion>);

/** A turn that is only text. */
export const says = (content: string, finishReason: FinishReason = "stop"): ScriptedTurn => ({
  message: { content },
  finishReason,
});

/** One tool call; arguments that are no string are written as JSON. */
export const call = (name: string, args: unknown = {}, id = `id-${name}`): ToolCall => ({
  id,
  type: "function",
  function: { name, arguments: typeof args === "string" ? args : JSON.stringify(args) },
});

/** A turn with tool calls. */
export const calls = (...toolCalls: ToolCall[]): ScriptedTurn => ({
  message: { content: null, tool_calls: toolCalls },
  finishReason: "tool_calls",
});

export class ScriptedModel implements ChatServer {
  readonly requests: ChatRequest[] = [];
  readonly options: CallOptions[] = [];
  readonly #turns: readonly ScriptedTurn[];

  constructor(...turns: ScriptedTurn[]) {
    this.#turns = turns;
  }

  async chatCompletion(request: ChatRequest, options: CallOptions): Promise<ChatCompletion> {
    const turn = this.#turns[this.requests.length];
    this.requests.push(structuredClone(request));
    this.options.push(options);
    if (turn === undefined) throw new Error(`turn ${this.requests.length} is not in the script`);
    if (typeof turn === "function") return await turn(request, options);
    return {
      id: `completion-${this.requests.length}`,
      model: "scripted",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: null, ...turn.message },
          finish_reason: turn.finishReason ?? "stop",
        },
      ],
      ...(turn.usage !== undefined && { usage: turn.usage }),
    };
  }
}
