/** Every API of ids that the practice server speaks. */
import { atropos } from "./atropos.ts";
import { llamacpp } from "./llamacpp.ts";
import { sglang } from "./sglang.ts";
import type { TokenWire } from "./token-wire.ts";
import { trl } from "./trl.ts";
import { vllmCompletions } from "./vllm-completions.ts";
import { vllmGenerate } from "./vllm-generate.ts";

export const tokenWires: readonly TokenWire[] = [
  vllmGenerate,
  vllmCompletions,
  sglang,
  llamacpp,
  trl,
  atropos,
];
