/** Size of a tiny policy. The file format of the weights carries it as metadata. */
import { z } from "zod";

export const transformerConfig = z.strictObject({
  vocabulary_size: z.int().min(4).describe("Rows of the embedding; at least the tokenizer's ids."),
  context_length: z.int().min(2).default(128).describe("Most tokens of one sequence."),
  layers: z.int().min(1).default(2).describe("Transformer blocks."),
  width: z.int().min(8).multipleOf(8).default(64).describe("Length of a token's vector."),
  heads: z.int().min(1).default(4).describe("Attention heads; width / heads is a multiple of 4."),
});

export type TransformerConfig = z.output<typeof transformerConfig>;

/** Hidden units of a block's feed-forward part, per unit of width. */
export const feedForwardRatio = 4;
