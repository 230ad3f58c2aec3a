/**
 * Weights as safetensors (https://huggingface.co/docs/safetensors): one float32 tensor per parameter, the model's
 * config and version in the metadata, so that a file says what it is.
 */
import { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import { parameterCount, parameterShapes } from "./engine/parameters.ts";
import { type TransformerConfig, transformerConfig } from "./engine/transformer-config.ts";

export type PolicyWeights = {
  config: TransformerConfig;
  weights: Float32Array;
  /** Training steps that made these weights. */
  version: number;
};

const tensor = z.object({
  dtype: z.literal("F32"),
  shape: z.array(z.int().min(0)),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});
const metadata = z.object({ config: z.string(), version: z.coerce.number().int().min(0) });
const header = z.object({ __metadata__: metadata }).catchall(tensor);

const LENGTH_BYTES = 8;

export function encodeWeights({ config, weights, version }: PolicyWeights): Uint8Array {
  const entries = parameterShapes(config).map(({ name, rows, columns, offset }) => [
    name,
    {
      dtype: "F32",
      shape: rows === 1 ? [columns] : [rows, columns],
      data_offsets: [offset * 4, (offset + rows * columns) * 4],
    },
  ]);
  const about = { config: JSON.stringify(config), version: String(version) };
  const text = JSON.stringify({ __metadata__: about, ...Object.fromEntries(entries) });
  // Spaces at the end put the data on a multiple of 8 bytes, as the format recommends.
  const padded = Buffer.from(text.padEnd(Math.ceil(Buffer.byteLength(text) / 8) * 8));
  const bytes = new Uint8Array(LENGTH_BYTES + padded.byteLength + weights.byteLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded.byteLength), true);
  bytes.set(padded, LENGTH_BYTES);
  bytes.set(
    new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength),
    LENGTH_BYTES + padded.byteLength,
  );
  return bytes;
}

/** Throws WEIGHTS_INVALID, naming `where`, when the bytes are no weights of a tiny policy. */
export function decodeWeights(bytes: Uint8Array, where: string): PolicyWeights {
  const { head, data } = readHeader(bytes, where);
  const config = readConfig(head.__metadata__.config, where);
  const weights = new Float32Array(parameterCount(config));
  for (const { name, rows, columns, offset } of parameterShapes(config)) {
    const entry = tensor.safeParse(head[name]);
    if (!entry.success) throw invalid(where, `no float32 tensor "${name}"`);
    const [from, to] = entry.data.data_offsets;
    if (to - from !== rows * columns * 4 || to > data.byteLength) {
      throw invalid(where, `tensor "${name}" has bytes ${from} to ${to}, expected ${rows * columns} floats`);
    }
    // A copy: the data need not lie on a multiple of 4 bytes.
    weights.set(new Float32Array(data.slice(from, to).buffer), offset);
  }
  const broken = weights.findIndex((value) => !Number.isFinite(value));
  if (broken >= 0) throw invalid(where, `weight ${broken} is ${weights[broken]}`);
  return { config, weights, version: head.__metadata__.version };
}

function readHeader(bytes: Uint8Array, where: string) {
  if (bytes.byteLength < LENGTH_BYTES) throw invalid(where, `${bytes.byteLength} bytes are too few`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getBigUint64(0, true);
  const end = LENGTH_BYTES + Number(length);
  if (length > BigInt(bytes.byteLength - LENGTH_BYTES)) {
    throw invalid(where, `the header should have ${length} bytes, the file has ${bytes.byteLength}`);
  }
  const text = new TextDecoder().decode(bytes.subarray(LENGTH_BYTES, end));
  const head = header.safeParse(parseJson(text));
  if (!head.success) throw invalid(where, `header: ${z.prettifyError(head.error)}`);
  // A plain array also where a Buffer came: a Buffer's slices are no copies.
  const data = new Uint8Array(bytes.buffer, bytes.byteOffset + end, bytes.byteLength - end);
  return { head: head.data, data };
}

function readConfig(text: string, where: string): TransformerConfig {
  const config = transformerConfig.safeParse(parseJson(text));
  if (!config.success) throw invalid(where, `config: ${z.prettifyError(config.error)}`);
  return config.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function invalid(where: string, what: string): LachesisError {
  return new LachesisError(
    "WEIGHTS_INVALID",
    `${where}: expected the weights of a tiny policy, got ${what}.`,
  );
}
