/**
 * JSON that the token limit cut off, closed as well as it can be: strings, lists and objects are ended, a key without
 * a value is dropped, half a literal is completed. JSON that is wrong in its middle stays wrong.
 */

/** The repaired text; undefined where the fault is not that the text ends. */
export function repairJson(text: string): string | undefined {
  const repair = new Repair(text);
  const state = repair.value(repair.skip(0), 0);
  if (state === undefined) return undefined;
  return text.slice(0, state.end) + state.closing;
}

/** What was read ends at `end`; with `closing` the text was cut off there and this completes it. */
type Read = { end: number; closing: string };

const maxDepth = 990;
const literals = ["null", "true", "false", "NaN", "Infinity", "-Infinity"];

class Repair {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  skip(from: number): number {
    let position = from;
    while (position < this.#text.length && " \t\n\r".includes(this.#text.charAt(position))) position++;
    return position;
  }

  value(start: number, depth: number): Read | undefined {
    const character = this.#text.charAt(start);
    if (character === '"') return this.#string(start);
    if (character === "{" || character === "[") {
      return depth < maxDepth ? this.#container(start, depth, character === "{") : undefined;
    }
    for (const literal of literals) {
      if (this.#text.startsWith(literal, start)) return { end: start + literal.length, closing: "" };
      const rest = this.#text.slice(start, start + literal.length);
      if (rest !== "" && rest !== "-" && literal.startsWith(rest)) return { end: start, closing: literal };
    }
    return /[-0-9]/.test(character) ? this.#number(start) : undefined;
  }

  #number(start: number): Read | undefined {
    let end = start;
    while (end < this.#text.length && "0123456789.-+eE".includes(this.#text.charAt(end))) end++;
    while (end > start && ".-+eE".includes(this.#text.charAt(end - 1))) end--;
    if (end === start) return undefined;
    // Half a fraction or exponent: a space keeps it from being taken for complete.
    return { end, closing: /[-.+eE]/.test(this.#text.charAt(end)) ? " " : "" };
  }

  #string(start: number): Read {
    let position = start + 1;
    while (position < this.#text.length) {
      const character = this.#text.charAt(position);
      if (character === '"') return { end: position + 1, closing: "" };
      position += character === "\\" ? 2 : 1;
    }
    const end = this.#text.length;
    const tail = /(?:^|[^\\])(?:\\\\)*(\\(?:u[0-9a-fA-F]{0,3})?)$/.exec(
      this.#text.slice(Math.max(start + 1, end - 64)),
    );
    return { end: end - (tail?.[1]?.length ?? 0), closing: '"' };
  }

  #container(start: number, depth: number, isObject: boolean): Read | undefined {
    const close = isObject ? "}" : "]";
    let complete = start + 1;
    let position = this.skip(start + 1);
    for (;;) {
      if (position >= this.#text.length) return { end: complete, closing: close };
      if (this.#text.charAt(position) === close) return { end: position + 1, closing: "" };
      if (isObject) {
        if (this.#text.charAt(position) !== '"') return undefined;
        const key = this.#string(position);
        const colon = this.skip(key.end);
        if (key.closing !== "" || colon >= this.#text.length) return { end: complete, closing: close };
        if (this.#text.charAt(colon) !== ":") return undefined;
        position = this.skip(colon + 1);
        if (position >= this.#text.length) return { end: complete, closing: close };
      }
      const item = this.value(position, depth + 1);
      if (item === undefined) {
        const isLoneMinus = this.#text.slice(position) === "-";
        return isLoneMinus ? { end: complete, closing: close } : undefined;
      }
      if (item.closing !== "") return { end: item.end, closing: item.closing + close };
      complete = item.end;
      position = this.skip(item.end);
      if (this.#text.charAt(position) === ",") position = this.skip(position + 1);
      else if (position < this.#text.length && this.#text.charAt(position) !== close) return undefined;
    }
  }
}
