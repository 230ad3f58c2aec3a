/** Compares answers that are words, letters or names: `\text{Evelyn}`, `odd`, `(C)`. */
import { type Expression, isCall } from "./expression.ts";

/** What an expression spells, if it is nothing but letters: `\text{odd}`, or `odd` read as o·d·d. */
export function spelling(expression: Expression): string | null {
  switch (expression.kind) {
    case "text":
      return expression.text;
    case "symbol":
      return expression.name;
    case "constant":
      return expression.name === "e" || expression.name === "i" ? expression.name : null;
    case "bracketed":
      return null;
    case "call": {
      if (!isCall(expression, "multiply")) return null;
      const parts = expression.args.map(spelling);
      return parts.some((part) => part === null) ? null : parts.join("");
    }
    default:
      return null;
  }
}

/** Words are equal in either case; single letters only in the same one. */
export function equalWords(gold: string, answer: string): boolean {
  const [left, right] = [plainWords(gold), plainWords(answer)];
  if (left === "" || right === "") return false;
  return left.length > 1 || right.length > 1 ? left.toLowerCase() === right.toLowerCase() : left === right;
}

/** Whether a text is words and nothing of a formula: `(a+b)c` and `a+bc` differ by their brackets alone. */
export function isWords(text: string): boolean {
  const bare = text.replace(wordBoxes, "").replace(/\\[ ,;!]/g, " ");
  return (
    /[A-Za-z]/.test(bare) &&
    !/[\\\d+*/^_=<>|%&;:[\]]|[A-Za-z]\s*\(/.test(bare) &&
    !/(?<![A-Za-z]{2})['’-]|(?<![A-Za-z]{3})!/.test(bare)
  );
}

const wordBoxes = /\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|rm|bf)(?![A-Za-z])/g;

function plainWords(text: string): string {
  return text
    .replace(wordBoxes, "")
    .replace(/[\s{}$()\\."'“”!?]+/g, "")
    .replace(/,+$/, "");
}
