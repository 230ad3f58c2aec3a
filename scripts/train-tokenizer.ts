/**
 * Trains the tokenizer that ships for practice (src/tokens/practice-tokenizer): byte-level BPE, any text in
 * and the same text out. Run it only to change the tokenizer: recorded token ids change with it.
 *
 *   npx node scripts/train-tokenizer.ts
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import { type TrainedMerges, trainBytePairs } from "./train-tokenizer/byte-pair-trainer.ts";
import { readCorpus } from "./train-tokenizer/corpus.ts";

const vocabularySize = 4000;
const root = join(import.meta.dirname, "..");
const folder = join(root, "src/tokens/practice-tokenizer");

/** In the order of their ids. What is special never shows in a text decoded for people. */
const addedTokens = [
  { content: "<|endoftext|>", special: true },
  { content: "<|im_start|>", special: true },
  { content: "<|im_end|>", special: true },
  { content: "<tool_call>", special: false },
  { content: "</tool_call>", special: false },
  { content: "<tool_response>", special: false },
  { content: "</tool_response>", special: false },
  { content: "<think>", special: false },
  { content: "</think>", special: false },
];

const split = {
  type: "Split",
  // Words take one leading sign or space along, digits stand alone, runs of signs and of whitespace stay whole.
  pattern: {
    Regex: String.raw`[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  },
  behavior: "Isolated",
  invert: false,
};
const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false };

const wordCounts = new Map<string, number>();
const { pre_tokenizer: toWords } = new Tokenizer(tokenizerOf({ vocabulary: [], merges: [] }), {});
if (toWords === null) throw new Error("The tokenizer splits no words");
for (const text of readCorpus(root)) {
  for (const word of toWords.pre_tokenize(text)) wordCounts.set(word, (wordCounts.get(word) ?? 0) + 1);
}
const trained = trainBytePairs(wordCounts, {
  alphabet: byteAlphabet(),
  size: vocabularySize - addedTokens.length,
});

const config = {
  tokenizer_class: "PreTrainedTokenizerFast",
  add_bos_token: false,
  add_prefix_space: false,
  bos_token: null,
  eos_token: "<|im_end|>",
  pad_token: "<|endoftext|>",
  unk_token: null,
  clean_up_tokenization_spaces: false,
  model_max_length: 131072,
};

writeFileSync(join(folder, "tokenizer.json"), `${JSON.stringify(tokenizerOf(trained))}\n`);
writeFileSync(join(folder, "tokenizer_config.json"), `${JSON.stringify(config, null, 2)}\n`);
console.log(`${trained.merges.length} merges, ${trained.vocabulary.length + addedTokens.length} tokens`);

function tokenizerOf({ vocabulary, merges }: TrainedMerges): object {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens.map(({ content, special }, index) => ({
      id: vocabulary.length + index,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special,
    })),
    normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [split, byteLevel] },
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
      merges,
    },
  };
}

/** The 256 letters that stand for bytes in such vocabularies, in the order of the bytes. */
function byteAlphabet(): string[] {
  // Bytes that print stand for themselves; the others follow from U+0100 on.
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    if (isPrintable(byte)) return String.fromCharCode(byte);
    others += 1;
    return String.fromCharCode(0xff + others);
  });
}
