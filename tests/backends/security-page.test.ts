import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { withAbuseTable } from "../support/abuse/security-page.ts";

test("docs/security.md has the abuse suite's own table (else: npx node scripts/write-security-docs.ts)", async () => {
  const page = await readFile("docs/security.md", "utf8");
  expect(page).toBe(withAbuseTable(page));
});
