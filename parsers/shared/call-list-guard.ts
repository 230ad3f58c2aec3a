/**
 * The regular expression that vLLM's pythonic parsers demand of a text before they parse it, decided in linear time
 * (vLLM's own backtracks and gives up after a second). Of the first call it knows only `\w` names, `name()` and
 * `name(keyword=`; after the first keyword anything may follow up to some `)` before a `]`.
 */
import { isPythonSpace, pythonSpaces } from "./python-text.ts";

const word = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200c\\u200d]";
const opening = new RegExp(`[a-zA-Z]${word}*\\((?:(\\))|[a-zA-Z]${word}*=)`, "uy");
const spaces = new RegExp(`[${pythonSpaces}]*`, "y");

export function looksLikeCallList(text: string): boolean {
  if (!text.startsWith("[")) return false;
  let position = 1;
  let mayTakeComma = true;
  for (;;) {
    opening.lastIndex = position;
    const match = opening.exec(text);
    if (match === null) return false;
    position += match[0].length;
    if (match[1] === undefined) return hasListEnd(text, position);
    if (mayTakeComma && text.charAt(position) === ",") {
      position = skipSpaces(text, position + 1);
      continue;
    }
    position = skipSpaces(text, position);
    if (text.charAt(position) === "]") return true;
    // Calls may follow each other without a comma, but then no comma may come any more.
    mayTakeComma = false;
  }
}

/** Whether `name()` or `name(keyword=` stands at `position`: what the pattern demands of the first call. */
export function beginsCall(text: string, position: number): boolean {
  opening.lastIndex = position;
  return opening.test(text);
}

/** Whether some `)`, then only whitespace, then `]` comes from `from` on. */
function hasListEnd(text: string, from: number): boolean {
  let bracket = text.indexOf("]", from);
  while (bracket >= 0) {
    let before = bracket - 1;
    while (before >= from && isPythonSpace(text.charCodeAt(before))) before--;
    if (before >= from && text.charAt(before) === ")") return true;
    bracket = text.indexOf("]", bracket + 1);
  }
  return false;
}

function skipSpaces(text: string, position: number): number {
  spaces.lastIndex = position;
  return position + (spaces.exec(text)?.[0].length ?? 0);
}
