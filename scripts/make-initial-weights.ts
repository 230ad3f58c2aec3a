/**
 * Writes the weights of a tiny policy that has learned nothing yet, to train from scratch.
 *
 *   npx node scripts/make-initial-weights.ts FILE [SEED]
 */
import { writeFileSync } from "node:fs";
import { initialPolicy } from "../src/tiny-policy/policy-weights.ts";
import { encodeWeights } from "../src/tiny-policy/weights-file.ts";
import { loadTokenizer } from "../src/tokens/load-tokenizer.ts";

const [file, seed = "0"] = process.argv.slice(2);
if (file === undefined || !/^\d+$/.test(seed)) throw new Error("Usage: make-initial-weights.ts FILE [SEED]");
await using model = await loadTokenizer("tiny-policy", { signal: new AbortController().signal });
const policy = initialPolicy({ vocabularySize: model.tokenizer.vocabularySize, seed: Number(seed) });
writeFileSync(file, encodeWeights(policy));
console.log(`${file}: ${policy.weights.length} weights, ${JSON.stringify(policy.config)}`);
