/**
 * The public interface of the package: what authors of environments, tools and trainers may build on.
 * Everything else may change without notice. tests/index.test.ts pins this list.
 */

export { scoreNumericAnswer } from "../rewards/index.ts";
export type { AgentResult } from "./agent/agent-result.ts";
export { HermesAgentLoop } from "./agent/hermes-agent-loop.ts";
export type {
  AssistantMessage,
  ChatCompletion,
  ChatMessage,
  ChatRequest,
  ChatServer,
  ToolCall,
  ToolSchema,
} from "./contracts/chat.ts";
export { LachesisError } from "./contracts/errors.ts";
export type { Outcome, StopReason } from "./contracts/outcome.ts";
export type { ResourceKey, RolloutContext } from "./contracts/rollout-context.ts";
export type {
  Command,
  ExecOptions,
  ExecResult,
  Sandbox,
  SandboxBackend,
  SandboxProcess,
} from "./contracts/sandbox.ts";
export type { ScoredGroup } from "./contracts/scored-group.ts";
export type { Segment } from "./contracts/segment.ts";
export type { Tool, ToolResult } from "./contracts/tool.ts";
export { openDataset } from "./data/dataset.ts";
export { ItemCursor } from "./data/item-cursor.ts";
export { BaseEnv } from "./env/base-env.ts";
export type { EnvArguments, EnvClass, EnvDefaults, EnvServices } from "./env/env-class.ts";
export {
  type BaseEnvConfig,
  baseEnvConfig,
  type HermesAgentEnvConfig,
  hermesAgentEnvConfig,
} from "./env/env-config.ts";
export type { EvaluateOptions, Evaluation } from "./env/evaluation.ts";
export type { GroupContext, GroupResult } from "./env/group.ts";
export { HermesAgentBaseEnv } from "./env/hermes-agent-base-env.ts";
export type { Teacher } from "./practice/teacher.ts";
export { RolloutApiClient } from "./rollout-api/client.ts";
export { defineTool } from "./tools/define-tool.ts";
export { ToolContext } from "./tools/tool-context.ts";
