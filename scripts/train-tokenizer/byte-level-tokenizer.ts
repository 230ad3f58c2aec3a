/**
 * Byte-level BPE in the hub's format: any text in and the same text out. Shared by the tokenizers that ship; they
 * differ in what they learn from and in how they cut texts before anything is merged.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import { type TrainedMerges, trainBytePairs } from "./byte-pair-trainer.ts";

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
const addedPattern = new RegExp(addedTokens.map(({ content }) => content.replaceAll("|", "\\|")).join("|"));

const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false };

export type TokenizerRecipe = {
  texts: Iterable<string>;
  /** Regular expression whose matches, and what lies between them, are never merged with one another. */
  pieces: string;
  /** Tokens in all. */
  size: number;
  /** Longest text of the model it is for, tokens. */
  modelMaxLength: number;
};

/** Writes tokenizer.json and tokenizer_config.json; answers what there is to tell. */
export function writeByteLevelTokenizer(folder: string, recipe: TokenizerRecipe): string {
  const split = { type: "Split", pattern: { Regex: recipe.pieces }, behavior: "Isolated", invert: false };
  const { pre_tokenizer: toPieces } = new Tokenizer(definitionOf({ vocabulary: [], merges: [] }, split), {});
  if (toPieces === null) throw new Error("The tokenizer cuts no texts");
  const counts = new Map<string, number>();
  for (const text of recipe.texts) {
    // Added tokens are found before anything else: no merge ever sees their text.
    for (const part of text.split(addedPattern)) {
      for (const piece of toPieces.pre_tokenize(part)) counts.set(piece, (counts.get(piece) ?? 0) + 1);
    }
  }
  const trained = trainBytePairs(counts, {
    alphabet: byteAlphabet(),
    size: recipe.size - addedTokens.length,
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
    model_max_length: recipe.modelMaxLength,
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "tokenizer.json"), `${JSON.stringify(definitionOf(trained, split))}\n`);
  writeFileSync(join(folder, "tokenizer_config.json"), `${JSON.stringify(config, null, 2)}\n`);
  return `${trained.merges.length} merges, ${trained.vocabulary.length + addedTokens.length} tokens`;
}

function definitionOf({ vocabulary, merges }: TrainedMerges, split: object): object {
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
