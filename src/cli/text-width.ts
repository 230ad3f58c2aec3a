/** How many terminal columns a text takes, so that a line never wraps and a table stands straight. */
import { stripVTControlCharacters } from "node:util";

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
const wide =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}]/u;

/** Columns of a text; colour codes take none. */
export function textWidth(text: string): number {
  const plain = stripVTControlCharacters(text);
  if (/^[\x20-\x7e]*$/.test(plain)) return plain.length;
  let width = 0;
  for (const { segment } of graphemes.segment(plain)) width += graphemeWidth(segment);
  return width;
}

/** The text cut to `columns`, with "…" where something was cut. Colours are closed at the cut. */
export function fitText(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  if (columns < 1) return "";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ESC starts a colour code.
  const parts = text.split(/(\x1b\[[0-9;]*m)/);
  let fitted = "";
  let room = columns - 1;
  for (const [index, part] of parts.entries()) {
    if (index % 2 === 1) {
      fitted += part;
      continue;
    }
    for (const { segment } of graphemes.segment(part)) {
      room -= graphemeWidth(segment);
      if (room < 0) return `${fitted}…${parts.length > 1 ? "\x1b[0m" : ""}`;
      fitted += segment;
    }
  }
  return fitted;
}

/** The text filled up with spaces to `columns`. */
export function padText(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - textWidth(text)));
}

/** Text of a model as one harmless line: no control characters, no line breaks. */
export function oneLine(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim();
}

function graphemeWidth(grapheme: string): number {
  if (wide.test(grapheme)) return 2;
  return /^(\p{Mn}|\p{Me}|\p{Cf})+$/u.test(grapheme) ? 0 : 1;
}
