/**
 * One parameter's value as vLLM's Step 3.5 reader writes it into the arguments, piece by piece: what was written is
 * never taken back. So a value that is no integer stands there without quotes, and null leaves nothing.
 */
import { pythonJsonDumps } from "../src/contracts/python-json.ts";
import { literalEval } from "./shared/literal-eval.ts";
import { pythonFloat, pythonInt } from "./shared/python-text.ts";

const stringTypes: ReadonlySet<string> = new Set(["string", "str", "text", "varchar", "char", "enum"]);
const integerType = /^(?:int|uint|long|short|unsigned)/;
const numberType = /^(?:num|float)/;
const booleanTypes: ReadonlySet<string> = new Set(["boolean", "bool", "binary"]);

/** Values longer than this are neither null nor any number or boolean. */
const longestScalar = 4400;

export class Step3p5Value {
  readonly #type: string;
  readonly #write: (text: string) => void;
  /** The value so far, while it is short. */
  #head = "";
  #length = 0;
  #written = 0;
  #hasQuote = false;
  #owesNewline = false;

  constructor(type: string, write: (text: string) => void) {
    this.#type = type;
    this.#write = write;
  }

  get #isString(): boolean {
    return stringTypes.has(this.#type);
  }

  add(data: string): void {
    let text = this.#length === 0 && data.startsWith("\n") ? data.slice(1) : data;
    if (this.#isString && !this.#hasQuote) {
      this.#write('"');
      this.#hasQuote = true;
    }
    if (text === "") return;
    if (this.#owesNewline) text = `\n${text}`;
    this.#owesNewline = text.endsWith("\n");
    if (this.#owesNewline) text = text.slice(0, -1);
    const before = this.#length;
    this.#length += text.length;
    if (this.#length <= longestScalar) this.#head += text;
    this.#writeRest(text, before);
  }

  /** What the whole value's spelling has beyond what is written. */
  #writeRest(piece: string, before: number): void {
    if (this.#length > longestScalar) {
      // Every spelling is the text itself now: what came before is written, or had been something shorter.
      const late =
        before <= longestScalar
          ? this.#spell(this.#head + (this.#head.length < this.#length ? piece : ""))
          : this.#escape(piece);
      this.#write(before <= longestScalar ? late.slice(this.#written) : late);
      this.#written += late.length;
      return;
    }
    const spelled = this.#spell(this.#head);
    this.#write(spelled.slice(this.#written));
    this.#written = spelled.length;
  }

  #spell(value: string): string {
    if (value.length <= longestScalar && value.toLowerCase() === "null") return "";
    const type = this.#type.toLowerCase();
    if (integerType.test(type)) return pythonInt(value)?.toString() ?? value;
    if (numberType.test(type)) return spellNumber(value);
    if (booleanTypes.has(type)) return value.toLowerCase() === "true" ? "true" : "false";
    return this.#escape(value);
  }

  #escape(text: string): string {
    return this.#isString ? pythonJsonDumps(text).slice(1, -1) : text;
  }

  end(): void {
    if (!this.#isString) return;
    this.#write(this.#length === 0 && !this.#hasQuote ? '""' : '"');
  }
}

function spellNumber(value: string): string {
  const number = pythonFloat(value);
  if (number === undefined || !Number.isFinite(number)) return value;
  return pythonJsonDumps(Number.isInteger(number) ? BigInt(number) : number);
}

/** Lists and dicts are read as Python at their end; what is none stays text. */
export function step3p5Container(raw: string): string {
  const value = literalEval(raw);
  return pythonJsonDumps(value === undefined ? raw : value);
}

/** Whether a value waits for its end, judged by its first piece. */
export function waitsForEnd(type: string, piece: string): boolean {
  if (type === "object") return /[[{(]/.test(piece) && piece.includes("'");
  return /^(?:(?:array|arr|sequence)$|dict|list)/.test(type);
}
