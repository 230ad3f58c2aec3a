/** Writes docs/errors.md from src/contracts/error-codes.ts. Run: npm run docs:errors */
import { writeFile } from "node:fs/promises";
import { errorCodes } from "../src/contracts/error-codes.ts";

const rows = Object.entries(errorCodes).map(
  ([code, remedy]) => `| \`${code}\` | ${remedy.replaceAll("|", "\\|")} |`,
);
const page = `# Error codes

Every error a user can meet carries a stable code, a message (what was expected, what came, where) and a hint.
Scripts may branch on the code. This table is made by \`npm run docs:errors\`; a test keeps it true.

| code | how to solve |
|---|---|
${rows.join("\n")}
`;
await writeFile(new URL("../docs/errors.md", import.meta.url), page);
