/** Where a tiny policy's weights come from: a file, or chance. */
import { readFile } from "node:fs/promises";
import { LachesisError } from "../contracts/errors.ts";
import { seededRandom } from "../practice/seeded-random.ts";
import { initialParameters } from "./engine/parameters.ts";
import { type TransformerConfig, transformerConfig } from "./engine/transformer-config.ts";
import { decodeWeights, type PolicyWeights } from "./weights-file.ts";

/** Rejects with WEIGHTS_INVALID, or the signal's reason. */
export async function readPolicyWeights(
  path: string,
  { signal }: { signal: AbortSignal },
): Promise<PolicyWeights> {
  signal.throwIfAborted();
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path, { signal });
  } catch (cause) {
    signal.throwIfAborted();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LachesisError("WEIGHTS_INVALID", `Can't read weights from ${path}: ${reason}`, { cause });
  }
  return decodeWeights(bytes, path);
}

/** Weights that know nothing yet: version 0, the same for the same seed. */
export function initialPolicy({
  vocabularySize,
  seed,
  size = {},
}: {
  vocabularySize: number;
  seed: number;
  /** Where it is to differ from the defaults. */
  size?: Partial<TransformerConfig>;
}): PolicyWeights {
  const config = transformerConfig.parse({ vocabulary_size: vocabularySize, ...size });
  return { config, weights: initialParameters(config, seededRandom(seed)), version: 0 };
}
