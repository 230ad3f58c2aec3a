/** The registered benchmarks: environments that are evaluated, and not trained on. */
import type { EnvClass } from "../../src/env/env-class.ts";
import { AimeBenchmark } from "./aime.ts";
import { Gsm8kBenchmark } from "./gsm8k.ts";
import { HarborEnv } from "./harbor.ts";
import { IfevalBenchmark } from "./ifeval.ts";
import { Math500Benchmark } from "./math500.ts";
import { MmluBenchmark } from "./mmlu.ts";
import { TerminalBenchEnv } from "./terminal-bench-2.ts";

export const benchmarks: readonly EnvClass[] = [
  AimeBenchmark,
  Gsm8kBenchmark,
  HarborEnv,
  IfevalBenchmark,
  Math500Benchmark,
  MmluBenchmark,
  TerminalBenchEnv,
];
