/**
 * An environment whose rollouts are an agent loop with tools: N rollouts of one item, each over one
 * inference session and one sandbox of its own, then the reward function on that same sandbox.
 */
import type { AgentResult } from "../agent/agent-result.ts";
import type { ChatMessage } from "../contracts/chat.ts";
import type { ToolContext } from "../tools/tool-context.ts";
import { BaseEnv } from "./base-env.ts";
import type { HermesAgentEnvConfig } from "./env-config.ts";
import type { GroupContext, GroupResult } from "./group.ts";

export abstract class HermesAgentBaseEnv<
  Item = unknown,
  Config extends HermesAgentEnvConfig = HermesAgentEnvConfig,
> extends BaseEnv<Item, Config> {
  /** The user message that puts the item to the model. */
  abstract formatPrompt(item: Item): string;

  /**
   * Scores a finished rollout; `toolContext` works on the rollout's own sandbox. A throw is a failure of
   * the machinery: the rollout is played afresh, never scored.
   */
  abstract computeReward(
    item: Item,
    result: AgentResult,
    toolContext: ToolContext,
    options: { signal: AbortSignal },
  ): Promise<number>;

  /** The conversation a rollout starts from. Default: the system prompt, if any, and `formatPrompt`. */
  initialMessages(item: Item): ChatMessage[] {
    const { system_prompt: systemPrompt } = this.config;
    const user: ChatMessage = { role: "user", content: this.formatPrompt(item) };
    return systemPrompt === null ? [user] : [{ role: "system", content: systemPrompt }, user];
  }

  override async collectGroup(_item: Item, _context: GroupContext): Promise<GroupResult> {
    throw new Error("not built yet");
  }
}
