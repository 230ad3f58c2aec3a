import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/practice/seeded-random.ts";
import { initialParameters } from "../../src/tiny-policy/engine/parameters.ts";
import { decodeWeights, encodeWeights } from "../../src/tiny-policy/weights-file.ts";

const config = { vocabulary_size: 11, context_length: 8, layers: 1, width: 8, heads: 2 };
const weights = initialParameters(config, seededRandom(1));
const file = encodeWeights({ config, weights, version: 7 });

describe("weights files", () => {
  test("give back config, version and every weight to the bit", () => {
    expect(decodeWeights(file, "file")).toEqual({ config, weights, version: 7 });
  });

  test("are read from a Buffer as from plain bytes, wherever it lies", () => {
    const buffer = Buffer.concat([Buffer.from("x"), file]).subarray(1);
    expect(decodeWeights(buffer, "file").weights).toEqual(weights);
  });

  test("are safetensors: header length, JSON header with shapes and offsets, little-endian floats", () => {
    const length = Number(new DataView(file.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
    expect(length % 8).toBe(0);
    expect(header["embedding.weight"]).toEqual({
      dtype: "F32",
      shape: [11, 8],
      data_offsets: [0, 11 * 8 * 4],
    });
    expect(header["norm.weight"].shape).toEqual([8]);
    expect(new DataView(file.buffer).getFloat32(8 + length, true)).toBe(weights[0]);
    const ends = Object.entries<{ data_offsets?: [number, number] }>(header).map(
      ([, t]) => t.data_offsets?.[1] ?? 0,
    );
    expect(Math.max(...ends)).toBe(file.byteLength - 8 - length);
  });

  test.each([
    ["a file that was cut", file.subarray(0, -4)],
    ["an empty file", new Uint8Array()],
    ["a header longer than the file", file.subarray(0, 40)],
    [
      "another model's tensors",
      Uint8Array.from(
        Buffer.from(Buffer.from(file).toString("latin1").replace("norm.weight", "noun.weight"), "latin1"),
      ),
    ],
    ["text", new TextEncoder().encode("version https://git-lfs.github.com/spec/v1")],
    [
      "weights that aren't numbers",
      encodeWeights({
        config,
        weights: weights.map((value, index) => (index === 3 ? Number.NaN : value)),
        version: 1,
      }),
    ],
  ])("%s is refused with what is wrong", (_, bytes) => {
    expect(() => decodeWeights(bytes, "model.safetensors")).toThrowError(
      expect.objectContaining({
        code: "WEIGHTS_INVALID",
        message: expect.stringMatching(/^model\.safetensors: /),
      }),
    );
  });
});
