/**
 * Splits normalized maths into tokens. Letters are single symbols (`abc` is a·b·c, as in LaTeX) unless they
 * spell a function, a constant or a connector; digits are joined over their separators of thousands.
 */
import { UnreadableMaths } from "./expression.ts";
import { rowMark, thousandsMark } from "./normalize.ts";

export type Token = {
  /** `name` is a letter or a known word, `command` what followed a backslash, `text` the inside of `\text{…}`. */
  kind: "number" | "name" | "command" | "text" | "environment" | "sign";
  text: string;
  /** Whether white space stood before it. */
  spaced: boolean;
};

/** Longer answers are no answers; reading costs steps in proportion to it. */
export const maxMathsLength = 3_000;
const maxTokens = 1_500;

const plainFunctions =
  "arcsinh|arccosh|arctanh|arsinh|arcosh|artanh|asinh|acosh|atanh|arcsin|arccos|arctan|arcsec|arccsc|arccot|asin|acos|atan|sinh|cosh|tanh|coth|sech|csch|sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt|cbrt|gcd|lcm|min|max|floor|ceil|abs|infinity|infty|inf|oo|pi|theta|alpha|beta|gamma|lambda|omega|sigma|frac|pm";
const wordPattern = new RegExp(`^(?:${plainFunctions})`);
const connectors = /^(?:and|or)$/;
const textCommands =
  /^(?:text|textbf|textit|textrm|textnormal|texttt|textsf|mbox|hbox|emph|textup|underline)$/;
const sameCommands: Record<string, string> = {
  dfrac: "frac",
  tfrac: "frac",
  cfrac: "frac",
  leq: "le",
  leqslant: "le",
  geq: "ge",
  geqslant: "ge",
  neq: "ne",
  lt: "<",
  gt: ">",
  dbinom: "binom",
  tbinom: "binom",
  arcsin: "asin",
  arccos: "acos",
  arctan: "atan",
  land: "and",
  lor: "or",
  wedge: "and",
  vee: "or",
  varnothing: "emptyset",
  dots: "ldots",
  cdots: "ldots",
  dotsc: "ldots",
  vdots: "ldots",
  ddots: "ldots",
  simeq: "approx",
  cong: "approx",
  sim: "approx",
  ast: "*",
  star: "*",
  div: "/",
  lbrace: "{",
  rbrace: "}",
  lbrack: "[",
  rbrack: "]",
  colon: ":",
  vert: "|",
  mid: "|",
  tg: "tan",
  ctg: "cot",
  arctg: "atan",
  varphi: "phi",
  varepsilon: "epsilon",
  exponentialE: "e",
  imath: "i",
  degree: "circ",
  and: "and",
  infin: "infty",
  slash: "/",
  backslash: "setminus",
};
const spacedSigns = /^(?:<=|>=|!=|<>|=>|->|==|\*\*|\.\.\.|:=)/;

export function tokenize(maths: string): Token[] {
  if (maths.length > maxMathsLength) throw new UnreadableMaths(`longer than ${maxMathsLength} characters`);
  const tokens: Token[] = [];
  const separatesBySpace = /,\s|;/.test(maths);
  let depth = 0;
  let index = 0;
  let spaced = false;
  const push = (kind: Token["kind"], text: string, length: number) => {
    tokens.push({ kind, text, spaced });
    if (tokens.length > maxTokens) throw new UnreadableMaths(`more than ${maxTokens} signs`);
    spaced = false;
    index += length;
  };
  while (index < maths.length) {
    const character = maths.charAt(index);
    if (/\s/.test(character)) {
      spaced = true;
      index++;
    } else if (/\d/.test(character) || (character === "." && /^\.\d/.test(maths.slice(index, index + 2)))) {
      const rest = maths.slice(index, index + 400);
      const digits = readNumber(rest, depth === 0 || separatesBySpace);
      push("number", digits.replace(/[\s,\uE000]/g, ""), digits.length);
    } else if (/[A-Za-z]/.test(character)) {
      const run = /^[A-Za-z]+/.exec(maths.slice(index, index + 60))?.[0] ?? character;
      const previous = tokens.at(-1);
      const joins = /^(or|and)(?=[A-Z]|$)/.exec(run)?.[0];
      const word = wordPattern.exec(run)?.[0];
      if (joins !== undefined && (run === joins || previous?.kind === "number"))
        push("name", joins, joins.length);
      else if (word !== undefined && (word.length === run.length || word.length > 2))
        push("name", word, word.length);
      else push("name", character, 1);
    } else if (character === rowMark) {
      push("sign", "\\\\", 1);
    } else if (character === "\\") {
      const command = /^\\([A-Za-z]+)\*?/.exec(maths.slice(index, index + 60));
      if (command === null) {
        const sign = maths.charAt(index + 1);
        if (sign === "{") depth++;
        if (sign === "}") depth--;
        push("sign", `\\${sign}`, sign === "" ? 1 : 2);
      } else if (boxedFunction.test(maths.slice(index + command[0].length, index + command[0].length + 20))) {
        const inside = bracedAfter(maths, index + command[0].length);
        push("name", inside?.content.trim() ?? "", (inside?.end ?? index + 1) - index);
      } else if (
        textCommands.test(command[1] ?? "") ||
        isWordBox(command[1] ?? "", maths, index + command[0].length)
      ) {
        const inside = bracedAfter(maths, index + command[0].length);
        if (inside === null) push("command", "text", command[0].length);
        else push("text", inside.content.trim(), inside.end - index);
      } else if (command[1] === "begin" || command[1] === "end") {
        const inside = bracedAfter(maths, index + command[0].length);
        if (inside === null) throw new UnreadableMaths("an environment without a name");
        push("environment", `${command[1]} ${inside.content}`, inside.end - index);
      } else {
        const name = sameCommands[command[1] ?? ""] ?? command[1] ?? "";
        if (name === "{" || name === "}") push("sign", `\\${name}`, command[0].length);
        else
          push(
            /^[^A-Za-z]$/.test(name) ? "sign" : connectors.test(name) ? "name" : "command",
            name,
            command[0].length,
          );
      }
    } else {
      const sign = spacedSigns.exec(maths.slice(index, index + 3))?.[0] ?? character;
      if (/^[([{]$/.test(sign)) depth++;
      if (/^[)\]}]$/.test(sign)) depth--;
      push("sign", sign, sign.length);
    }
  }
  return tokens;
}

/** `1,234,567.89`, `1 000`, `.5`, `1.5e-3`; commas are separators of thousands only where `joins` allows it. */
function readNumber(rest: string, joins: boolean): string {
  const marked = new RegExp(`^\\d{1,3}(?:${thousandsMark}\\d{3})+(?!\\d)(?:\\.\\d+)?`).exec(rest)?.[0];
  if (marked !== undefined) return marked;
  const grouped = joins ? /^[1-9]\d{0,2}(?:,\d{3})+(?![\d,])(?:\.\d+)?/.exec(rest)?.[0] : undefined;
  if (grouped !== undefined) return grouped;
  const blocks = /^[1-9]\d{0,2}(?: \d{3})+(?!\d)(?:\.\d+)?/.exec(rest)?.[0];
  if (blocks !== undefined) return blocks;
  return /^(?:\d+(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][+-]?\d+(?![A-Za-z\d]))?/.exec(rest)?.[0] ?? rest.charAt(0);
}

/** `\mathrm{lcm}(4, 6)`, `\text{gcd}(4, 6)`. */
const boxedFunction =
  /^\s*\{\s*(gcd|lcm|max|min|log|ln|exp|det|(?:arc?|a)?(?:sin|cos|tan)h?|cot|sec|csc)\s*\}/;

/** `\mathrm{cm}` is text, `\mathrm{e}` and `\mathbb{R}` are symbols. */
function isWordBox(command: string, maths: string, index: number): boolean {
  if (command === "operatorname") return false;
  return (
    command.startsWith("math") && /^\s*\{\s*[A-Za-z]{2,}[A-Za-z ]*\}/.test(maths.slice(index, index + 60))
  );
}

function bracedAfter(maths: string, from: number): { content: string; end: number } | null {
  const start = from + (/^\s*/.exec(maths.slice(from))?.[0].length ?? 0);
  if (maths.charAt(start) !== "{") return null;
  let depth = 0;
  for (let index = start; index < maths.length; index++) {
    if (maths.charAt(index) === "{") depth++;
    if (maths.charAt(index) === "}" && --depth === 0)
      return { content: maths.slice(start + 1, index), end: index + 1 };
  }
  return null;
}
