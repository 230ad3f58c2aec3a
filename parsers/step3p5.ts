/**
 * Step 3.5 writes as Qwen3-Coder does, but vLLM reads it with a parser of its own, made for streams: it cuts the text at
 * tags, repairs them, feeds them into an XML document and writes the arguments as it goes. Its habits are kept here:
 * arguments that a text's end cuts stay cut, types are single names, text between calls is content, text after is lost.
 */
import type { ToolSchema } from "../src/contracts/chat.ts";
import { formatQwen3Coder, qwen3CoderGrammar } from "./qwen3-coder.ts";
import { defineParser, type FoundCall, type VllmReading } from "./shared/define-parser.ts";
import { strictEngineReader } from "./shared/engine-parser.ts";
import { isBlank } from "./shared/python-text.ts";
import { TagScanner } from "./shared/tag-scanner.ts";
import { Step3p5Document } from "./step3p5-document.ts";
import { TagRepair } from "./step3p5-repair.ts";
import { Step3p5Value, step3p5Container, waitsForEnd } from "./step3p5-value.ts";

type OpenCall = { name: string | undefined; pieces: string[]; start: number; end: number };

class Step3p5Reader {
  readonly #text: string;
  readonly #scanner: TagScanner<string>;
  readonly #repair: TagRepair;
  readonly #calls: OpenCall[] = [];
  #document = this.#newDocument();
  #content = "";
  /** Text outside of calls that is not content yet. */
  #words: string[] = [];
  #foundAny = false;
  #call: OpenCall | undefined;
  #parameter: { name: string; value: Step3p5Value } | undefined;
  #hasParameters = false;
  /** From a parameter's tag on until its first piece was seen, or to its end if it waits. */
  #pending: { type: string; pieces: string[] } | undefined;
  #container: string | undefined;
  #element: readonly [start: number, end: number] = [0, 0];

  constructor(text: string, tools: readonly ToolSchema[]) {
    this.#text = text;
    this.#scanner = new TagScanner(text, ["<", ">", "\n", "</parameter>", "</function>"]);
    this.#repair = new TagRepair(tools);
  }

  read(): VllmReading {
    let at = this.#skipWords();
    while (at < this.#text.length) {
      const end = this.#elementEnd(at);
      if (end === undefined) break;
      this.#element = [at, end];
      this.#take(this.#text.slice(at, end));
      at = end;
    }
    if (this.#foundAny) this.#closeOnlyCall();
    else if (this.#calls.length === 0) this.#content = this.#words.join("");
    const calls = this.#calls.flatMap(({ name, pieces, start, end }): FoundCall[] =>
      name ? [{ name, arguments: pieces.join(""), raw: [start, end] }] : [],
    );
    return { content: this.#content || null, calls };
  }

  /** Up to the first tag of a call all is words, in one piece instead of many. */
  #skipWords(): number {
    const first = /<(?:tool_call>|(?:function|parameter)=)/.exec(this.#text)?.index;
    const end = first ?? Math.max(0, this.#text.lastIndexOf("<"));
    if (end > 0) this.#words.push(this.#text.slice(0, end));
    return end;
  }

  /** Undefined: the rest may be the beginning of a tag, and is lost. */
  #elementEnd(at: number): number | undefined {
    const text = this.#text;
    if (text.charAt(at) !== "<") return this.#scanner.next(at, ["<"])?.start ?? text.length;
    const close = this.#scanner.next(at + 1, [">"]);
    for (const tag of ["parameter", "function"] as const) {
      if (!text.startsWith(`<${tag}=`, at)) continue;
      const line = this.#scanner.next(at, ["\n"])?.start ?? text.length;
      const whole =
        close !== undefined && close.start < line ? undefined : this.#scanner.next(at, [`</${tag}>`]);
      if (whole !== undefined) return whole.end;
    }
    const next = this.#scanner.next(at + 1, ["<"]);
    if (next !== undefined && (close === undefined || next.start < close.start)) return next.start;
    if (close !== undefined) return close.end;
    const rest = text.slice(at, at + "<function=".length);
    const mayBeTag = "<tool_call>".startsWith(text.slice(at)) || "<function=".startsWith(rest);
    return this.#call !== undefined || mayBeTag ? undefined : text.length;
  }

  #take(element: string): void {
    if (this.#call === undefined && !/^<(?:tool_call>|function=|parameter=)/.test(element)) {
      this.#words.push(element);
      return;
    }
    const piece = this.#prepare(element);
    const opensCall = /^\s*<tool_call>/.test(piece.text) && !piece.isText;
    if (
      (opensCall || (!piece.isText && /^\s*<function name=/.test(piece.text))) &&
      this.#calls.length === 0
    ) {
      this.#content += this.#words.join("");
      this.#words = [];
    }
    if (opensCall && this.#repair.functionName && this.#call !== undefined) {
      this.#endParameter();
      this.#endFunction();
      this.#reset();
    }
    const fed = piece.isText ? this.#document.feedText(piece.text) : this.#document.feed(piece.text);
    if (fed) this.#foundAny = true;
    if (this.#call !== undefined) this.#call.end = this.#element[1];
  }

  /** The element with its tags repaired; or text, in which nothing is a tag. */
  #prepare(element: string): { text: string; isText: boolean } {
    const isTag =
      /^<(?:\/?tool_call>|function=|\/function>|function |function[a-zA-Z_]|parameter=|\/parameter>)/.test(
        element,
      );
    const mayRepair = this.#call !== undefined || /^<(?:function|parameter)/.test(element);
    const repaired = mayRepair && element.startsWith("<") ? this.#repair.repair(element) : element;
    if (this.#pending !== undefined) return this.#continueValue(element, this.#pending);
    if (repaired.startsWith("<parameter name=")) {
      const name = /^<parameter name="([^"]+)">/.exec(repaired)?.[1];
      this.#pending = { type: name === undefined ? "string" : this.#repair.typeOf(name), pieces: [] };
      return { text: repaired, isText: false };
    }
    return { text: repaired, isText: !isTag };
  }

  #continueValue(
    element: string,
    pending: { type: string; pieces: string[] },
  ): { text: string; isText: boolean } {
    if (element.startsWith("</parameter>")) {
      this.#container = pending.pieces.join("");
      this.#pending = undefined;
      return { text: "</parameter>", isText: false };
    }
    if (pending.pieces.length === 0 && !waitsForEnd(pending.type, element)) {
      this.#pending = undefined;
      return { text: element, isText: true };
    }
    pending.pieces.push(element);
    return { text: "", isText: true };
  }

  #newDocument(): Step3p5Document {
    return new Step3p5Document({
      started: (tag, name) => this.#started(tag, name),
      ended: (tag) => this.#ended(tag),
      characters: (text) => {
        if (this.#container === undefined) this.#parameter?.value.add(text);
      },
    });
  }

  #started(tag: string, name: string | undefined): void {
    if (tag === "tool_call") this.#openCall();
    else if (tag === "function") {
      if (this.#call === undefined) this.#openCall();
      this.#endParameter();
      if (this.#repair.functionName) this.#endFunction();
      this.#repair.functionName = name;
      if (this.#call !== undefined && name) this.#call.name = name;
    } else {
      this.#endParameter();
      if (!name) return;
      const type = this.#repair.typeOf(name);
      this.#parameter = { name, value: new Step3p5Value(type, (text) => this.#write(text)) };
      this.#write(`${this.#hasParameters ? ", " : "{"}"${name}": `);
    }
  }

  #openCall(): void {
    this.#endParameter();
    if (this.#repair.functionName) this.#endFunction();
    if (this.#call !== undefined) this.#endCall();
    this.#hasParameters = false;
    const [start, end] = this.#element;
    const last = this.#calls.at(-1);
    if (last !== undefined) last.end = Math.min(last.end, start);
    this.#call = { name: undefined, pieces: [], start, end };
    this.#calls.push(this.#call);
  }

  #ended(tag: string): void {
    if (tag === "parameter") this.#endParameter();
    else if (tag === "function") {
      this.#endParameter();
      this.#endFunction();
    } else {
      this.#endParameter();
      if (this.#repair.functionName) this.#endFunction();
      this.#endCall();
    }
  }

  #endParameter(): void {
    if (this.#parameter === undefined) return;
    if (this.#container === undefined) this.#parameter.value.end();
    else this.#write(step3p5Container(this.#container));
    this.#container = undefined;
    this.#parameter = undefined;
    this.#hasParameters = true;
  }

  #endFunction(): void {
    this.#write(this.#hasParameters ? "}" : "{}");
    this.#repair.functionName = undefined;
  }

  #endCall(): void {
    const words = this.#words.join("");
    if (!isBlank(words)) this.#content += words;
    if (this.#call !== undefined) this.#call.end = this.#element[1];
    this.#reset();
  }

  #reset(): void {
    this.#document = this.#newDocument();
    this.#call = undefined;
    this.#repair.functionName = undefined;
    this.#parameter = undefined;
    this.#hasParameters = false;
    this.#words = [];
    this.#pending = undefined;
    this.#container = undefined;
  }

  /** A single call that its document did not close is closed if the text has its end tag at all. */
  #closeOnlyCall(): void {
    if (this.#call === undefined || this.#calls.length !== 1 || !this.#text.includes("</function>")) return;
    if (this.#call.pieces.some((piece) => piece === "}" || piece === "{}")) return;
    this.#endParameter();
    if (this.#repair.functionName) this.#endFunction();
  }

  #write(text: string): void {
    this.#call?.pieces.push(text);
  }
}

export const step3p5Parser = defineParser({
  name: "step3p5",
  models: "Step 3.5",
  limits: [
    "Without the tool's schema every value is a string, and null leaves nothing behind.",
    "Lists must be Python as well as JSON: [1, 2] is one, [true] is text.",
    "A value can hold neither </parameter>, <parameter=, <function= nor <tool_call>.",
  ],
  readAsVllm: (text, tools) => new Step3p5Reader(text, tools).read(),
  readStrictly: strictEngineReader(qwen3CoderGrammar),
  format: formatQwen3Coder,
});
