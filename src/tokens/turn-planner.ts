/**
 * Decides how a request's prompt is made: by extending the segment that its history belongs to, or by a new
 * segment rendered in full.
 *
 * A window of the conversation says what comes between two turns and whether the template rewrites history
 * (turn-renderer.ts). That a template looks no further can't be known, so the window is compared with the whole
 * conversation each time a segment's messages have doubled: all comparisons together cost about two renderings of
 * the last. Where one fails, the whole conversation is rendered from then on, and the statistics say so.
 */
import type { ChatMessage } from "../contracts/chat.ts";
import type { ChatFormat, TokenHistory } from "./chat-format.ts";
import { type GivenAnswer, saysSame } from "./history-comparison.ts";
import { isOpenAnswer, type TemplateSettings, unguarded } from "./prompt-renderer.ts";
import { sameMessage } from "./same-message.ts";
import type { FoundTurn, NewSegmentReason, PromptNode, SegmentStore, TurnNode } from "./segment-store.ts";
import { afterEnd, type TurnRequest } from "./turn-renderer.ts";

/** A prompt that is still to be encoded. Texts are guarded. */
export type PromptPlan =
  | { kind: "new"; reason: NewSegmentReason; text: string }
  | { kind: "extend"; after: TurnNode; text: string; afterAnswer: string };

/** `messages`: what the agent asked, with its answers as they were committed. */
export type PlanRequest = {
  messages: readonly ChatMessage[];
  settings: TemplateSettings;
  settingsKey: string;
};

export class TurnPlanner {
  readonly #format: ChatFormat;
  readonly #store: SegmentStore;
  readonly #tokenHistory: TokenHistory | "auto";
  /** How many messages a segment had when it was last compared with its whole rendering. */
  readonly #comparedAt = new Map<PromptNode, number>();
  #trustsWindow = true;
  #wholeRenders = 0;

  constructor(format: ChatFormat, store: SegmentStore, tokenHistory: TokenHistory | "auto") {
    this.#format = format;
    this.#store = store;
    this.#tokenHistory = tokenHistory;
  }

  /** How often a whole conversation was rendered. */
  get wholeRenders(): number {
    return this.#wholeRenders;
  }

  /** False once a window has said something else than the whole conversation. */
  get trustsWindow(): boolean {
    return this.#trustsWindow;
  }

  /** The turn that the request goes on from; null when it starts a conversation of its own. */
  find(messages: readonly ChatMessage[]): FoundTurn | null {
    const found = this.#store.findTurn(messages);
    return (
      found ?? (this.#tokenHistory === "keep" ? this.#store.findTurn(messages, { ignoreSystem: true }) : null)
    );
  }

  /** Throws what the template throws when it refuses the conversation. */
  plan(found: FoundTurn | null, request: PlanRequest): PromptPlan {
    if (found === null) return this.#start(request, this.#reasonToStart(request.messages));
    const { turn, messageCount } = found;
    const next = request.messages.slice(messageCount);
    if (next.length === 0 && isOpenAnswer(turn.message)) {
      const wasCut = turn.end === "";
      return wasCut
        ? { kind: "extend", after: turn, text: "", afterAnswer: "" }
        : this.#start(request, "answer-reopened");
    }
    const history = this.#historyFor(turn, request.settings);
    return history === "keep" ? this.#keep(found, next, request) : this.#followTemplate(found, next, request);
  }

  #historyFor(turn: TurnNode, settings: TemplateSettings): TokenHistory {
    return this.#tokenHistory === "auto"
      ? this.#format.defaultHistory(turn.traits, settings)
      : this.#tokenHistory;
  }

  #keep({ turn }: FoundTurn, next: readonly ChatMessage[], request: PlanRequest): PromptPlan {
    const window = this.#window(turn, next, request.settings)?.afterAnswer ?? null;
    if (window !== null && !this.#isComparisonDue(turn, request)) return this.#extend(turn, window);
    const whole = this.#whole(turn, next, request.settings);
    if (window !== null && whole !== null && window !== whole) this.#trustsWindow = false;
    const afterAnswer = whole ?? window;
    return afterAnswer === null ? this.#start(request, "template-refused") : this.#extend(turn, afterAnswer);
  }

  #followTemplate({ turn }: FoundTurn, next: readonly ChatMessage[], request: PlanRequest): PromptPlan {
    const window = this.#window(turn, next, request.settings);
    const isSettled = turn.prompt.settings === request.settingsKey;
    const keeps = window?.keepsHistory === true && isSettled;
    if (window !== null && keeps && !this.#isComparisonDue(turn, request)) {
      return this.#extend(turn, window.afterAnswer);
    }
    const rendered = this.#tryRenderAll(request);
    // What the template refuses to write as a whole can only be gone on with.
    const isSame = (after: string) => rendered === null || this.#saysSame(rendered, turn, after);
    if (window !== null && isSame(window.afterAnswer)) return this.#extend(turn, window.afterAnswer);
    if (keeps) this.#trustsWindow = false;
    const whole = this.#trustsWindow ? null : this.#whole(turn, next, request.settings);
    if (whole !== null && isSame(whole)) return this.#extend(turn, whole);
    const isOtherTools = !isSettled && !rendered?.startsWith(this.#rootOf(turn).text);
    return this.#start(request, isOtherTools ? "tools-changed" : "history-rewritten", rendered);
  }

  #window(turn: TurnNode, next: readonly ChatMessage[], settings: TemplateSettings) {
    if (!this.#trustsWindow) return null;
    const first = this.#rootOf(turn).messages?.[0];
    return this.#format.turns.renderWindow(
      {
        system: first?.role === "system" ? first : null,
        afterTool: turn.prompt.messages?.at(-1)?.role === "tool",
        earlier: turn.prompt.after?.traits ?? turn.prompt.held,
      },
      { ...settings, answer: turn.message, next },
    );
  }

  #whole(turn: TurnNode, next: readonly ChatMessage[], settings: TemplateSettings): string | null {
    this.#wholeRenders += 1;
    const request: TurnRequest = { ...settings, answer: turn.message, next };
    return this.#format.turns.renderWhole(this.#store.messagesTo(turn).slice(0, -1), request);
  }

  #tryRenderAll({ messages, settings }: PlanRequest): string | null {
    this.#wholeRenders += 1;
    try {
      return this.#format.prompts.render({ messages, ...settings });
    } catch {
      return null;
    }
  }

  #saysSame(rendered: string, turn: TurnNode, afterAnswer: string): boolean {
    const path = this.#store.pathTo(turn);
    const answers = path.map(
      ({ text, end, message }, index): GivenAnswer => ({
        text: text.slice(0, text.length - end.length),
        message,
        after: path[index + 1]?.prompt.afterAnswer ?? unguarded(afterAnswer),
      }),
    );
    return saysSame(unguarded(rendered), this.#rootOf(turn).text, answers);
  }

  #isComparisonDue(turn: TurnNode, { messages }: PlanRequest): boolean {
    const root = this.#rootOf(turn);
    const comparedAt = this.#comparedAt.get(root) ?? root.messages?.length ?? 0;
    const isDue = messages.length >= 2 * comparedAt;
    if (isDue) this.#comparedAt.set(root, messages.length);
    return isDue;
  }

  #extend(after: TurnNode, afterAnswer: string): PromptPlan {
    return {
      kind: "extend",
      after,
      text: afterEnd(afterAnswer, after.end, this.#format.control),
      afterAnswer,
    };
  }

  #start(
    { messages, settings }: PlanRequest,
    reason: NewSegmentReason,
    rendered: string | null = null,
  ): PromptPlan {
    if (rendered === null) this.#wholeRenders += 1;
    return { kind: "new", reason, text: rendered ?? this.#format.prompts.render({ messages, ...settings }) };
  }

  #reasonToStart(messages: readonly ChatMessage[]): NewSegmentReason {
    if (this.#store.turns.length === 0) return "first-turn";
    if (this.#store.findTurn(messages, { ignoreSystem: true }) !== null) return "system-changed";
    const opening = (of: readonly ChatMessage[]) => of.find(({ role }) => role !== "system")?.content;
    const isKnown =
      this.#store.roots.some((root) => opening(root.messages ?? []) === opening(messages)) ||
      this.#store.turns.some((turn) => messages.some((message) => sameMessage(turn.message, message)));
    return isKnown ? "messages-edited" : "other-conversation";
  }

  #rootOf(turn: TurnNode): PromptNode {
    let at = turn;
    while (at.prompt.after !== null) at = at.prompt.after;
    return at.prompt;
  }
}
