/** The keys of `environment train` as a Markdown table, for docs/trainers.md. */
import { trainKeys } from "./train-config.ts";

/** The part of docs/trainers.md that the table goes into. */
export const trainTableMarks =
  /(<!-- train keys: made by scripts\/write-cli-docs\.ts -->\n)[\s\S]*?(<!-- \/train keys -->)/;

/** Ends with a line break. */
export function trainTable(): string {
  const rows = trainKeys().map(({ flag, typeText, grpo, sft, description }) => {
    const value = (text: string | undefined) => (text === undefined ? "–" : `\`${cell(text)}\``);
    return `| \`${flag}\` | ${cell(typeText)} | ${value(grpo)} | ${value(sft)} | ${cell(description)} |`;
  });
  return `| flag | type | grpo | sft | meaning |\n|---|---|---|---|---|\n${rows.join("\n")}\n`;
}

/** A bar would end the cell. */
const cell = (text: string): string => text.replaceAll("|", "\\|");
