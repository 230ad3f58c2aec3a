/**
 * A decoder-only transformer: learned positions, pre-norm blocks (RMS norm, causal attention, feed-forward with
 * ReLU), embedding tied to the output, no biases. Sequences of a batch lie end to end without padding.
 *
 * `forward` gives the log-probability of chosen tokens, `backward` takes the derivative of any loss by these and
 * adds the gradient of the weights: supervised and policy-gradient losses are arithmetic over log-probabilities
 * and need to know nothing of what is in here.
 */
import { Arena, type Matrix, slice } from "./arena.ts";
import {
  addInto,
  causalSoftmax,
  causalSoftmaxBackward,
  logSoftmax,
  normalize,
  normalizeBackward,
  relu,
  reluBackward,
} from "./operations.ts";
import { Parameters } from "./parameters.ts";
import { feedForwardRatio, type TransformerConfig } from "./transformer-config.ts";

export type PackedBatch = {
  /** All sequences, one after the other. */
  tokens: Int32Array;
  /** Where each sequence begins, and last the number of tokens. */
  starts: Int32Array;
  /** Indices into `tokens` of the ids whose log-probability is asked for; never the first of a sequence. */
  scored: Int32Array;
};

type BlockTrace = {
  input: Matrix;
  inverse1: Float32Array;
  normed1: Matrix;
  qkv: Matrix;
  /** One matrix of attention weights per sequence and head. */
  attention: Matrix[];
  mixed: Matrix;
  middle: Matrix;
  inverse2: Float32Array;
  normed2: Matrix;
  hidden: Matrix;
};

type Trace = {
  batch: PackedBatch;
  blocks: BlockTrace[];
  last: Matrix;
  inverse: Float32Array;
  normed: Matrix;
  /** Normed rows that predict the scored ids, and their probabilities over the vocabulary. */
  predictors: Matrix;
  probabilities: Matrix;
};

export class Transformer {
  readonly config: TransformerConfig;
  readonly #arena = Arena.create();
  readonly #weights: Parameters;
  readonly #gradient: Parameters;
  #trace: Trace | undefined;

  constructor(config: TransformerConfig, weights: Float32Array) {
    this.config = config;
    this.#weights = new Parameters(this.#arena, config);
    this.#gradient = new Parameters(this.#arena, config);
    this.#arena.keep();
    this.setWeights(weights);
  }

  setWeights(weights: Float32Array): void {
    this.#weights.load(weights);
    this.#trace = undefined;
  }

  /** Log-probability (natural, temperature 1) of each id of `batch.scored` given what stands before it. */
  forward(batch: PackedBatch): Float32Array {
    this.#arena.reset();
    const { tokens, starts, scored } = batch;
    const { width, vocabulary_size: vocabulary } = this.config;
    let stream = this.#embed(tokens, starts);
    const blocks: BlockTrace[] = [];
    for (let layer = 0; layer < this.config.layers; layer++) {
      const { trace, output } = this.#block(layer, stream, starts);
      blocks.push(trace);
      stream = output;
    }
    const inverse = new Float32Array(tokens.length);
    const normed = this.#norm(stream, "norm.weight", inverse);

    const predictors = this.#arena.matrix(scored.length, width);
    const embeddingTransposed = this.#arena.transposed(this.#weights.matrix("embedding.weight"));
    const probabilities = this.#arena.matrix(scored.length, vocabulary);
    const { floats } = this.#arena;
    for (let row = 0; row < scored.length; row++) {
      const from = normed.address / 4 + (scored[row]! - 1) * width;
      floats.copyWithin(predictors.address / 4 + row * width, from, from + width);
    }
    this.#arena.multiply(predictors, embeddingTransposed, probabilities);
    const logprobs = new Float32Array(scored.length);
    for (let row = 0; row < scored.length; row++) {
      const at = probabilities.address / 4 + row * probabilities.stride;
      logprobs[row] = logSoftmax(floats, at, vocabulary, tokens[scored[row]!]!);
    }
    this.#trace = { batch, blocks, last: stream, inverse, normed, predictors, probabilities };
    return logprobs;
  }

  /**
   * The gradient of a loss by the weights, flat as the weights are, given its derivative by each log-probability
   * that the last `forward` answered. One `backward` per `forward`.
   */
  backward(derivatives: Float32Array): Float32Array {
    const trace = this.#trace;
    if (trace === undefined) throw new Error("backward needs the forward pass it belongs to.");
    this.#trace = undefined;
    const { batch, last, inverse, predictors, probabilities } = trace;
    const { width, vocabulary_size: vocabulary } = this.config;
    const arena = this.#arena;
    this.#gradient.clear();

    // d loss / d logit = derivative · (1 at the id, 0 elsewhere, minus the probability)
    const dLogits = probabilities;
    for (let row = 0; row < batch.scored.length; row++) {
      const at = dLogits.address / 4 + row * dLogits.stride;
      const derivative = derivatives[row]!;
      const { floats } = arena;
      for (let i = at; i < at + vocabulary; i++) floats[i] = -derivative * floats[i]!;
      const target = at + batch.tokens[batch.scored[row]!]!;
      floats[target] = floats[target]! + derivative;
      floats.fill(0, at + vocabulary, at + dLogits.stride);
    }
    const dPredictors = arena.matrix(predictors.rows, width);
    arena.multiply(dLogits, this.#weights.matrix("embedding.weight"), dPredictors);
    this.#addProduct(dLogits, predictors, "embedding.weight");

    const dNormed = this.#zeros(last.rows, width);
    for (let row = 0; row < batch.scored.length; row++) {
      const to = dNormed.address / 4 + (batch.scored[row]! - 1) * width;
      addInto(arena.floats, dPredictors.address / 4 + row * width, to, width);
    }
    const dStream = this.#zeros(last.rows, width);
    this.#normBackward(last, dNormed, dStream, "norm.weight", inverse);
    for (let layer = this.config.layers - 1; layer >= 0; layer--) {
      this.#blockBackward(layer, trace.blocks[layer]!, dStream, batch.starts);
    }
    this.#embedBackward(batch, dStream);
    return this.#gradient.flat();
  }

  #embed(tokens: Int32Array, starts: Int32Array): Matrix {
    const { width } = this.config;
    const stream = this.#arena.matrix(tokens.length, width);
    const { floats } = this.#arena;
    const embedding = this.#weights.offset("embedding.weight");
    const positions = this.#weights.offset("positions.weight");
    forEachPosition(starts, (index, position) => {
      const to = stream.address / 4 + index * width;
      const token = embedding + tokens[index]! * width;
      const place = positions + position * width;
      for (let i = 0; i < width; i++) floats[to + i] = floats[token + i]! + floats[place + i]!;
    });
    return stream;
  }

  #embedBackward({ tokens, starts }: PackedBatch, dStream: Matrix): void {
    const { width } = this.config;
    const { floats } = this.#arena;
    const embedding = this.#gradient.offset("embedding.weight");
    const positions = this.#gradient.offset("positions.weight");
    forEachPosition(starts, (index, position) => {
      const from = dStream.address / 4 + index * width;
      addInto(floats, from, embedding + tokens[index]! * width, width);
      addInto(floats, from, positions + position * width, width);
    });
  }

  #block(layer: number, input: Matrix, starts: Int32Array): { trace: BlockTrace; output: Matrix } {
    const arena = this.#arena;
    const { width, heads } = this.config;
    const rows = input.rows;
    const name = (part: string) => `blocks.${layer}.${part}.weight`;

    const inverse1 = new Float32Array(rows);
    const normed1 = this.#norm(input, name("attention_norm"), inverse1);
    const qkv = arena.matrix(rows, 3 * width);
    arena.multiply(normed1, this.#weights.matrix(name("attention.qkv")), qkv);

    const mixed = arena.matrix(rows, width);
    const attention: Matrix[] = [];
    forEachHead(starts, heads, (row, length, head) => {
      const { query, key, value } = this.#headOf(qkv, { row, length, head });
      const weights = arena.matrix(length, length);
      const mark = arena.mark();
      arena.multiply(query, arena.transposed(key), weights);
      arena.release(mark);
      const place = { at: weights.address / 4, rows: length, stride: weights.stride, offset: 0 };
      causalSoftmax(arena.floats, place, this.#attentionScale());
      arena.multiply(weights, value, this.#headColumns(mixed, { row, length, head }));
      attention.push(weights);
    });

    const middle = this.#copy(input);
    arena.multiply(mixed, this.#weights.matrix(name("attention.output")), middle, { accumulate: true });
    const inverse2 = new Float32Array(rows);
    const normed2 = this.#norm(middle, name("mlp_norm"), inverse2);
    const hidden = arena.matrix(rows, width * feedForwardRatio);
    arena.multiply(normed2, this.#weights.matrix(name("mlp.up")), hidden);
    relu(arena.floats, hidden.address / 4, rows * hidden.stride);
    const output = this.#copy(middle);
    arena.multiply(hidden, this.#weights.matrix(name("mlp.down")), output, { accumulate: true });
    return {
      output,
      trace: { input, inverse1, normed1, qkv, attention, mixed, middle, inverse2, normed2, hidden },
    };
  }

  /** `dStream` comes as the gradient by the block's output and leaves as that by its input. */
  #blockBackward(layer: number, trace: BlockTrace, dStream: Matrix, starts: Int32Array): void {
    const arena = this.#arena;
    const { width, heads } = this.config;
    const rows = trace.input.rows;
    const name = (part: string) => `blocks.${layer}.${part}.weight`;
    const mark = arena.mark();

    const dHidden = arena.matrix(rows, width * feedForwardRatio);
    arena.multiply(dStream, arena.transposed(this.#weights.matrix(name("mlp.down"))), dHidden);
    this.#addProduct(trace.hidden, dStream, name("mlp.down"));
    reluBackward(arena.floats, trace.hidden.address / 4, dHidden.address / 4, rows * dHidden.stride);
    const dNormed2 = arena.matrix(rows, width);
    arena.multiply(dHidden, arena.transposed(this.#weights.matrix(name("mlp.up"))), dNormed2);
    this.#addProduct(trace.normed2, dHidden, name("mlp.up"));
    this.#normBackward(trace.middle, dNormed2, dStream, name("mlp_norm"), trace.inverse2);

    const dMixed = arena.matrix(rows, width);
    arena.multiply(dStream, arena.transposed(this.#weights.matrix(name("attention.output"))), dMixed);
    this.#addProduct(trace.mixed, dStream, name("attention.output"));
    const dQkv = arena.matrix(rows, 3 * width);
    let index = 0;
    forEachHead(starts, heads, (row, length, head) => {
      const weights = trace.attention[index++]!;
      const { query, key, value } = this.#headOf(trace.qkv, { row, length, head });
      const { query: dQuery, key: dKey, value: dValue } = this.#headOf(dQkv, { row, length, head });
      const dMixedHead = this.#headColumns(dMixed, { row, length, head });
      const headMark = arena.mark();
      const dWeights = arena.matrix(length, length);
      arena.multiply(dMixedHead, arena.transposed(value), dWeights);
      arena.multiplyTransposed(weights, dMixedHead, dValue);
      causalSoftmaxBackward(
        arena.floats,
        {
          probabilities: weights.address / 4,
          gradient: dWeights.address / 4,
          rows: length,
          stride: weights.stride,
        },
        this.#attentionScale(),
      );
      arena.multiply(dWeights, key, dQuery);
      arena.multiplyTransposed(dWeights, query, dKey);
      arena.release(headMark);
    });
    const dNormed1 = arena.matrix(rows, width);
    arena.multiply(dQkv, arena.transposed(this.#weights.matrix(name("attention.qkv"))), dNormed1);
    this.#addProduct(trace.normed1, dQkv, name("attention.qkv"));
    this.#normBackward(trace.input, dNormed1, dStream, name("attention_norm"), trace.inverse1);
    arena.release(mark);
  }

  #norm(x: Matrix, gain: string, inverse: Float32Array): Matrix {
    const out = this.#arena.matrix(x.rows, x.columns);
    const place = { x: x.address / 4, out: out.address / 4, rows: x.rows, width: x.columns };
    normalize(this.#arena.floats, place, this.#weights.part(gain), inverse);
    return out;
  }

  #normBackward(x: Matrix, dOut: Matrix, dx: Matrix, gain: string, inverse: Float32Array): void {
    const place = {
      x: x.address / 4,
      dOut: dOut.address / 4,
      dx: dx.address / 4,
      rows: x.rows,
      width: x.columns,
    };
    const { floats } = this.#arena;
    normalizeBackward(floats, place, this.#weights.part(gain), inverse, this.#gradient.part(gain));
  }

  /** Adds left-transposed × right to a parameter's gradient. */
  #addProduct(left: Matrix, right: Matrix, parameter: string): void {
    this.#arena.multiplyTransposed(left, right, this.#gradient.matrix(parameter), { accumulate: true });
  }

  #headOf(qkv: Matrix, place: HeadPlace): { query: Matrix; key: Matrix; value: Matrix } {
    const { width } = this.config;
    return {
      query: this.#headColumns(qkv, place),
      key: this.#headColumns(qkv, place, width),
      value: this.#headColumns(qkv, place, 2 * width),
    };
  }

  #headColumns(matrix: Matrix, { row, length, head }: HeadPlace, from = 0): Matrix {
    const size = this.config.width / this.config.heads;
    return slice(matrix, { row, rows: length, column: from + head * size, columns: size });
  }

  #attentionScale(): number {
    return 1 / Math.sqrt(this.config.width / this.config.heads);
  }

  #copy(matrix: Matrix): Matrix {
    const copy = this.#arena.matrix(matrix.rows, matrix.columns);
    const from = matrix.address / 4;
    this.#arena.floats.copyWithin(copy.address / 4, from, from + matrix.rows * matrix.stride);
    return copy;
  }

  #zeros(rows: number, columns: number): Matrix {
    const matrix = this.#arena.matrix(rows, columns);
    const from = matrix.address / 4;
    this.#arena.floats.fill(0, from, from + rows * matrix.stride);
    return matrix;
  }
}

type HeadPlace = { row: number; length: number; head: number };

function forEachPosition(starts: Int32Array, visit: (index: number, position: number) => void): void {
  for (let sequence = 0; sequence + 1 < starts.length; sequence++) {
    const start = starts[sequence]!;
    for (let index = start; index < starts[sequence + 1]!; index++) visit(index, index - start);
  }
}

function forEachHead(
  starts: Int32Array,
  heads: number,
  visit: (row: number, length: number, head: number) => void,
): void {
  for (let sequence = 0; sequence + 1 < starts.length; sequence++) {
    const row = starts[sequence]!;
    for (let head = 0; head < heads; head++) visit(row, starts[sequence + 1]! - row, head);
  }
}
