/** A parsed completion for people: its parts, and the raw text with calls and errors coloured where they stand. */
import type { ParsedCompletion } from "../contracts/tool-call-parser.ts";
import type { Colors } from "./colors.ts";

/** Several lines, the last one ended. Without colours the raw text is left out: places tell where a call stands. */
export function showCompletion(text: string, parsed: ParsedCompletion, colors: Colors): string {
  const lines: string[] = [];
  const part = (name: string, value: string | null) => {
    const shown = value === null ? colors.dim("none") : indent(visible(value));
    lines.push(`${colors.bold(name.padEnd(11))}${shown}`);
  };
  if (parsed.reasoning !== null) part("reasoning", parsed.reasoning);
  part("content", parsed.content);
  if (parsed.toolCalls.length === 0) part("calls", null);
  for (const [index, call] of parsed.toolCalls.entries()) {
    const place = colors.dim(`[${call.raw[0]}, ${call.raw[1]}) ${visible(call.id)}`);
    const name = call.name === "" ? colors.red("(no name)") : colors.green(visible(call.name));
    lines.push(
      `${colors.bold(`call ${index + 1}`.padEnd(11))}${name} ${indent(visible(call.arguments))}  ${place}`,
    );
  }
  for (const { reason, raw } of parsed.errors) {
    lines.push(`${colors.bold("error".padEnd(11))}${colors.red(visible(reason))}`);
    lines.push(`${" ".repeat(11)}${colors.dim(indent(visible(cut(raw))))}`);
  }
  const highlighted = highlight(text, parsed, colors);
  if (highlighted !== visible(text)) lines.push("", highlighted);
  return `${lines.join("\n")}\n`;
}

type Mark = { start: number; end: number; paint: (text: string) => string };

function highlight(text: string, { toolCalls, errors }: ParsedCompletion, colors: Colors): string {
  const marks: Mark[] = toolCalls.map(({ raw: [start, end] }) => ({ start, end, paint: colors.green }));
  let from = 0;
  for (const { raw } of errors) {
    const start = text.indexOf(raw, from);
    if (raw === "" || start < 0) continue;
    marks.push({ start, end: start + raw.length, paint: colors.red });
    from = start + raw.length;
  }
  let shown = "";
  let position = 0;
  for (const { start, end, paint } of marks.sort((a, b) => a.start - b.start)) {
    if (start < position) continue;
    shown += visible(text.slice(position, start)) + paint(visible(text.slice(start, end)));
    position = end;
  }
  return shown + visible(text.slice(position));
}

/** Control characters as their pictures: a model's text must not steer the terminal. */
export function visible(text: string): string {
  let shown = "";
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code === 0x0a || code === 0x09) shown += character;
    else if (code < 0x20) shown += String.fromCodePoint(0x2400 + code);
    else if (code === 0x7f) shown += "\u2421";
    else if (code >= 0x80 && code < 0xa0) shown += "\ufffd";
    else shown += character;
  }
  return shown;
}

function indent(text: string): string {
  return text.replaceAll("\n", `\n${" ".repeat(11)}`);
}

function cut(text: string): string {
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}
