/** What the formats with calls in Python's spelling share: vLLM's all-or-nothing reading, and the strict one. */
import type { FoundCall, FoundError, Span, StrictInput, StrictReading } from "./define-parser.ts";
import { dumpJson } from "./json-calls.ts";
import { type PythonNode, PythonProblem, readFirstStatement, readList } from "./pythonic-reader.ts";
import { pythonicCall } from "./pythonic-values.ts";
import { isInside } from "./thinking-spans.ts";

export type CallList = { ok: true; calls: FoundCall[] } | { ok: false; reason: string };

/** The calls of a text that is a list of them, as vLLM's parsers read it: one bad value and nothing is read. */
export function readCallListAsVllm(text: string): CallList {
  const node = readFirstStatement(text);
  if (node instanceof PythonProblem) return { ok: false, reason: describeProblem(node) };
  if (node.kind !== "list") return { ok: false, reason: "Expected a list of calls such as [f(x=1)]." };
  const calls: FoundCall[] = [];
  for (const item of node.items) {
    const call = pythonicCall(item, "vllm");
    if (!call.ok) return call;
    calls.push({ name: call.name, arguments: dumpJson(call.arguments), raw: [item.start, item.end] });
  }
  return { ok: true, calls };
}

/** A reading that is collected call by call. */
export class StrictCalls implements StrictReading {
  readonly calls: FoundCall[] = [];
  readonly errors: FoundError[] = [];
  readonly markup: Span[] = [];

  /** Takes a call expression: a good call, or an error. Answers whether it was good. */
  take(node: PythonNode): boolean {
    const call = pythonicCall(node, "lenient");
    const raw: Span = [node.start, node.end];
    if (call.ok) this.calls.push({ name: call.name, arguments: dumpJson(call.arguments), raw });
    else this.errors.push({ reason: call.reason, raw });
    return call.ok;
  }

  refuse(problem: PythonProblem, raw: Span): void {
    this.errors.push({ reason: describeProblem(problem), raw });
  }

  /** Takes the items of a list; brackets and commas are markup. */
  takeList(list: { start: number; end: number; items: readonly PythonNode[] }): void {
    let position = list.start;
    for (const item of list.items) {
      this.take(item);
      if (item.start > position) this.markup.push([position, item.start]);
      position = item.end;
    }
    this.markup.push([position, list.end]);
  }
}

/**
 * Reads lists or calls one after the other. The first attempt may read past `limit`, because a tag may stand inside a
 * string; if it fails, what was read then is not read that way again, and the attempt is repeated up to `limit`.
 */
export class PythonBlockReader {
  readonly #text: string;
  #triedTo = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(read: typeof readList, from: number, limit: number): PythonNode | PythonProblem {
    if (from >= this.#triedTo) {
      const node = read(this.#text, from);
      if (!(node instanceof PythonProblem)) return node;
      this.#triedTo = node.reached;
    }
    return read(this.#text.slice(0, limit), from);
  }
}

const listStart = /\[\s*[\p{XID_Start}_][\p{XID_Continue}.]*\s*\(/gu;

/**
 * Lists of calls anywhere outside thinking. A broken one is an error only where the model must have meant a call: if
 * a good call stands beside it, or if the answer begins with it. Anywhere else it is text, such as a Markdown link.
 */
export function findCallLists({ text, thinking }: StrictInput, reading = new StrictCalls()): StrictCalls {
  const answerStart = firstOutside(text, thinking);
  const pattern = new RegExp(listStart);
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const start = match.index;
    pattern.lastIndex = start + 1;
    if (isInside(thinking, start)) continue;
    const list = readList(text, start);
    if (list instanceof PythonProblem) {
      if (start === answerStart) reading.refuse(list, [start, Math.max(start + 1, list.reached)]);
      pattern.lastIndex = Math.max(start + 1, list.reached);
      continue;
    }
    if (list.kind !== "list") continue;
    if (start !== answerStart && !list.items.some((item) => pythonicCall(item, "lenient").ok)) continue;
    reading.takeList(list);
    pattern.lastIndex = list.end;
  }
  return reading;
}

/** Where the answer begins: the first character outside thinking that is no space. */
export function firstOutside(text: string, thinking: readonly Span[]): number {
  let position = 0;
  let next = 0;
  for (;;) {
    while (/\s/.test(text.charAt(position))) position++;
    const span = thinking[next];
    if (span === undefined || position < span[0]) return position;
    position = Math.max(position, span[1]);
    next++;
  }
}

function describeProblem({ reason }: PythonProblem): string {
  return `The tool calls are no valid Python: ${reason}.`;
}
