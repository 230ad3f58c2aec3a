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
export type { GenerateRequest, Generation, Sampling, TokenServer } from "./contracts/token-server.ts";
export type { Tool, ToolResult } from "./contracts/tool.ts";
export type { ReasoningParser, ToolCallParser } from "./contracts/tool-call-parser.ts";
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
export { inTurn, type Policy, type PolicyTurn, type ValidationPolicies } from "./env/policies.ts";
export type { RolloutReward } from "./env/turn-rewards.ts";
export { ManagedServer, type ManagedServerOptions } from "./inference/managed-server.ts";
export { ManagedServers, type ManagedServersOptions } from "./inference/managed-servers.ts";
export type { SequenceNode } from "./inference/sequence-node.ts";
export { type ServerConfig, serverConfig } from "./inference/server-config.ts";
export { TokenServerManager } from "./inference/token-server-manager.ts";
export type { Teacher } from "./practice/teacher.ts";
export { RolloutApiClient } from "./rollout-api/client.ts";
export { ChatFormat, type ChatFormatOptions, type TokenHistory } from "./tokens/chat-format.ts";
export { ChatTemplate } from "./tokens/chat-template.ts";
export { type LoadedTokenizer, loadTokenizer } from "./tokens/load-tokenizer.ts";
export type { RolloutSegment } from "./tokens/rollout-segments.ts";
export { type PreparedTurn, SegmentTracker, type SegmentTrackerOptions } from "./tokens/segment-tracker.ts";
export type { Tokenizer } from "./tokens/tokenizer.ts";
export { defineTool } from "./tools/define-tool.ts";
export { ToolContext } from "./tools/tool-context.ts";
