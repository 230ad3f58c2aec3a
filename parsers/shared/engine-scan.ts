/**
 * The state machine that vLLM uses for all formats with tags: literal tags lead from state to state, and what stands
 * between them belongs to the state (content, a call's name, its arguments). Tags that lead nowhere from a state are
 * text of that state. One pass, linear: every state has one regular expression of literals.
 *
 * What is made of the result differs by mode: engine-vllm.ts, engine-strict.ts.
 */
import type { Span } from "./define-parser.ts";
import { isBlank } from "./python-text.ts";

export type EngineState = "content" | "reasoning" | "preamble" | "name" | "arguments" | "between";

export type EngineTransition = {
  to: EngineState;
  /** A call begins with this tag. */
  opens?: boolean;
  /** The call that is open ends with this tag. */
  closes?: boolean;
  /** The tag itself is part of the arguments. */
  keepsTag?: boolean;
};

export type EngineTransitions = Readonly<
  Partial<Record<EngineState, Readonly<Record<string, EngineTransition>>>>
>;

/** A grammar's transitions, ready to be run. */
export type EngineTable = Readonly<Record<EngineState, StateTable>>;

type StateTable = { pattern: RegExp | null; transitions: ReadonlyMap<string, EngineTransition> };

export type ScannedCall = {
  start: number;
  end: number;
  /** Undefined where the text never came to a name or to arguments. */
  name: Span | undefined;
  arguments: Span | undefined;
  /** Whether a tag ended the call, rather than the end of the text. */
  closed: boolean;
  /** In which state the text ended, if it did inside this call. */
  cutIn: EngineState | undefined;
};

export type EngineScan = {
  calls: ScannedCall[];
  content: Span[];
  /** Content after the first call began. */
  contentAfter: Span[];
  reasoning: Span[];
  /** Tags that led to another state and are no part of a call's arguments. */
  tags: Span[];
};

export function engineTable(tags: readonly string[], transitions: EngineTransitions): EngineTable {
  const state = (name: EngineState) => stateTable(tags, transitions[name] ?? {});
  return {
    content: state("content"),
    reasoning: state("reasoning"),
    preamble: state("preamble"),
    name: state("name"),
    arguments: state("arguments"),
    between: state("between"),
  };
}

/** A tag without transition still hides the tags inside it: a ">" is none where it ends "</parameter>". */
function stateTable(
  tags: readonly string[],
  transitions: Readonly<Record<string, EngineTransition>>,
): StateTable {
  const leading = Object.keys(transitions);
  const searched = tags.filter((tag) => leading.some((part) => tag.includes(part)));
  const longestFirst = searched.toSorted((a, b) => b.length - a.length).map(escapePattern);
  return {
    pattern: longestFirst.length === 0 ? null : new RegExp(longestFirst.join("|"), "g"),
    transitions: new Map(Object.entries(transitions)),
  };
}

/** A literal as the source of a regular expression. */
export function escapePattern(literal: string): string {
  return literal.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

export type ScanOptions = {
  /** Given the place of a tag that opens a call: where to go on instead, or undefined to open it. */
  skipOpening?: (position: number) => number | undefined;
  /** Default "content". */
  initial?: EngineState | undefined;
};

export function scanEngine(text: string, table: EngineTable, options: ScanOptions = {}): EngineScan {
  const scan: EngineScan = { calls: [], content: [], contentAfter: [], reasoning: [], tags: [] };
  const run = new EngineRun(text, scan, options.initial);
  let searchFrom = 0;
  for (;;) {
    const { pattern, transitions } = table[run.state];
    if (pattern === null) break;
    pattern.lastIndex = searchFrom;
    const match = pattern.exec(text);
    if (match === null) break;
    const tag = match[0];
    const end = match.index + tag.length;
    const transition = transitions.get(tag);
    const skipTo = run.opensFromContent(transition) ? options.skipOpening?.(match.index) : undefined;
    searchFrom = skipTo ?? end;
    if (transition !== undefined && skipTo === undefined) run.take(transition, match.index, end);
  }
  run.finish(text.length);
  return scan;
}

/** Where the machine stands and since when. */
class EngineRun {
  state: EngineState;
  readonly #text: string;
  readonly #scan: EngineScan;
  #since = 0;
  /** Whether the last call began with a tag around it alone. */
  #wrapped = false;

  constructor(text: string, scan: EngineScan, initial: EngineState = "content") {
    this.state = initial;
    this.#text = text;
    this.#scan = scan;
  }

  opensFromContent(transition: EngineTransition | undefined): boolean {
    return this.state === "content" && transition !== undefined && isCallState(transition.to);
  }

  take(transition: EngineTransition, start: number, end: number): void {
    if (this.state === "arguments" && transition.to === "arguments") return;
    this.#leave(start);
    const { calls, tags } = this.#scan;
    const blankBefore = isBlank(this.#text.slice(this.#since, start));
    if (transition.opens) {
      calls.push(openedAt(start));
      this.#wrapped = transition.to === "preamble";
    }
    const call = calls.at(-1);
    if (call !== undefined) {
      // Words between a call's tags are no part of the call.
      if (this.state === "preamble" && transition.to === "name" && !blankBefore) call.start = start;
      if (transition.closes) call.closed = true;
      const closesWrapper = this.#wrapped && this.state === "between" && blankBefore;
      if (transition.closes || (closesWrapper && !transition.opens)) call.end = end;
    }
    if (!transition.keepsTag) tags.push([start, end]);
    this.state = transition.to;
    this.#since = transition.keepsTag ? start : end;
  }

  #leave(end: number): void {
    const span: Span = [this.#since, end];
    const call = this.#scan.calls.at(-1);
    if (this.state === "name" && call !== undefined) call.name = span;
    else if (this.state === "arguments" && call !== undefined) call.arguments = span;
    else if (this.state === "reasoning") this.#scan.reasoning.push(span);
    else if (this.state === "content") {
      (call === undefined ? this.#scan.content : this.#scan.contentAfter).push(span);
    }
  }

  finish(end: number): void {
    this.#leave(end);
    const call = this.#scan.calls.at(-1);
    if (call === undefined || call.closed) return;
    call.end = end;
    call.cutIn = this.state;
  }
}

function openedAt(start: number): ScannedCall {
  return {
    start,
    end: start,
    name: undefined,
    arguments: undefined,
    closed: false,
    cutIn: undefined,
  };
}

function isCallState(state: EngineState): boolean {
  return state !== "content" && state !== "reasoning";
}
