/** A small agent environment for tests: "what is a + b?", answered with or without tools. */
import type { AgentResult } from "../../src/agent/agent-result.ts";
import type { ChatCompletion, ChatRequest, ToolCall } from "../../src/contracts/chat.ts";
import type { EnvServices } from "../../src/env/env-class.ts";
import { type HermesAgentEnvConfig, hermesAgentEnvConfig } from "../../src/env/env-config.ts";
import type { EvaluateOptions, Evaluation } from "../../src/env/evaluation.ts";
import { HermesAgentBaseEnv } from "../../src/env/hermes-agent-base-env.ts";
import type { RolloutReward } from "../../src/env/turn-rewards.ts";
import type { ToolContext } from "../../src/tools/tool-context.ts";

export type Sum = { a: number; b: number };
export type SumReward = (
  item: Sum,
  result: AgentResult,
  toolContext: ToolContext,
  signal: AbortSignal,
) => Promise<RolloutReward>;

export class SumsEnv extends HermesAgentBaseEnv<Sum> {
  static override readonly envName: string = "sums";
  static readonly description = "Sums";
  static readonly configSchema = hermesAgentEnvConfig;

  reward: SumReward = async ({ a, b }, { messages }) => (messages.at(-1)?.content === String(a + b) ? 1 : 0);
  evalItems: Sum[] = [];
  #next = 0;

  static make(services: EnvServices, config: Partial<HermesAgentEnvConfig> = {}): SumsEnv {
    const parsed = hermesAgentEnvConfig.parse({ group_size: 2, enabled_toolsets: ["file"], ...config });
    return new SumsEnv({ config: parsed, services });
  }

  override async getNextItem(): Promise<Sum> {
    return { a: this.#next++, b: 1 };
  }

  override formatPrompt({ a, b }: Sum): string {
    return `What is ${a} + ${b}?`;
  }

  override computeReward(
    item: Sum,
    result: AgentResult,
    toolContext: ToolContext,
    { signal }: { signal: AbortSignal },
  ): Promise<RolloutReward> {
    return this.reward(item, result, toolContext, signal);
  }

  override evaluate(options: EvaluateOptions): Promise<Evaluation> {
    return this.evaluateItems(this.evalItems, { ...options, describe: ({ a, b }) => ({ gold: a + b }) });
  }
}

/** A model's answer of plain text, or of tool calls. */
export function answer(
  content: string | null,
  toolCalls: readonly [name: string, args: object][] = [],
): ChatCompletion {
  const calls = toolCalls.map(
    ([name, args], index): ToolCall => ({
      id: `call_${index}`,
      type: "function",
      function: { name, arguments: JSON.stringify(args) },
    }),
  );
  return {
    id: "chatcmpl-1",
    model: "scripted",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content, ...(calls.length > 0 && { tool_calls: calls }) },
        finish_reason: calls.length > 0 ? "tool_calls" : "stop",
      },
    ],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
  };
}

/** The right answer to a SumsEnv prompt. */
export function rightAnswer({ messages }: ChatRequest): string {
  const prompt = messages.find(({ role }) => role === "user")?.content ?? "";
  const [a = 0, b = 0] = (prompt.match(/\d+/g) ?? []).map(Number);
  return String(a + b);
}
