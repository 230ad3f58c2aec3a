/** Puts the abuse suite's table between the marks of docs/security.md. */
import { abuseTable } from "./abuse-chapters.ts";

const [begin, end] = ["<!-- abuse table: begin -->", "<!-- abuse table: end -->"];

/** The page with the suite's present table; throws where the marks are missing. */
export function withAbuseTable(page: string): string {
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`the page lacks ${begin} or ${end}`);
  return `${before}${begin}\n${abuseTable()}\n${end}${after}`;
}
