/** All attacks that the suite tries, in the order of the table in docs/security.md. */
import type { AbuseChapter } from "./abuse-case.ts";
import { fileAbuse } from "./file-abuse.ts";
import { kernelAbuse } from "./kernel-abuse.ts";
import { networkAbuse } from "./network-abuse.ts";
import { processAbuse } from "./process-abuse.ts";
import { replAbuse } from "./repl-abuse.ts";
import { resourceAbuse } from "./resource-abuse.ts";

export const abuseChapters: readonly AbuseChapter[] = [
  fileAbuse,
  processAbuse,
  networkAbuse,
  kernelAbuse,
  resourceAbuse,
  replAbuse,
];

/** The table as Markdown. */
export function abuseTable(): string {
  const rows = abuseChapters.flatMap(({ title, cases }) => [
    `| **${title}** | |`,
    ...cases.map(({ attack, containedBy }) => `| ${cell(attack)} | ${cell(containedBy)} |`),
  ]);
  return ["| attack | contained by |", "|---|---|", ...rows].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
