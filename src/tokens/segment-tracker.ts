/**
 * The tokens of one rollout, exactly as the model was given and sampled them.
 *
 * `prepare` turns a chat request into prompt ids: the ids of the segment that the request goes on from, verbatim,
 * and those of what came since. `commit` records what the model sampled. The model's own text is never encoded, so
 * what is trained on is what was sampled, however odd its tokens are. Calls may run at the same time and a prompt
 * may be answered more than once: branches share what they have in common.
 */
import type { AssistantMessage, ChatMessage } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { Generation } from "../contracts/token-server.ts";
import type { ChatFormat, TokenHistory } from "./chat-format.ts";
import { type Conversation, unguarded } from "./prompt-renderer.ts";
import { collectSegments, type RolloutSegment } from "./rollout-segments.ts";
import { type FoundTurn, type NewSegmentReason, type PromptNode, SegmentStore } from "./segment-store.ts";
import { findTextTurn } from "./text-prompt.ts";
import { auditGeneration, auditPrompt } from "./token-audit.ts";
import { type PlanRequest, type PromptPlan, TurnPlanner } from "./turn-planner.ts";
import { heldTraits, joinTraits, traitsOf } from "./turn-renderer.ts";

export type SegmentTrackerOptions = {
  /** Shared by the rollouts of one model. */
  format: ChatFormat;
  /** Default "auto": per template, see `ChatFormat.defaultHistory`. */
  tokenHistory?: TokenHistory | "auto";
};

export type TokenLimits = {
  /** Tokens that the model can read and write in all. */
  contextLength?: number | undefined;
  /** Tokens to sample at most. */
  maxTokens?: number | undefined;
  signal: AbortSignal;
};

export type PreparedTurn = {
  readonly inputIds: readonly number[];
  readonly kind: "extend" | "new";
  /** Why a new segment begins; null when one is extended. */
  readonly reason: NewSegmentReason | null;
  /** Tokens to ask for: no more than the context has room for. Null when no limit was given. */
  readonly maxTokens: number | null;
  /** Nothing can be sampled: the prompt fills the context. */
  readonly isContextFull: boolean;
  /** Opaque: for `commit`. */
  readonly prompt: PromptNode;
  /** Opaque: which call of the rollout it is. */
  readonly call: number;
};

export type TrackerStatistics = {
  turns: number;
  extended: number;
  /** Turns that share their prompt with another turn, or go on from one that others went on from. */
  forked: number;
  started: Partial<Record<NewSegmentReason, number>>;
  /** Whole conversations that were rendered: the first, each new segment's, and checks at doubling lengths. */
  wholeRenders: number;
  /** False when the template looks further back than a window: each turn then renders the whole conversation. */
  rendersWindows: boolean;
};

export class SegmentTracker {
  readonly #format: ChatFormat;
  readonly #store = new SegmentStore();
  readonly #planner: TurnPlanner;
  readonly #prepared = new WeakSet<PreparedTurn>();
  readonly #statistics = { turns: 0, extended: 0, forked: 0 };
  readonly #started: Partial<Record<NewSegmentReason, number>> = {};
  #calls = 0;

  constructor({ format, tokenHistory = "auto" }: SegmentTrackerOptions) {
    this.#format = format;
    this.#planner = new TurnPlanner(format, this.#store, tokenHistory);
  }

  /** Throws what the template throws when it refuses the conversation. */
  async prepare({
    messages: asked,
    tools,
    kwargs,
    ...limits
  }: Conversation & TokenLimits): Promise<PreparedTurn> {
    limits.signal.throwIfAborted();
    const settings = { tools, kwargs };
    const settingsKey = JSON.stringify([tools ?? [], kwargs ?? {}]);
    const found = this.#planner.find(asked);
    const messages = found === null ? asked : this.#asCommitted(asked, found);
    const request: PlanRequest = { messages, settings, settingsKey };
    const known = this.#store.findPrompt(messages, found, settingsKey);
    if (known !== null) return this.#handOut(known, limits);

    const plan = this.#planner.plan(found, request);
    const since = plan.kind === "extend" ? messages.slice(found?.messageCount ?? 0) : messages;
    const kept = since.map(copyOf);
    const ids = await this.#encode(plan, limits.signal);
    // Another call may have made the same prompt meanwhile.
    const made = this.#store.findPrompt(messages, found, settingsKey);
    return this.#handOut(made ?? this.#add(plan, { messages: kept, settings: settingsKey, ids }), limits);
  }

  /**
   * A prompt that is given as text, for completion APIs. It extends the segment with the longest text that it
   * starts with, whether or not it repeats the token that ended the last answer.
   */
  async prepareText({ prompt: text, ...limits }: { prompt: string } & TokenLimits): Promise<PreparedTurn> {
    limits.signal.throwIfAborted();
    const found = findTextTurn(this.#store, text);
    const rest = text.slice(found?.end ?? 0);
    const plan: PromptPlan =
      found === null
        ? { kind: "new", reason: this.#calls === 0 ? "first-turn" : "other-conversation", text }
        : { kind: "extend", after: found.turn, text: rest, afterAnswer: rest };
    const encoded = await this.#encode(plan, limits.signal);
    const ids = found === null ? this.#format.withBos(encoded) : encoded;
    const known = [...this.#store.roots, ...(found?.turn.prompts ?? [])].find(
      (prompt) => prompt.messages === null && prompt.after === (found?.turn ?? null) && prompt.text === rest,
    );
    return this.#handOut(known ?? this.#add(plan, { messages: null, settings: "", ids }), limits);
  }

  /**
   * Records one sampled answer and the message that the agent is given for it. May be called several times for one
   * prepared turn (n > 1). Throws TOKEN_AUDIT_FAILED, and records nothing, when the tokens can't be trusted.
   */
  commit(prepared: PreparedTurn, generation: Generation, message: AssistantMessage): void {
    const { prompt, call } = prepared;
    const turn = prompt.after === null ? 1 : this.#store.pathTo(prompt.after).length + 1;
    if (!this.#prepared.has(prepared)) {
      throw new LachesisError(
        "TOKEN_AUDIT_FAILED",
        `Turn ${turn} was not prepared by this rollout's tracker.`,
      );
    }
    auditGeneration(generation, { turn, vocabularySize: this.#format.tokenizer.vocabularySize });
    auditPrompt(prepared.inputIds, this.#store.idsOf(prompt), turn);
    const isFork =
      prompt.turns.length > 0 || (prompt.after?.prompts ?? []).some(({ turns }) => turns.length > 0);
    const ids = [...generation.ids];
    const last = this.#format.control.textOf(ids.at(-1));
    const isEnded = generation.finishReason !== "length" || this.#format.control.isEnd(last);
    this.#store.addTurn({
      prompt,
      message: copyOf(message),
      ids,
      logprobs: [...generation.logprobs],
      versions: generation.versions === undefined ? null : [...generation.versions],
      finishReason: generation.finishReason,
      text: this.#format.tokenizer.decode(ids),
      end: isEnded ? last : "",
      call,
      traits: joinTraits(prompt.after?.traits ?? prompt.held, traitsOf(message)),
    });
    this.#count(prompt, isFork);
  }

  /**
   * What there is to train on: one segment for each turn that none follows, in the order of their commits. Each
   * sampled id is marked `sampled` in exactly one of them, the newest that holds it. `abandoned: "drop"` leaves
   * out answers whose prompt was asked again later and which nothing followed: retries.
   */
  segments({ abandoned = "keep" }: { abandoned?: "keep" | "drop" } = {}): RolloutSegment[] {
    return collectSegments(this.#store, { abandoned });
  }

  statistics(): TrackerStatistics {
    return {
      ...this.#statistics,
      started: { ...this.#started },
      wholeRenders: this.#planner.wholeRenders,
      rendersWindows: this.#planner.trustsWindow,
    };
  }

  /** Agents hand answers back changed where it means nothing, without their thinking for one. */
  #asCommitted(asked: readonly ChatMessage[], { turn, messageCount }: FoundTurn): ChatMessage[] {
    return [...this.#store.messagesTo(turn), ...asked.slice(messageCount)];
  }

  #encode(plan: PromptPlan, signal: AbortSignal): Promise<number[]> {
    const { encoder, control } = this.#format;
    if (plan.kind === "new") return encoder.encode(plan.text, { signal });
    return encoder.encodeAfter(plan.after.end || control.anyToken, plan.text, { signal });
  }

  #add(
    plan: PromptPlan,
    { messages, settings, ids }: Pick<PromptNode, "messages" | "settings" | "ids">,
  ): PromptNode {
    const text = unguarded(plan.text);
    const own = { messages, settings, ids, text };
    if (plan.kind === "new") {
      const held = heldTraits(messages ?? [], text);
      return this.#store.addPrompt({ ...own, after: null, reason: plan.reason, afterAnswer: "", held });
    }
    const afterAnswer = unguarded(plan.afterAnswer);
    return this.#store.addPrompt({ ...own, after: plan.after, reason: null, afterAnswer, held: null });
  }

  #handOut(prompt: PromptNode, { contextLength, maxTokens }: TokenLimits): PreparedTurn {
    const inputIds = this.#store.idsOf(prompt);
    const limits = [maxTokens, contextLength === undefined ? undefined : contextLength - inputIds.length];
    const given = limits.filter((limit) => limit !== undefined);
    const prepared: PreparedTurn = {
      inputIds,
      kind: prompt.after === null ? "new" : "extend",
      reason: prompt.reason,
      maxTokens: given.length === 0 ? null : Math.max(0, Math.min(...given)),
      isContextFull: contextLength !== undefined && inputIds.length >= contextLength,
      prompt,
      call: this.#calls,
    };
    this.#calls += 1;
    this.#prepared.add(prepared);
    return prepared;
  }

  #count(prompt: PromptNode, isFork: boolean): void {
    this.#statistics.turns += 1;
    if (isFork) this.#statistics.forked += 1;
    if (prompt.after !== null) this.#statistics.extended += 1;
    else if (prompt.reason !== null) this.#started[prompt.reason] = (this.#started[prompt.reason] ?? 0) + 1;
  }
}

/** The agent may change its own messages later. */
function copyOf<Message extends ChatMessage>(message: Message): Message {
  if (message.role !== "assistant" || message.tool_calls === undefined) return { ...message };
  const calls = message.tool_calls.map((call) => ({ ...call, function: { ...call.function } }));
  return { ...message, tool_calls: calls };
}
