import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { ChatFormat } from "../../src/tokens/chat-format.ts";
import type { AnswerTraits, CallContent } from "../../src/tokens/turn-renderer.ts";
import { loadTemplateFixtures } from "../support/template-fixtures.ts";

const holds = (thought: AnswerTraits["thought"], besideCalls: CallContent): AnswerTraits => ({
  thought,
  besideCalls: [besideCalls],
});

/** Rows of the docs' table of defaults, by the template's name. */
async function documented(): Promise<Map<string, string[]>> {
  const docs = await readFile(new URL("../../docs/tokens.md", import.meta.url), "utf8");
  const [, table = ""] = docs.split("| template | calls only |");
  const rows = table.slice(0, table.indexOf("\n\n")).split("\n").slice(2);
  const cells = rows.map((row) => row.split("|").map((cell) => cell.trim()));
  return new Map(cells.map(([, name = "", ...rest]) => [name, rest.slice(0, 4)]));
}

test("docs/tokens.md says what `auto` comes to for each template", async () => {
  const found = new Map<string, string[]>();
  for (const { name, tokenizer, chatTemplate: template } of await loadTemplateFixtures()) {
    const format = new ChatFormat({ tokenizer, template });
    const answer = { role: "assistant" as const, content: "x", reasoning_content: "x" };
    const window = { system: null, afterTool: false, earlier: null };
    const next = [{ role: "user" as const, content: "x" }];
    const later = format.turns.renderWindow(window, { answer, next });
    const thoughtDefault = format.defaultHistory(holds("apart", "none"), {});
    found.set(name, [
      format.defaultHistory(holds(null, "none"), {}),
      format.defaultHistory(holds(null, "words"), {}),
      thoughtDefault,
      later?.keepsHistory || thoughtDefault === "keep" ? "goes on" : "new segment",
    ]);
  }
  expect(await documented()).toEqual(found);
});
