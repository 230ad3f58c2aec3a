/**
 * Trains the tokenizer that ships for practice (src/tokens/practice-tokenizer). Run it only to change the
 * tokenizer: recorded token ids change with it.
 *
 *   npx node scripts/train-tokenizer.ts
 */
import { join } from "node:path";
import { writeByteLevelTokenizer } from "./train-tokenizer/byte-level-tokenizer.ts";
import { readCorpus } from "./train-tokenizer/corpus.ts";

const root = join(import.meta.dirname, "..");
console.log(
  writeByteLevelTokenizer(join(root, "src/tokens/practice-tokenizer"), {
    texts: readCorpus(root),
    // Words take one leading sign or space along, digits stand alone, runs of signs and of whitespace stay whole.
    pieces: String.raw`[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
    size: 4000,
    modelMaxLength: 131_072,
  }),
);
