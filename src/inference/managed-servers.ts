/**
 * Token servers with their model's tokenizer, template and parsers: what environments play on when rollouts are to
 * be trained on. Each rollout opens a session of its own; what they have in common is made once.
 */
import type { CallOptions, ChatCompletion, ChatRequest, ChatServer, JsonObject } from "../contracts/chat.ts";
import type { ParseMode, ReasoningParser, ToolCallParser } from "../contracts/tool-call-parser.ts";
import { untilAborted } from "../contracts/until-aborted.ts";
import type { ChatFormat, TokenHistory } from "../tokens/chat-format.ts";
import { endOfTurnIds } from "../tokens/end-of-turn.ts";
import { type Conversation, unguarded } from "../tokens/prompt-renderer.ts";
import { ManagedServer } from "./managed-server.ts";
import { AnswerReader } from "./read-answer.ts";
import type { TokenServerManager } from "./token-server-manager.ts";

export type ManagedServersOptions = {
  /** Closed with this. */
  manager: TokenServerManager;
  format: ChatFormat;
  parser: ToolCallParser;
  reasoningParser?: ReasoningParser | null;
  /** See ManagedServerOptions. */
  toolCallMode?: ParseMode;
  tokenHistory?: TokenHistory | "auto";
  templateKwargs?: JsonObject;
  /** Tokens that the model can read and write in all; null = as the servers tell, where they do. */
  contextLength?: number | null;
  modelName: string;
  /** Sets this run's sessions apart from those of other runs on the same servers. */
  runId: string;
};

export type SessionOptions = {
  /** Unique within the run. */
  sessionId: string;
  /** A further limit to prompt and answer together. */
  contextLength?: number | undefined;
  /** See ManagedServerOptions. */
  trackTree?: boolean | undefined;
};

/** Nobody waits longer for a number that only helps. */
const infoTimeoutMs = 5_000;
/** Servers that are away are asked again, but not for ever: what asks is a rollout's turn. */
const lengthAttempts = 3;

export class ManagedServers implements ChatServer, AsyncDisposable {
  readonly #options: ManagedServersOptions;
  readonly #reader: AnswerReader;
  readonly #stopTokenIds: readonly number[];
  #calls = 0;
  #tellsVersion = true;
  #lengthAttempts = 0;
  #contextLength: Promise<number | null> | undefined;

  constructor(options: ManagedServersOptions) {
    this.#options = options;
    this.#reader = new AnswerReader(options);
    this.#stopTokenIds = endOfTurnIds(options.format);
  }

  get modelName(): string {
    return this.#options.modelName;
  }

  openSession({
    sessionId,
    contextLength = Number.POSITIVE_INFINITY,
    trackTree,
  }: SessionOptions): ManagedServer {
    const { manager, runId, contextLength: ownLength, ...model } = this.#options;
    const limit = Math.min(contextLength, ownLength ?? Number.POSITIVE_INFINITY);
    return new ManagedServer({
      ...model,
      server: manager,
      reader: this.#reader,
      stopTokenIds: this.#stopTokenIds,
      sessionId: `${runId}-${sessionId}`,
      trackTree,
      askContextLength: ownLength == null ? (options) => this.contextLength(options) : undefined,
      ...(Number.isFinite(limit) && { contextLength: limit }),
    });
  }

  /** A conversation as its first prompt, as text and as ids. Throws what the template throws. */
  async render(
    { messages, tools, kwargs }: Conversation,
    { signal }: { signal: AbortSignal },
  ): Promise<{ text: string; ids: number[] }> {
    const { format, templateKwargs } = this.#options;
    const guarded = format.prompts.render({ messages, tools, kwargs: { ...templateKwargs, ...kwargs } });
    return { text: unguarded(guarded), ids: await format.encoder.encode(guarded, { signal }) };
  }

  /** A call that belongs to no rollout: its tokens are not kept. */
  async chatCompletion(request: ChatRequest, options: CallOptions): Promise<ChatCompletion> {
    this.#calls += 1;
    return this.openSession({ sessionId: `call-${this.#calls}` }).chatCompletion(request, options);
  }

  /**
   * The number of the present weights, the oldest of several servers'; null where one doesn't tell. Servers that
   * have no such number are asked once. Never rejects.
   */
  async weightVersion({ signal }: { signal: AbortSignal }): Promise<number | null> {
    if (!this.#tellsVersion) return null;
    try {
      const inTime = AbortSignal.any([signal, AbortSignal.timeout(infoTimeoutMs)]);
      const told = await this.#options.manager.weightVersions({ signal: inTime });
      const versions = told.map(({ version }) => (/^\d{1,15}$/.test(version ?? "") ? Number(version) : null));
      this.#tellsVersion = versions.some((version) => version !== null);
      const known = versions.filter((version) => version !== null);
      return known.length < versions.length ? null : Math.min(...known);
    } catch {
      // A server that is away says nothing now; what it answers later is checked by itself.
      return null;
    }
  }

  /** The configured context length, else the servers' own word; null where there is none. Rejects when aborted only. */
  async contextLength({ signal }: { signal: AbortSignal }): Promise<number | null> {
    this.#contextLength ??= this.#askContextLength();
    return untilAborted(this.#contextLength, signal);
  }

  async #askContextLength(): Promise<number | null> {
    const { contextLength, manager } = this.#options;
    if (contextLength != null) return contextLength;
    this.#lengthAttempts += 1;
    try {
      return await manager.contextLength({ signal: AbortSignal.timeout(infoTimeoutMs) });
    } catch {
      if (this.#lengthAttempts < lengthAttempts) this.#contextLength = undefined;
      return null;
    }
  }

  /** Share of the train slots to use, 0 to 1, as the rollout API weighs this environment; one slot stays. */
  setWeight(weight: number): void {
    this.#options.manager.setWeight(weight);
  }

  /** Atropos' names: `server/server_<i>_request_time_avg` and so on, times in seconds. */
  metrics(): Record<string, number> {
    return this.#options.manager.metrics();
  }

  /** Breaks off what is in flight and closes the connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.manager.close();
  }
}
