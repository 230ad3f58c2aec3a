/** Writes the table of docs/security.md from the abuse suite. Run: npx node scripts/write-security-docs.ts */
import { readFile, writeFile } from "node:fs/promises";
import { withAbuseTable } from "../tests/support/abuse/security-page.ts";

const page = new URL("../docs/security.md", import.meta.url);
await writeFile(page, withAbuseTable(await readFile(page, "utf8")));
