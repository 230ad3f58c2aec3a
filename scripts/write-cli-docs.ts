/**
 * Writes the tables of keys in docs/cli.md and docs/trainers.md from the schemas, and those of docs/parsers.md from the
 * parsers. Run: node scripts/write-cli-docs.ts
 */
import { readFile, writeFile } from "node:fs/promises";
import { Gsm8kAgentEnv } from "../environments/gsm8k-agent.ts";
import { fieldGroups } from "../src/cli/config-help.ts";
import { configTables } from "../src/cli/config-table.ts";
import { parsersTable, parsersTableMarks } from "../src/cli/parsers-table.ts";
import { trainTable, trainTableMarks } from "../src/cli/train-table.ts";

const page = new URL("../docs/cli.md", import.meta.url);
const marked = /(<!-- keys: made by scripts\/write-cli-docs\.ts -->\n)[\s\S]*?(<!-- \/keys -->)/;

const text = await readFile(page, "utf8");
if (!marked.test(text)) throw new Error("docs/cli.md: the marks around the tables are missing");
await writeFile(
  page,
  text.replace(
    marked,
    (_all, open, close) => `${open}${configTables(fieldGroups(Gsm8kAgentEnv, {}))}${close}`,
  ),
);

const parsersPage = new URL("../docs/parsers.md", import.meta.url);
const parsersText = await readFile(parsersPage, "utf8");
if (!parsersTableMarks.test(parsersText))
  throw new Error("docs/parsers.md: the marks around the tables are missing");
await writeFile(
  parsersPage,
  parsersText.replace(parsersTableMarks, (_all, open, close) => `${open}${parsersTable()}${close}`),
);

const trainersPage = new URL("../docs/trainers.md", import.meta.url);
const trainersText = await readFile(trainersPage, "utf8");
if (!trainTableMarks.test(trainersText))
  throw new Error("docs/trainers.md: the marks around the table are missing");
await writeFile(
  trainersPage,
  trainersText.replace(trainTableMarks, (_all, open, close) => `${open}${trainTable()}${close}`),
);
