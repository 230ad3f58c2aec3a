import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/practice/seeded-random.ts";
import { initialParameters, parameterShapes } from "../../../src/tiny-policy/engine/parameters.ts";
import { type PackedBatch, Transformer } from "../../../src/tiny-policy/engine/transformer.ts";

const config = { vocabulary_size: 30, context_length: 16, layers: 2, width: 16, heads: 2 };

/** Sequences of the lengths given, random ids, about two thirds of them scored. */
function randomBatch(lengths: readonly number[], random: () => number): PackedBatch {
  const starts = new Int32Array(lengths.length + 1);
  for (const [index, length] of lengths.entries()) starts[index + 1] = (starts[index] ?? 0) + length;
  const tokens = Int32Array.from({ length: starts.at(-1) ?? 0 }, () => Math.floor(random() * 30));
  const isFirst = (index: number) => starts.includes(index);
  const scored = Int32Array.from([...tokens.keys()].filter((index) => !isFirst(index) && random() < 0.7));
  return { tokens, starts, scored };
}

describe("Transformer", () => {
  test("log-probabilities of all ids sum to probability 1, and depend on nothing that stands behind them", () => {
    const random = seededRandom(1);
    const model = new Transformer(config, initialParameters(config, random));
    const prefix = [3, 14, 15, 9];
    const logprobOf = (id: number, ...behind: number[]) => {
      const tokens = Int32Array.from([...prefix, id, ...behind]);
      const batch = { tokens, starts: Int32Array.of(0, tokens.length), scored: Int32Array.of(4) };
      return model.forward(batch)[0] ?? Number.NaN;
    };
    const all = Array.from({ length: 30 }, (_, id) => logprobOf(id));
    expect(all.reduce((sum, logprob) => sum + Math.exp(logprob), 0)).toBeCloseTo(1, 5);
    expect(logprobOf(7, 1, 2, 3)).toBe(all[7]);
  });

  test("a sequence's log-probabilities are the same to the bit alone and packed with others", () => {
    const random = seededRandom(2);
    const model = new Transformer(config, initialParameters(config, random));
    const { tokens, starts } = randomBatch([6, 1, 11, 4], random);
    const whole = (from: number, to: number) =>
      Int32Array.from({ length: to - from - 1 }, (_, index) => from + index + 1);
    const scored = Int32Array.from([...whole(0, 6), ...whole(7, 18), ...whole(18, 22)]);
    const packed = model.forward({ tokens, starts, scored });
    const alone = model.forward({
      tokens: tokens.slice(7, 18),
      starts: Int32Array.of(0, 11),
      scored: whole(0, 11),
    });
    expect([...packed.slice(5, 15)]).toEqual([...alone]);
  });

  test("the gradient of every kind of weight is the slope of the loss", () => {
    const random = seededRandom(3);
    const weights = initialParameters(config, random);
    const model = new Transformer(config, weights);
    const batch = randomBatch([5, 9, 1, 12], random);
    const derivatives = Float32Array.from(batch.scored, () => random() - 0.5);
    const lossAt = (values: Float32Array) => {
      model.setWeights(values);
      return model.forward(batch).reduce((sum, logprob, row) => sum + logprob * (derivatives[row] ?? 0), 0);
    };
    lossAt(weights);
    const gradient = model.backward(derivatives);

    for (const { name, rows, columns, offset } of parameterShapes(config)) {
      // Along the gradient itself the slope is its length: one number that all values of the part go into.
      const part = gradient.subarray(offset, offset + rows * columns);
      const length = Math.hypot(...part);
      const step = 2e-3 / length;
      const moved = (sign: number) => {
        const values = weights.slice();
        for (const [index, value] of part.entries()) {
          values[offset + index] = (values[offset + index] ?? 0) + sign * step * value;
        }
        return lossAt(values);
      };
      const slope = (moved(1) - moved(-1)) / (2 * step * length);
      expect(Math.abs(slope / length - 1), `${name}: slope ${slope}, gradient ${length}`).toBeLessThan(0.03);
    }
  });

  test("an id with derivative 0 adds nothing to the gradient", () => {
    const random = seededRandom(4);
    const model = new Transformer(config, initialParameters(config, random));
    const batch = randomBatch([8, 8], random);
    const half = batch.scored.filter((_, row) => row % 2 === 0);
    model.forward(batch);
    const all = model.backward(Float32Array.from(batch.scored, (_, row) => (row % 2 === 0 ? 1 : 0)));
    model.forward({ ...batch, scored: half });
    const some = model.backward(new Float32Array(half.length).fill(1));
    for (const [index, value] of all.entries()) expect(value).toBeCloseTo(some[index] ?? Number.NaN, 4);
  });
});
