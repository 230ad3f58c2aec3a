/**
 * Text of models, tools and people as HTML that shows it and never runs it: everything is escaped, control
 * characters become signs that can be seen, and what is too long is cut and says so. Of Markdown only fenced code
 * is set apart; the rest stands as it was written.
 */
import { escapeHtml } from "../../contracts/escape-html.ts";

/** Characters of one text that are shown. */
export const TEXT_CHARACTERS = 20_000;

/** What one group may show; a group of very many long texts must not fill the page. */
export class TextBudget {
  #left: number;

  constructor(characters: number) {
    this.#left = characters;
  }

  /** Takes for what is no text: the frame of a message. False when nothing is left. */
  spend(characters: number): boolean {
    this.#left = Math.max(0, this.#left - characters);
    return this.#left > 0;
  }

  /** As much of the text as may be shown, and how many characters that leaves out. */
  take(text: string): { shown: string; leftOut: number } {
    let end = Math.min(text.length, TEXT_CHARACTERS, this.#left);
    // Not between the halves of a character.
    if (end < text.length && end > 0 && /[\uD800-\uDBFF]/.test(text[end - 1] ?? "")) end -= 1;
    this.#left -= end;
    return { shown: text.slice(0, end), leftOut: text.length - end };
  }
}

/** Paragraphs as they were written, and fenced code in blocks of its own. */
export function textHtml(text: string, budget: TextBudget): string {
  const { shown, leftOut } = budget.take(text);
  const parts: string[] = [];
  let plain: string[] = [];
  const endPlain = () => {
    const written = plain.join("\n").replace(/^\n+|\s+$/g, "");
    if (written !== "") parts.push(`<div class="text" dir="auto">${safeText(written)}</div>`);
    plain = [];
  };
  const lines = shown.split(/\r?\n/);
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? "";
    const fence = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence === undefined) {
      plain.push(line);
      continue;
    }
    const end = lines.findIndex((each, at) => at > index && closes(each, fence));
    const last = end === -1 ? lines.length : end;
    endPlain();
    parts.push(`<pre><code>${safeText(lines.slice(index + 1, last).join("\n"))}</code></pre>`);
    index = last;
  }
  endPlain();
  return parts.join("") + leftOutHtml(leftOut);
}

/** Code, or what a tool gave: to the letter. */
export function codeHtml(text: string, budget: TextBudget): string {
  const { shown, leftOut } = budget.take(text);
  return `<pre><code>${safeText(shown)}</code></pre>${leftOutHtml(leftOut)}`;
}

/** The beginning of a text in one line. */
export function lineHtml(text: string, length: number): string {
  const line = text
    .slice(0, 4 * length)
    .replace(/\s+/g, " ")
    .trim();
  const characters = [...line];
  const shown = characters.length > length ? `${characters.slice(0, length).join("")}…` : line;
  return `<bdi>${safeText(shown)}</bdi>`;
}

/** Escaped, with control characters as the signs that Unicode has for them. */
export function safeText(text: string): string {
  const visible = text
    .replace(/\r\n/g, "\n")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    .replace(/[\u0000-\u0008\u000b-\u001f]/g, (sign) => String.fromCharCode(0x2400 + sign.charCodeAt(0)))
    .replace(/\u007f/g, "\u2421");
  return escapeHtml(visible.toWellFormed());
}

const closes = (line: string, fence: string): boolean => {
  const mark = line.trim();
  return mark.length >= fence.length && mark === (fence[0] ?? "").repeat(mark.length);
};

function leftOutHtml(characters: number): string {
  if (characters === 0) return "";
  return `<p class="quiet">… ${characters.toLocaleString("en-US")} more characters</p>`;
}
