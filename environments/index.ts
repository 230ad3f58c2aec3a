/** The registered environments: a new one is a file in this folder and a line in this list. */
import type { EnvClass } from "../src/env/env-class.ts";
import { benchmarks } from "./benchmarks/index.ts";
import { CodeEnv } from "./code.ts";
import { DatasetEnv } from "./dataset.ts";
import { EndlessTerminalsEnv } from "./endless-terminals.ts";
import { GamesEnv } from "./games.ts";
import { Gsm8kAgentEnv } from "./gsm8k-agent.ts";
import { MathAgentEnv } from "./math-agent.ts";
import { McpAgentEnv } from "./mcp-agent.ts";
import { MultiEnv } from "./multi.ts";
import { OpdEnv } from "./opd.ts";
import { SweEnv } from "./swe.ts";
import { TerminalTestEnv } from "./terminal-test.ts";
import { TinyMathsEnv } from "./tiny-maths.ts";
import { WebResearchEnv } from "./web-research.ts";

export const environments: readonly EnvClass[] = [
  CodeEnv,
  DatasetEnv,
  EndlessTerminalsEnv,
  GamesEnv,
  Gsm8kAgentEnv,
  MathAgentEnv,
  McpAgentEnv,
  MultiEnv,
  OpdEnv,
  SweEnv,
  TerminalTestEnv,
  TinyMathsEnv,
  WebResearchEnv,
  ...benchmarks,
];
