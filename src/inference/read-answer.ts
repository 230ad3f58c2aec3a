/** What an agent is given for a sampled answer: thinking, words and tool calls, read from the very ids. */
import type {
  AssistantMessage,
  FinishReason,
  JsonObject,
  ToolCallError,
  ToolSchema,
} from "../contracts/chat.ts";
import type { Generation } from "../contracts/token-server.ts";
import type { ParseMode, ReasoningParser, ToolCallParser } from "../contracts/tool-call-parser.ts";
import type { ChatFormat } from "../tokens/chat-format.ts";
import { SampledText, unmarked } from "./sampled-text.ts";

export type AnswerReaderOptions = {
  format: ChatFormat;
  parser: ToolCallParser;
  /** None: thinking stays in the content, as the model wrote it. */
  reasoningParser?: ReasoningParser | null | undefined;
  /** Default "strict". With "vllm" a broken call is what vLLM makes of it, and nobody is told. */
  toolCallMode?: ParseMode | undefined;
};

export type AnswerContext = {
  /** The ids that the answer goes on from. */
  promptIds: readonly number[];
  /** Null: calls are not looked for. */
  tools: readonly ToolSchema[] | null;
  kwargs: JsonObject;
};

export type ReadAnswer = {
  message: AssistantMessage;
  finishReason: FinishReason;
  /** Calls that can't be read; their text is in the content. */
  errors: ToolCallError[];
};

/** Enough to see whether the prompt ends within a thought. */
const promptTailIds = 16;

/** Any family's tag around thinking, e.g. "</think>", "[THINK]", "<|START_THINKING|>", "<|channel>". */
const thinkingTag = /[<[◁][^<>[\]◁▷\s]{0,24}(?:think|channel)[^<>[\]◁▷\s]{0,12}[>\]▷]/i;

export class AnswerReader {
  readonly #options: AnswerReaderOptions;
  readonly #sampledText: SampledText;

  constructor(options: AnswerReaderOptions) {
    this.#options = options;
    this.#sampledText = new SampledText(options.format.tokenizer);
  }

  /** "length" stays what it is, also where calls were read before the cut. */
  read(generation: Generation, context: AnswerContext): ReadAnswer {
    const text = this.text(generation);
    const { reasoning, answer } = this.#splitReasoning(text, context);
    const { content, calls, ownReasoning, errors } = this.#parseCalls(answer, context.tools);
    const thought = reasoning ?? ownReasoning;
    return {
      message: {
        role: "assistant",
        content,
        ...(thought !== null && thought !== "" && { reasoning_content: unmarked(thought) }),
        ...(calls.length > 0 && { tool_calls: calls }),
      },
      finishReason:
        generation.finishReason === "stop" && calls.length > 0 ? "tool_calls" : generation.finishReason,
      errors,
    };
  }

  /** Literal markers marked; without the token or string that ended the answer, as servers' own text is. */
  text({ ids, finishReason, stopReason }: Generation): string {
    const { control } = this.#options.format;
    const last = ids.at(-1);
    const endsTurn =
      finishReason !== "length" && (control.isEnd(control.textOf(last)) || last === stopReason);
    const text = this.#sampledText.read(endsTurn ? ids.slice(0, -1) : ids);
    const stopAt = typeof stopReason === "string" ? text.indexOf(stopReason) : -1;
    return stopAt === -1 ? text : text.slice(0, stopAt);
  }

  #splitReasoning(
    text: string,
    { promptIds, kwargs }: AnswerContext,
  ): { reasoning: string | null; answer: string } {
    const { reasoningParser, format } = this.#options;
    if (reasoningParser === null || reasoningParser === undefined) return { reasoning: null, answer: text };
    const tail = format.tokenizer.decode(promptIds.slice(-promptTailIds));
    const isOpen = /<think>\s*$/.test(tail);
    const thinking = isOpen || (kwargs.enable_thinking !== false && thinkingTag.test(text));
    const split = reasoningParser.split(isOpen ? `<think>${text}` : text, { thinking });
    // Parsers that take an answer for thinking until it is closed are wrong where nothing ever opened it.
    if (!thinking && split.content === null) return { reasoning: null, answer: text };
    return { reasoning: split.reasoning, answer: split.content ?? "" };
  }

  #parseCalls(answer: string, tools: readonly ToolSchema[] | null) {
    if (tools === null) return { content: unmarked(answer), calls: [], ownReasoning: null, errors: [] };
    const { parser, toolCallMode: mode = "strict" } = this.#options;
    const parsed = parser.parse(answer, { tools, mode });
    const calls = parsed.toolCalls.map(({ id, name, arguments: written }) => ({
      id,
      type: "function" as const,
      function: { name: unmarked(name), arguments: unmarked(written) },
    }));
    const content = parsed.content === null ? null : unmarked(parsed.content);
    const told = mode === "strict" ? parsed.errors : [];
    const errors = told.map(({ reason, raw }) => ({ reason: unmarked(reason), raw: unmarked(raw) }));
    return { content, calls, ownReasoning: parsed.reasoning, errors };
  }
}
