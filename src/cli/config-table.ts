/** The keys of an environment as a Markdown table, for docs/cli.md. */
import type { FieldGroup } from "./config-help.ts";

/** One table per group, each under its title. Ends with a line break. */
export function configTables(groups: readonly FieldGroup[]): string {
  return groups.map(configTable).join("\n");
}

function configTable({ title, prefix, fields }: FieldGroup): string {
  const rows = fields.map(({ name, typeText, defaultText, required, description }) => {
    const value = required ? "required" : defaultText === undefined ? "unset" : `\`${cell(defaultText)}\``;
    return `| \`${prefix}${name}\` | ${cell(typeText)} | ${value} | ${cell(description)} |`;
  });
  return `### ${title}\n\n| flag | type | default | meaning |\n|---|---|---|---|\n${rows.join("\n")}\n`;
}

/** A bar or a line break would end the cell. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
