/** The tables of docs/parsers.md, made from the parsers themselves. */
import { parsers } from "../../parsers/index.ts";

const call = { name: "get_weather", arguments: '{"city": "Paris"}' };

/** Markdown: a table of names and models, then an example of each wire format and what it cannot carry. */
export function parsersTable(): string {
  const rows = parsers.map(
    ({ name, aliases, models }) => `| \`${name}\` | ${aliases.map(code).join(", ")} | ${models} |`,
  );
  const examples = parsers.map(({ name, format, limits }) => {
    const fence = "~~~";
    const cannot = limits.map((limit) => `- ${limit.replaceAll("<", "&lt;")}`).join("\n");
    const example = `### ${name}\n\n${fence}\n${format({ content: "Let me look.", toolCalls: [call] })}\n${fence}\n`;
    return cannot === "" ? example : `${example}\nWhat \`format\` cannot carry:\n\n${cannot}\n`;
  });
  return `\n| name | also | models |\n|---|---|---|\n${rows.join("\n")}\n\n${examples.join("\n")}\n`;
}

function code(text: string): string {
  return `\`${text}\``;
}

export const parsersTableMarks =
  /(<!-- parsers: made by scripts\/write-cli-docs\.ts -->\n)[\s\S]*?(<!-- \/parsers -->)/;
