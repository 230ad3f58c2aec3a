/**
 * Which samples of a group are good enough to become data. Filters go in a fixed order: format, score, doubles,
 * the best of the group, the item's share. What is left out is counted by its reason.
 *
 * The share of an item runs over groups (a later epoch brings the item again), so a filter sees the groups of a
 * file once each and in their order; it says the same whenever it sees them again.
 */
import {
  argumentsOf,
  itemKey,
  type Sample,
  type SampledGroup,
  samplesOf,
  textOf,
  toolsOf,
} from "./group-samples.ts";
import type { SavedGroup, SavedMessage, SavedTool } from "./saved-group.ts";

export type FilterRules = {
  /** Samples must score at least this; null = any score will do. */
  minScore: number | null;
  /** The best so many of each group; null = all. */
  best: number | null;
  /** Of samples of a group that agree in this, only the best stays; null = all stay. */
  distinct: "answer" | "conversation" | null;
  /** Samples of one item over all its groups; null = any number. */
  maxPerItem: number | null;
  /** Leave out what went wrong in its form: see `formFault`. */
  wellFormed: boolean;
};

export const noRules: FilterRules = {
  minScore: null,
  best: null,
  distinct: null,
  maxPerItem: null,
  wellFormed: false,
};

export type FilterReason = "malformed" | "low-score" | "double" | "not-among-best" | "item-full";

export const filtersNothing = (rules: FilterRules): boolean =>
  rules.minScore === null &&
  rules.best === null &&
  rules.distinct === null &&
  rules.maxPerItem === null &&
  !rules.wellFormed;

export class GroupFilter {
  readonly #rules: FilterRules;
  readonly #takenByItem = new Map<string, number>();
  readonly #left = new Map<FilterReason, number>();
  #seen = 0;
  #kept = 0;

  constructor(rules: FilterRules) {
    this.#rules = rules;
  }

  /** Samples that were left out so far, by reason. */
  get leftOut(): ReadonlyMap<FilterReason, number> {
    return this.#left;
  }

  /** Samples seen and kept so far. */
  get samples(): { seen: number; kept: number } {
    return { seen: this.#seen, kept: this.#kept };
  }

  /** The group with the samples that stay, in their order; null when none does. */
  apply(group: SavedGroup, where: string): SampledGroup | null {
    const all = samplesOf(group);
    const { minScore, best, distinct, maxPerItem, wellFormed } = this.#rules;
    this.#seen += all.length;
    const tools = toolsOf(group);
    let kept = all;
    const keep = (reason: FilterReason, test: (sample: Sample) => boolean) => {
      const before = kept.length;
      kept = kept.filter(test);
      if (kept.length < before) this.#left.set(reason, (this.#left.get(reason) ?? 0) + before - kept.length);
    };
    if (wellFormed) keep("malformed", (sample) => formFault(sample, tools) === null);
    if (minScore !== null) keep("low-score", ({ score }) => score >= minScore);
    if (distinct !== null) {
      const firsts = new Map<string, Sample>();
      for (const sample of byScore(kept)) {
        const key = sameness(group, sample, distinct);
        if (!firsts.has(key)) firsts.set(key, sample);
      }
      const chosen = new Set(firsts.values());
      keep("double", (sample) => chosen.has(sample));
    }
    if (best !== null) {
      const chosen = new Set(byScore(kept).slice(0, best));
      keep("not-among-best", (sample) => chosen.has(sample));
    }
    if (maxPerItem !== null) {
      const key = itemKey(group, all);
      const taken = this.#takenByItem.get(key) ?? 0;
      const chosen = new Set(byScore(kept).slice(0, Math.max(0, maxPerItem - taken)));
      keep("item-full", (sample) => chosen.has(sample));
      this.#takenByItem.set(key, taken + kept.length);
    }
    this.#kept += kept.length;
    return kept.length === 0 ? null : { group, where, samples: kept };
  }
}

/** The best first; equals stay in their order. */
export function byScore(samples: readonly Sample[]): Sample[] {
  return [...samples].sort((a, b) => b.score - a.score);
}

function sameness(group: SavedGroup, { messages, sequences }: Sample, by: "answer" | "conversation"): string {
  if (messages === null) return JSON.stringify(sequences.map((index) => group.tokens[index]));
  if (by === "conversation") return JSON.stringify(messages.map(spoken));
  const last = messages.findLast(({ role }) => role === "assistant");
  return last === undefined ? "" : finalAnswer(textOf(last));
}

/** A message without what a server makes up: ids of calls. */
function spoken(message: SavedMessage): unknown {
  const calls = message.tool_calls?.map((call) => [call.function.name, argumentsOf(call)]) ?? [];
  return [message.role, textOf(message), calls];
}

/** What the answer comes to: the last boxed or tagged value, else the whole text without its thoughts. */
function finalAnswer(text: string): string {
  const thoughtEnd = text.lastIndexOf("</think>");
  const said = thoughtEnd === -1 ? text : text.slice(thoughtEnd + "</think>".length);
  const boxed = lastBoxed(said);
  if (boxed !== null) return squeeze(boxed);
  const open = said.lastIndexOf("<answer>");
  const end = open === -1 ? -1 : said.indexOf("</answer>", open);
  return squeeze(end === -1 ? said : said.slice(open + "<answer>".length, end));
}

const squeeze = (text: string): string => text.split(/\s+/).filter(Boolean).join(" ").toLowerCase();

function lastBoxed(text: string): string | null {
  const start = text.lastIndexOf("\\boxed{");
  if (start === -1) return null;
  let depth = 0;
  for (let position = start + "\\boxed".length; position < text.length; position++) {
    if (text[position] === "{") depth += 1;
    if (text[position] === "}" && --depth === 0) return text.slice(start + "\\boxed{".length, position);
  }
  return null;
}

/**
 * What is wrong with a sample's form, or null: it was cut off or never came to an answer, called a tool that it
 * did not have, wrote arguments that are no JSON object, left a thought or a call open in its text, or left a
 * call unanswered. A tool that failed is none of it: that is how agents learn.
 */
export function formFault({ messages, rollout }: Sample, tools: readonly SavedTool[] | null): string | null {
  if (rollout !== null && rollout.stop !== "finished") return `stopped: ${rollout.stop}`;
  if (messages === null) return null;
  const last = messages.at(-1);
  if (last?.role !== "assistant" || (last.tool_calls?.length ?? 0) > 0) return "no final answer";
  if (textOf(last).trim() === "") return "an empty final answer";
  const names = tools === null ? null : new Set(tools.map((tool) => tool.function.name));
  const answered = new Set(
    messages.flatMap(({ role, tool_call_id: id }) => (role === "tool" && id ? [id] : [])),
  );
  for (const message of messages) {
    if (message.role !== "assistant") continue;
    const text = textOf(message);
    for (const [open, close] of [
      ["<think>", "</think>"],
      ["<tool_call>", "</tool_call>"],
    ] as const) {
      if (text.lastIndexOf(open) > text.lastIndexOf(close)) return `${open} is never closed`;
    }
    for (const call of message.tool_calls ?? []) {
      if (names !== null && !names.has(call.function.name)) return `no tool ${call.function.name}`;
      if (!isJsonObject(argumentsOf(call))) return `arguments of ${call.function.name} are no JSON object`;
      if (call.id && !answered.has(call.id)) return `the call of ${call.function.name} has no result`;
    }
  }
  return null;
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
