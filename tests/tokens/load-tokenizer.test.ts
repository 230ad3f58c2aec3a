import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { loadTokenizer } from "../../src/tokens/load-tokenizer.ts";

/** One id a byte, and 256 for <|im_end|>. */
const { signal } = new AbortController();
const bytes = fileURLToPath(new URL("../fixtures/tokenizers/bytes", import.meta.url));

test("decodes ids with their special tokens, across characters of several bytes", async () => {
  await using loaded = await loadTokenizer(bytes, { signal });
  const { tokenizer } = loaded;
  expect(tokenizer.decode([...Buffer.from("héllo 😀"), 256])).toBe("héllo 😀<|im_end|>");
});

test("ids outside the vocabulary are named where they stand", async () => {
  await using loaded = await loadTokenizer(bytes, { signal });
  const { tokenizer } = loaded;
  expect(tokenizer.decode([104, 99_999, 105])).toBe("h<99999?>i");
});

test("a folder without a tokenizer, and a broken one, say what was expected", async () => {
  await expect(loadTokenizer("/nowhere", { signal })).rejects.toMatchObject({ code: "TOKENIZER_NOT_FOUND" });
  const folder = await mkdtemp(join(tmpdir(), "lachesis-tokenizer-"));
  try {
    await writeFile(join(folder, "tokenizer.json"), "{");
    await expect(loadTokenizer(folder, { signal })).rejects.toMatchObject({ code: "TOKENIZER_INVALID" });
    await writeFile(join(folder, "tokenizer.json"), "{}");
    await writeFile(join(folder, "tokenizer_config.json"), "{}");
    await expect(loadTokenizer(folder, { signal })).rejects.toMatchObject({ code: "TOKENIZER_INVALID" });
  } finally {
    await rm(folder, { recursive: true });
  }
});
