/** The weights of a tiny policy: one flat array with a name and a shape for every part of it. */
import type { Arena, Matrix } from "./arena.ts";
import { feedForwardRatio, type TransformerConfig } from "./transformer-config.ts";

export type ParameterShape = { name: string; rows: number; columns: number; offset: number };

/** In the order in which they lie in the flat array; matrices are [input][output]. */
export function parameterShapes(config: TransformerConfig): ParameterShape[] {
  const { vocabulary_size: vocabulary, context_length: context, width, layers } = config;
  const hidden = width * feedForwardRatio;
  const shapes: ParameterShape[] = [];
  let offset = 0;
  const add = (name: string, rows: number, columns: number) => {
    shapes.push({ name, rows, columns, offset });
    offset += rows * columns;
  };
  add("embedding.weight", vocabulary, width);
  add("positions.weight", context, width);
  for (let layer = 0; layer < layers; layer++) {
    add(`blocks.${layer}.attention_norm.weight`, 1, width);
    add(`blocks.${layer}.attention.qkv.weight`, width, 3 * width);
    add(`blocks.${layer}.attention.output.weight`, width, width);
    add(`blocks.${layer}.mlp_norm.weight`, 1, width);
    add(`blocks.${layer}.mlp.up.weight`, width, hidden);
    add(`blocks.${layer}.mlp.down.weight`, hidden, width);
  }
  add("norm.weight", 1, width);
  return shapes;
}

export function parameterCount(config: TransformerConfig): number {
  return parameterShapes(config).reduce((sum, { rows, columns }) => sum + rows * columns, 0);
}

/** Weights to start from: norms 1, the rest normal (0.02 as GPT-2 has it, smaller into the residual stream). */
export function initialParameters(config: TransformerConfig, random: () => number): Float32Array {
  const weights = new Float32Array(parameterCount(config));
  for (const { name, rows, columns, offset } of parameterShapes(config)) {
    const deviation = deviationOf(name, config);
    for (let index = 0; index < rows * columns; index++) {
      weights[offset + index] = deviation === null ? 1 : normal(random) * deviation;
    }
  }
  return weights;
}

function deviationOf(name: string, { width, layers }: TransformerConfig): number | null {
  if (name.endsWith("norm.weight")) return null;
  if (name.startsWith("embedding") || name.startsWith("positions")) return 0.1;
  const intoStream = name.includes(".output.") || name.includes(".down.");
  return (intoStream ? 1 / Math.sqrt(2 * layers) : 1) / Math.sqrt(width);
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** One set of parameters (or of their gradients) in the kernel's memory. */
export class Parameters {
  readonly #arena: Arena;
  readonly #whole: Matrix;
  readonly #matrices = new Map<string, Matrix>();

  constructor(arena: Arena, config: TransformerConfig) {
    this.#arena = arena;
    this.#whole = arena.matrix(1, parameterCount(config));
    for (const { name, rows, columns, offset } of parameterShapes(config)) {
      const address = this.#whole.address + offset * 4;
      this.#matrices.set(name, { address, rows, columns, stride: columns });
    }
  }

  matrix(name: string): Matrix {
    const matrix = this.#matrices.get(name);
    if (matrix === undefined) throw new RangeError(`Expected the name of a parameter, got ${name}.`);
    return matrix;
  }

  /** Index of the parameter's first value in `arena.floats`. */
  offset(name: string): number {
    return this.matrix(name).address / 4;
  }

  /** A view, valid until the arena grows. */
  part(name: string): Float32Array {
    const { address, rows, columns } = this.matrix(name);
    return this.#arena.floats.subarray(address / 4, address / 4 + rows * columns);
  }

  load(values: Float32Array): void {
    if (values.length !== this.#whole.columns) {
      throw new RangeError(`Expected ${this.#whole.columns} weights, got ${values.length}.`);
    }
    this.#arena.floats.set(values, this.#whole.address / 4);
  }

  clear(): void {
    const from = this.#whole.address / 4;
    this.#arena.floats.fill(0, from, from + this.#whole.columns);
  }

  /** A copy of all values in the order of `parameterShapes`. */
  flat(): Float32Array {
    const from = this.#whole.address / 4;
    return this.#arena.floats.slice(from, from + this.#whole.columns);
  }
}
