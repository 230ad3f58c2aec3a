/** Reads maths as people type it: `1000,99`, `x^2 + 1`, `28 percent`. */
import type { Expression } from "./expression.ts";
import { parseAnswer } from "./parse-answer.ts";

export function parsePlain(text: string): Expression {
  return parseAnswer(withDecimalPoint(text.replace(/\*\*(?![\d(-])/g, " ")));
}

/** One comma between digits is a decimal one, unless it separates thousands: `2,74`, but `1,000`. */
function withDecimalPoint(text: string): string {
  const commas = text.match(/,/g)?.length ?? 0;
  if (commas !== 1 || /[([{]/.test(text) || /(?<!\d)[1-9]\d{0,2},\d{3}(?!\d)/.test(text)) return text;
  return text.replace(/(\d),(?=\d)/, "$1.");
}
