/**
 * What a template writes between an answer of the model and the next one, found by rendering a small
 * conversation with a mark in place of the answer: the model's own text is never rendered, so it can't be changed.
 *
 * The small conversation ("window") is the last answer, the new messages and, before them, as little as templates
 * look at: a user message and an earlier turn of each kind that the real conversation has. Its cost grows with
 * the new messages only. The same window tells whether the template would rewrite what stands before the answer:
 * drop its thinking or its words, close an empty thought elsewhere, move the tools.
 */
import type { AssistantMessage, ChatMessage, SystemMessage, ToolCall } from "../contracts/chat.ts";
import type { ControlTokens } from "./control-tokens.ts";
import { isOpenAnswer, type PromptRenderer, type TemplateSettings } from "./prompt-renderer.ts";
import { reasoningOf } from "./same-message.ts";

/** The content beside tool calls. Some templates write no call beside words, or none beside an empty text. */
export type CallContent = "none" | "empty" | "words";

/** What one or several answers hold, as far as templates treat it differently. */
export type AnswerTraits = {
  /** Thinking in a field of its own, in the content, or none. */
  thought: "apart" | "inline" | null;
  /** What stands beside tool calls, each kind once in the order in which they came; empty without calls. */
  besideCalls: readonly CallContent[];
};

export type TurnWindow = {
  /** The conversation's own: some templates repeat it later. */
  system: SystemMessage | null;
  /** Whether the answer follows a tool's result (else a user's message). */
  afterTool: boolean;
  /** What the segment's earlier answers hold; null when this is its first. */
  earlier: AnswerTraits | null;
};

export type TurnRequest = TemplateSettings & {
  answer: AssistantMessage;
  /** The messages since. May end with an answer to be continued. */
  next: readonly ChatMessage[];
};

export type TurnDelta = {
  /** From the template's end of the answer on. Begins with the token that ends a turn where it has one. */
  afterAnswer: string;
  /** False when the template, given the new messages, writes something before them differently than before. */
  keepsHistory: boolean;
};

const answerMark = "lachesisAnswer";
const thoughtMark = "lachesisThought";
const wordsMark = "lachesisWords";
const contentBesideCalls = { none: null, empty: "", words: "x" } as const satisfies Record<
  CallContent,
  string | null
>;

export class TurnRenderer {
  readonly #renderer: PromptRenderer;
  readonly #control: ControlTokens;
  /** Rendered beginnings of windows, by all that they depend on. */
  readonly #beginnings = new Map<string, string>();

  constructor(renderer: PromptRenderer, control: ControlTokens) {
    this.#renderer = renderer;
    this.#control = control;
  }

  /** Null when the template can't write the window or shows no mark: only the whole conversation will tell. */
  renderWindow(window: TurnWindow, request: TurnRequest): TurnDelta | null {
    const { answer, next, ...settings } = request;
    const before = beginning(window);
    const traits = traitsOf(answer);
    const marked = this.#renderMarked(before, answer, traits, next, settings);
    if (marked === null) return null;
    const { text, at, afterAnswer, faithful } = marked;
    const start = this.#beginning(before, window, settings);
    const rewritten = text.slice(start?.length ?? 0, at);
    const keepsHistory =
      faithful &&
      start !== null &&
      text.startsWith(start) &&
      (traits.thought === null || rewritten.includes(thoughtMark)) &&
      (!traits.besideCalls.includes("words") || rewritten.includes(wordsMark));
    return { afterAnswer, keepsHistory };
  }

  /** The same from the whole conversation, for templates that look further than a window. */
  renderWhole(before: readonly ChatMessage[], { answer, next, ...settings }: TurnRequest): string | null {
    return this.#renderMarked(before, answer, traitsOf(answer), next, settings)?.afterAnswer ?? null;
  }

  #beginning(before: readonly ChatMessage[], window: TurnWindow, settings: TemplateSettings): string | null {
    const key = JSON.stringify([window, settings.kwargs ?? null, settings.tools ?? null]);
    const known = this.#beginnings.get(key);
    if (known !== undefined) return known;
    const text = this.#tryRender(before, settings);
    // Tools may differ from rollout to rollout: then nothing is gained by remembering them all.
    if (this.#beginnings.size >= 256) this.#beginnings.clear();
    if (text !== null) this.#beginnings.set(key, text);
    return text;
  }

  #renderMarked(
    before: readonly ChatMessage[],
    answer: AssistantMessage,
    traits: AnswerTraits,
    next: readonly ChatMessage[],
    settings: TemplateSettings,
  ) {
    for (const [index, marked] of markedAnswers(answer, traits).entries()) {
      const text = this.#tryRender([...before, marked, ...next], settings);
      const at = text?.indexOf(answerMark) ?? -1;
      if (text === null || at === -1) continue;
      const rest = text.slice(at + answerMark.length);
      return {
        text,
        at,
        afterAnswer: this.#fromEnd(rest, [...before, marked], settings),
        faithful: index === 0,
      };
    }
    return null;
  }

  /** Without what closes the answer's own text, e.g. the braces and tags of its last call. */
  #fromEnd(rest: string, toAnswer: readonly ChatMessage[], settings: TemplateSettings): string {
    const lead = rest.slice(0, this.#control.findEnd(rest)?.index ?? 0);
    const isCall = toAnswer.at(-1)?.role === "assistant" && !isOpenAnswer(toAnswer.at(-1));
    if (lead !== "" && lead.trim() === "") return rest.slice(lead.length);
    if (!isCall && lead === "") return rest;
    const alone = this.#tryRender(toAnswer, settings, "closed") ?? "";
    const closing = alone.slice(alone.indexOf(answerMark) + answerMark.length);
    const own = closing.slice(0, this.#control.findEnd(closing)?.index).trimEnd();
    return rest.startsWith(own) ? rest.slice(own.length) : rest;
  }

  #tryRender(
    messages: readonly ChatMessage[],
    settings: TemplateSettings,
    end: "open" | "closed" = "open",
  ): string | null {
    try {
      return this.#renderer[end === "open" ? "render" : "renderClosed"]({ messages, ...settings });
    } catch {
      return null;
    }
  }
}

export function traitsOf(answer: AssistantMessage): AnswerTraits {
  const hasThought = reasoningOf(answer) !== "";
  const apart = (answer.reasoning_content ?? answer.reasoning ?? "").trim() !== "";
  const isCalling = (answer.tool_calls ?? []).length > 0;
  return {
    thought: hasThought ? (apart ? "apart" : "inline") : null,
    besideCalls: isCalling ? [callContentOf(answer)] : [],
  };
}

function callContentOf({ content }: AssistantMessage): CallContent {
  // An environment in JavaScript may leave it out.
  if (typeof content !== "string") return "none";
  return content.trim() === "" ? "empty" : "words";
}

/**
 * What the answers of a conversation hold in its rendered text; null when it has none. Templates that leave
 * thoughts out do so from the oldest on, so for thoughts the first and the last few answers tell. Every call
 * counts, however old: some templates write the first of a conversation otherwise than the later ones.
 */
export function heldTraits(messages: readonly ChatMessage[], text: string): AnswerTraits | null {
  const answers = messages.filter((message) => message.role === "assistant");
  const telling = new Set([...answers.slice(0, 1), ...answers.slice(-2)]);
  let held: AnswerTraits | null = null;
  for (const answer of answers) {
    const traits = traitsOf(answer);
    const isThoughtKept = telling.has(answer) && text.includes(reasoningOf(answer));
    held = joinTraits(held, isThoughtKept ? traits : { ...traits, thought: null });
  }
  return held;
}

/** What either holds. */
export function joinTraits(a: AnswerTraits | null, b: AnswerTraits): AnswerTraits {
  if (a === null) return b;
  const besideCalls = [...new Set([...a.besideCalls, ...b.besideCalls])];
  return { thought: a.thought ?? b.thought, besideCalls };
}

/**
 * What is still to be given after an answer that ended with the token ("" = it was cut): the template's closing
 * token is left out where the model has written it, or ended with another of the same meaning.
 */
export function afterEnd(afterAnswer: string, end: string, control: ControlTokens): string {
  const head = control.headOf(afterAnswer);
  const isWritten = head === end || (control.isEnd(end) && control.isEnd(head));
  return isWritten ? afterAnswer.slice(head.length) : afterAnswer;
}

function beginning({ system, afterTool, earlier }: TurnWindow): ChatMessage[] {
  const messages: ChatMessage[] = [{ role: "user", content: "x" }];
  if (system !== null) messages.unshift(system);
  const traits = earlier ?? { thought: null, besideCalls: [] };
  const contents = afterTool && traits.besideCalls.length === 0 ? ["none" as const] : traits.besideCalls;
  for (const [index, content] of contents.entries()) {
    const id = `lachesis${index}`;
    const call: ToolCall = { id, type: "function", function: { name: "x", arguments: '{"x": "x"}' } };
    const calling = { ...thoughtful(traits, contentBesideCalls[content]), tool_calls: [call] };
    messages.push(calling, { role: "tool", tool_call_id: id, content: "x" });
  }
  if (!afterTool && earlier !== null) messages.push(thoughtful(traits, "x"), { role: "user", content: "x" });
  return messages;
}

function thoughtful({ thought }: AnswerTraits, content: string | null): AssistantMessage {
  if (thought === "apart") return { role: "assistant", content, reasoning_content: thoughtMark };
  if (thought === null) return { role: "assistant", content };
  return { role: "assistant", content: `<think>\n${thoughtMark}\n</think>\n\n${content ?? ""}` };
}

/**
 * The answer with the mark as its last text, its own text left out. Templates that refuse the shape of its
 * calls (some write only one) get it with fewer; that is then no longer what the conversation says.
 */
function markedAnswers(answer: AssistantMessage, traits: AnswerTraits): AssistantMessage[] {
  const calls = answer.tool_calls ?? [];
  const plain = thoughtful(traits, answerMark);
  const last = calls.at(-1);
  if (last === undefined) return [plain];
  const empty = calls.map(
    (call): ToolCall => ({ ...call, function: { ...call.function, arguments: '{"x": "x"}' } }),
  );
  const marked: ToolCall = { ...last, function: { ...last.function, arguments: `{"x": "${answerMark}"}` } };
  const content = callContentOf(answer);
  const calling = thoughtful(traits, content === "words" ? wordsMark : contentBesideCalls[content]);
  return [
    { ...calling, tool_calls: [...empty.slice(0, -1), marked] },
    ...(calls.length > 1 ? [{ ...calling, tool_calls: [marked] }] : []),
    plain,
  ];
}
