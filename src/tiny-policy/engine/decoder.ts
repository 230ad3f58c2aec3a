/**
 * The transformer, token by token: keys and values of what a sequence has seen stay in a slot's cache, so that one
 * more token costs one row of work. Rows of many slots go through the layers together.
 *
 * Every number is computed in the order in which `Transformer` computes it: the log-probabilities of a sampled
 * sequence are those of a later forward pass to the bit.
 */
import { Arena, type Matrix, slice } from "./arena.ts";
import { causalSoftmax, normalize, relu } from "./operations.ts";
import { Parameters } from "./parameters.ts";
import { feedForwardRatio, type TransformerConfig } from "./transformer-config.ts";

/** A token to be read into a slot's cache, at its place in the slot's sequence. */
export type DecoderRow = { slot: number; position: number; token: number };

type SlotCache = {
  /** Keys per layer and head, transposed: [head size][position]. */
  keys: Matrix[][];
  /** Values per layer: [position][width]. */
  values: Matrix[];
};

export class Decoder {
  readonly config: TransformerConfig;
  readonly slots: number;
  readonly #arena = Arena.create();
  readonly #weights: Parameters;
  readonly #embeddingTransposed: Matrix;
  readonly #caches: SlotCache[];

  /** Throws a RangeError where the number of weights isn't the one of the config. */
  constructor(config: TransformerConfig, weights: Float32Array, { slots }: { slots: number }) {
    this.config = config;
    this.slots = slots;
    const { context_length: context, width, heads, layers } = config;
    this.#weights = new Parameters(this.#arena, config);
    this.#embeddingTransposed = this.#arena.matrix(width, config.vocabulary_size);
    const each = <T>(count: number, make: () => T) => Array.from({ length: count }, make);
    this.#caches = each(slots, () => ({
      keys: each(layers, () => each(heads, () => this.#arena.matrix(width / heads, context))),
      values: each(layers, () => this.#arena.matrix(context, width)),
    }));
    this.#arena.keep();
    this.setWeights(weights);
  }

  /** What the slots have cached is worth nothing afterwards. */
  setWeights(weights: Float32Array): void {
    this.#weights.load(weights);
    this.#arena.reset();
    const transposed = this.#arena.transposed(this.#weights.matrix("embedding.weight"));
    const from = transposed.address / 4;
    const { floats } = this.#arena;
    floats.copyWithin(
      this.#embeddingTransposed.address / 4,
      from,
      from + transposed.rows * transposed.stride,
    );
    // Keys are multiplied in groups of four columns: what stands behind the last one must be finite.
    for (const { keys } of this.#caches) {
      for (const matrix of keys.flat()) {
        floats.fill(0, matrix.address / 4, matrix.address / 4 + matrix.rows * matrix.stride);
      }
    }
  }

  /**
   * Reads tokens into the caches; rows of one slot come in the order of their positions, each right behind what
   * the slot holds. Answers the logits behind each of the rows named by `wanted` (indices into `rows`), one array
   * of vocabulary_size each; the arrays are valid until the next call.
   */
  read(rows: readonly DecoderRow[], wanted: readonly number[]): Float32Array[] {
    this.#arena.reset();
    const { width, layers, vocabulary_size: vocabulary } = this.config;
    let stream = this.#embed(rows);
    for (let layer = 0; layer < layers; layer++) stream = this.#block(layer, stream, rows);
    const normed = this.#norm(stream, "norm.weight");

    const last = this.#arena.matrix(wanted.length, width);
    const logits = this.#arena.matrix(wanted.length, vocabulary);
    const { floats } = this.#arena;
    for (const [row, index] of wanted.entries()) {
      const from = normed.address / 4 + index * width;
      floats.copyWithin(last.address / 4 + row * width, from, from + width);
    }
    this.#arena.multiply(last, this.#embeddingTransposed, logits);
    return wanted.map((_, row) => {
      const from = logits.address / 4 + row * logits.stride;
      return floats.subarray(from, from + vocabulary);
    });
  }

  #embed(rows: readonly DecoderRow[]): Matrix {
    const { width } = this.config;
    const stream = this.#arena.matrix(rows.length, width);
    const { floats } = this.#arena;
    const embedding = this.#weights.offset("embedding.weight");
    const positions = this.#weights.offset("positions.weight");
    for (const [index, { token, position }] of rows.entries()) {
      const to = stream.address / 4 + index * width;
      const word = embedding + token * width;
      const place = positions + position * width;
      for (let i = 0; i < width; i++) floats[to + i] = floats[word + i]! + floats[place + i]!;
    }
    return stream;
  }

  /** Works in place: answers `stream`, changed. */
  #block(layer: number, stream: Matrix, rows: readonly DecoderRow[]): Matrix {
    const arena = this.#arena;
    const { width } = this.config;
    const name = (part: string) => `blocks.${layer}.${part}.weight`;

    const normed = this.#norm(stream, name("attention_norm"));
    const qkv = arena.matrix(rows.length, 3 * width);
    arena.multiply(normed, this.#weights.matrix(name("attention.qkv")), qkv);
    this.#remember(layer, qkv, rows);
    const mixed = this.#attend(layer, qkv, rows);
    arena.multiply(mixed, this.#weights.matrix(name("attention.output")), stream, { accumulate: true });

    const normedAgain = this.#norm(stream, name("mlp_norm"));
    const hidden = arena.matrix(rows.length, width * feedForwardRatio);
    arena.multiply(normedAgain, this.#weights.matrix(name("mlp.up")), hidden);
    relu(arena.floats, hidden.address / 4, rows.length * hidden.stride);
    arena.multiply(hidden, this.#weights.matrix(name("mlp.down")), stream, { accumulate: true });
    return stream;
  }

  #remember(layer: number, qkv: Matrix, rows: readonly DecoderRow[]): void {
    const { width, heads } = this.config;
    const size = width / heads;
    const { floats } = this.#arena;
    for (const [index, { slot, position }] of rows.entries()) {
      const cache = this.#caches[slot]!;
      const from = qkv.address / 4 + index * qkv.stride;
      for (let head = 0; head < heads; head++) {
        const keys = cache.keys[layer]![head]!;
        for (let i = 0; i < size; i++) {
          floats[keys.address / 4 + i * keys.stride + position] = floats[from + width + head * size + i]!;
        }
      }
      const values = cache.values[layer]!;
      const value = from + 2 * width;
      floats.copyWithin(values.address / 4 + position * width, value, value + width);
    }
  }

  #attend(layer: number, qkv: Matrix, rows: readonly DecoderRow[]): Matrix {
    const arena = this.#arena;
    const { width, heads, context_length: context } = this.config;
    const size = width / heads;
    const scale = 1 / Math.sqrt(size);
    const mixed = arena.matrix(rows.length, width);
    const weights = arena.matrix(1, context);
    for (const [index, { slot, position }] of rows.entries()) {
      const cache = this.#caches[slot]!;
      const seen = position + 1;
      for (let head = 0; head < heads; head++) {
        const columns = { column: head * size, columns: size };
        const query = slice(qkv, { row: index, rows: 1, ...columns });
        arena.multiply(query, slice(cache.keys[layer]![head]!, { columns: seen }), weights);
        const place = { at: weights.address / 4, rows: 1, stride: weights.stride, offset: position };
        causalSoftmax(arena.floats, place, scale);
        const values = slice(cache.values[layer]!, { rows: seen, ...columns });
        const target = slice(mixed, { row: index, rows: 1, ...columns });
        arena.multiply(slice(weights, { columns: seen }), values, target);
      }
    }
    return mixed;
  }

  #norm(x: Matrix, gain: string): Matrix {
    const out = this.#arena.matrix(x.rows, x.columns);
    const place = { x: x.address / 4, out: out.address / 4, rows: x.rows, width: x.columns };
    normalize(this.#arena.floats, place, this.#weights.part(gain), new Float32Array(x.rows));
    return out;
  }
}
