/**
 * One rollout's view of a token server: an agent chats with it as with any server, and every id that the model was
 * given and sampled is kept. What Atropos calls a ManagedServer; it works in ids where that one compared texts.
 *
 * A turn is prepared (the rollout's ids so far, verbatim, and those of the new messages), sampled, read into a
 * message, and recorded. Calls may run at the same time; `n` samples fork the rollout.
 */
import type {
  CallOptions,
  ChatCompletion,
  ChatRequest,
  ChatServer,
  FinishReason,
  JsonObject,
  Usage,
} from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { Generation, LogprobKind, Sampling, TokenServer } from "../contracts/token-server.ts";
import type { ParseMode, ReasoningParser, ToolCallParser } from "../contracts/tool-call-parser.ts";
import type { ChatFormat, TokenHistory } from "../tokens/chat-format.ts";
import { endOfTurnIds } from "../tokens/end-of-turn.ts";
import type { RolloutSegment } from "../tokens/rollout-segments.ts";
import {
  type PreparedTurn,
  SegmentTracker,
  type TokenLimits,
  type TrackerStatistics,
} from "../tokens/segment-tracker.ts";
import { AnswerReader } from "./read-answer.ts";
import { requestSampling, type SamplingFields } from "./request-sampling.ts";
import { unmarked } from "./sampled-text.ts";
import { type SequenceNode, sequenceNode } from "./sequence-node.ts";

export type ManagedServerOptions = {
  server: TokenServer;
  /** Tokenizer and chat template, shared by the rollouts of one model. */
  format: ChatFormat;
  parser: ToolCallParser;
  /** None: thinking stays in the content. */
  reasoningParser?: ReasoningParser | null | undefined;
  /** Default "strict": good calls are kept beside broken ones, which the choice's `tool_call_errors` tell. */
  toolCallMode?: ParseMode | undefined;
  /** Default "auto": per template, see SegmentTracker. */
  tokenHistory?: TokenHistory | "auto" | undefined;
  /** Names the rollout to servers, which keep its prefix cached. */
  sessionId: string;
  /** Tokens that the model can read and write in all. Default: no limit is known. */
  contextLength?: number | undefined;
  /** Further such a limit, which has to be asked for; asked before each call. */
  askContextLength?: ((options: { signal: AbortSignal }) => Promise<number | null>) | undefined;
  /** Further variables of the chat template, for every request. */
  templateKwargs?: JsonObject | undefined;
  /** Ids to stop at. Default: those with which the model ends its turn. */
  stopTokenIds?: readonly number[] | undefined;
  /** Default: made for this server. Rollouts of one model may share one. */
  reader?: AnswerReader | undefined;
  modelName?: string | undefined;
  /** Keeps a node for every answer, not only for those that none follows. */
  trackTree?: boolean | undefined;
};

export type TextRequest = SamplingFields & { prompt: string };
export type TextCompletion = {
  id: string;
  model: string;
  choices: { index: number; text: string; finish_reason: FinishReason }[];
  usage: Usage;
};

/** How the ids were sampled, as trainers need to know it. */
export type SamplingRecord = Pick<
  Sampling,
  "temperature" | "top_p" | "top_k" | "min_p" | "repetition_penalty" | "max_tokens"
> & { logprob_kind: LogprobKind };

export class ManagedServer implements ChatServer {
  readonly #options: ManagedServerOptions;
  readonly #reader: AnswerReader;
  readonly #stopTokenIds: readonly number[];
  #tracker: SegmentTracker;
  #tree: SequenceNode[] = [];
  #lastSampling: SamplingRecord | null = null;
  #calls = 0;

  constructor(options: ManagedServerOptions) {
    this.#options = options;
    this.#reader = options.reader ?? new AnswerReader(options);
    this.#stopTokenIds = options.stopTokenIds ?? endOfTurnIds(options.format);
    this.#tracker = this.#newTracker();
  }

  /**
   * Rejects with INFERENCE_CONTEXT_FULL, before any call, when the conversation leaves no room for an answer; with
   * TOKEN_AUDIT_FAILED when what came can't be trained on.
   */
  async chatCompletion(request: ChatRequest, { signal, split }: CallOptions): Promise<ChatCompletion> {
    const tracker = this.#tracker;
    const { messages, tools = [], tool_choice: choice } = request;
    const { sampling, templateKwargs } = requestSampling(request, { stopTokenIds: this.#stopTokenIds });
    const kwargs = { ...this.#options.templateKwargs, ...templateKwargs };
    const offered = choice === "none" ? [] : tools;
    const limits = await this.#limits(sampling, signal);
    const prepared = await tracker.prepare({ messages, tools: offered, kwargs, ...limits });
    const generations = await this.#sample(prepared, sampling, limits, { signal, split });
    const context = {
      promptIds: prepared.inputIds,
      tools: offered.length > 0 ? offered : null,
      kwargs,
    };
    const choices = generations.map((generation, index) => {
      const { message, finishReason, errors } = this.#reader.read(generation, context);
      this.#commit(tracker, prepared, generation, message);
      const { stopReason } = generation;
      return {
        index,
        message,
        finish_reason: finishReason,
        ...(errors.length > 0 && { tool_call_errors: errors }),
        ...(stopReason !== null && { stop_reason: stopReason }),
      };
    });
    return {
      id: this.#nextId("chatcmpl"),
      model: this.#model,
      choices,
      usage: usageOf(prepared, generations),
    };
  }

  /** Continues a text. A prompt that begins with an earlier one and its answer goes on from that answer's ids. */
  async completion(request: TextRequest, { signal, split }: CallOptions): Promise<TextCompletion> {
    const tracker = this.#tracker;
    const { sampling } = requestSampling(request, { stopTokenIds: this.#stopTokenIds });
    const limits = await this.#limits(sampling, signal);
    const prepared = await tracker.prepareText({ prompt: request.prompt, ...limits });
    const generations = await this.#sample(prepared, sampling, limits, { signal, split });
    const choices = generations.map((generation, index) => {
      const text = unmarked(this.#reader.text(generation));
      this.#commit(tracker, prepared, generation, { role: "assistant", content: text });
      return { index, text, finish_reason: generation.finishReason };
    });
    return { id: this.#nextId("cmpl"), model: this.#model, choices, usage: usageOf(prepared, generations) };
  }

  /** What there is to train on; every sampled id is `sampled` in exactly one segment. Oldest first. */
  segments(options: { abandoned?: "keep" | "drop" } = {}): RolloutSegment[] {
    return this.#tracker.segments(options);
  }

  /** Atropos' layout: a node for each segment, or in tree mode for each answer. */
  getState(): { nodes: SequenceNode[] } {
    if (this.#options.trackTree) return { nodes: [...this.#tree] };
    return { nodes: this.segments().map((segment) => sequenceNode(segment, this.#options.format.tokenizer)) };
  }

  /** How the last answer was sampled; null before the first. */
  samplingRecord(): SamplingRecord | null {
    return this.#lastSampling;
  }

  statistics(): TrackerStatistics {
    return this.#tracker.statistics();
  }

  /** Forgets everything. What is still under way is not recorded any more. */
  reset(): void {
    this.#tracker = this.#newTracker();
    this.#tree = [];
  }

  get #model(): string {
    return this.#options.modelName ?? "";
  }

  #newTracker(): SegmentTracker {
    const { format, tokenHistory = "auto" } = this.#options;
    return new SegmentTracker({ format, tokenHistory });
  }

  async #limits({ max_tokens }: Sampling, signal: AbortSignal): Promise<TokenLimits> {
    const { contextLength, askContextLength } = this.#options;
    const told = await askContextLength?.({ signal });
    const known = [contextLength, told].filter((length) => typeof length === "number");
    return { maxTokens: max_tokens, signal, ...(known.length > 0 && { contextLength: Math.min(...known) }) };
  }

  async #sample(
    { inputIds, isContextFull, maxTokens }: PreparedTurn,
    sampling: Sampling,
    { contextLength }: TokenLimits,
    options: CallOptions,
  ): Promise<Generation[]> {
    const { server, sessionId } = this.#options;
    if (isContextFull) {
      throw new LachesisError(
        "INFERENCE_CONTEXT_FULL",
        `The conversation has ${inputIds.length} tokens; the context holds ${contextLength}, answer included.`,
      );
    }
    const limited = { ...sampling, max_tokens: maxTokens ?? sampling.max_tokens };
    const generations = await server.generate({ inputIds, sampling: limited, sessionId }, options);
    const { temperature, top_p, top_k, min_p, repetition_penalty, max_tokens } = sampling;
    const kind = generations[0]?.logprobKind ?? "raw";
    const record = { temperature, top_p, top_k, min_p, repetition_penalty, max_tokens };
    this.#lastSampling = { ...record, logprob_kind: kind };
    return generations;
  }

  #commit(tracker: SegmentTracker, ...turn: Parameters<SegmentTracker["commit"]>): void {
    tracker.commit(...turn);
    if (!this.#options.trackTree || tracker !== this.#tracker) return;
    const newest = tracker.segments().at(-1);
    if (newest !== undefined) this.#tree.push(sequenceNode(newest, this.#options.format.tokenizer));
  }

  #nextId(kind: string): string {
    this.#calls += 1;
    return `${kind}-${this.#options.sessionId}-${this.#calls}`;
  }
}

function usageOf({ inputIds }: PreparedTurn, generations: readonly Generation[]): Usage {
  const sampled = generations.reduce((sum, { ids }) => sum + ids.length, 0);
  return {
    prompt_tokens: inputIds.length,
    completion_tokens: sampled,
    total_tokens: inputIds.length + sampled,
  };
}
