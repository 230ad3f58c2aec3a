import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/practice/seeded-random.ts";
import { Decoder, type DecoderRow } from "../../../src/tiny-policy/engine/decoder.ts";
import { logSoftmax } from "../../../src/tiny-policy/engine/operations.ts";
import { initialParameters } from "../../../src/tiny-policy/engine/parameters.ts";
import { Transformer } from "../../../src/tiny-policy/engine/transformer.ts";

const config = { vocabulary_size: 29, context_length: 24, layers: 2, width: 16, heads: 4 };
const weights = initialParameters(config, seededRandom(5));
const model = new Transformer(config, weights);

/** Log-probabilities of ids 1, 2, ... of the sequence by a forward pass of the whole. */
function forward(ids: readonly number[]): number[] {
  const tokens = Int32Array.from(ids);
  const scored = Int32Array.from({ length: ids.length - 1 }, (_, index) => index + 1);
  return [...model.forward({ tokens, starts: Int32Array.of(0, ids.length), scored })];
}

describe("Decoder", () => {
  test("log-probabilities are the forward pass's to the bit, however sequences are cut and mixed", () => {
    const sequence = fc.array(fc.integer({ min: 0, max: 28 }), { minLength: 2, maxLength: 24 });
    fc.assert(
      fc.property(
        fc.array(sequence, { minLength: 1, maxLength: 3 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 }),
        (sequences, cuts) => {
          const decoder = new Decoder(config, weights, { slots: 3 });
          const seen = sequences.map((): number[] => []);
          const positions = sequences.map(() => 0);
          for (
            let round = 0;
            positions.some((position, slot) => position < sequences[slot]!.length);
            round++
          ) {
            const rows: DecoderRow[] = [];
            for (const [slot, ids] of sequences.entries()) {
              const from = positions[slot]!;
              const to = Math.min(ids.length, from + cuts[(round + slot) % cuts.length]!);
              for (let position = from; position < to; position++) {
                rows.push({ slot, position, token: ids[position]! });
              }
              positions[slot] = to;
            }
            const logits = decoder.read(rows, [...rows.keys()]);
            for (const [index, { slot, position }] of rows.entries()) {
              const next = sequences[slot]![position + 1];
              if (next !== undefined) {
                seen[slot]!.push(Math.fround(logSoftmax(logits[index]!, 0, config.vocabulary_size, next)));
              }
            }
          }
          for (const [slot, ids] of sequences.entries()) expect(seen[slot]).toEqual(forward(ids));
        },
      ),
      { numRuns: 40 },
    );
  });

  test("new weights are used at once", () => {
    const decoder = new Decoder(config, initialParameters(config, seededRandom(6)), { slots: 1 });
    const read = () => [...(decoder.read([{ slot: 0, position: 0, token: 3 }], [0])[0] ?? [])];
    const before = read();
    decoder.setWeights(weights);
    const after = read();
    expect(after).not.toEqual(before);
    expect(after).toEqual([
      ...(new Decoder(config, weights, { slots: 1 }).read([{ slot: 0, position: 0, token: 3 }], [0])[0] ??
        []),
    ]);
  });
});
