/**
 * An environment whose rollouts are an agent loop with tools: N rollouts of one item, each over one
 * inference session and one sandbox of its own, then the reward function on that same sandbox.
 */
import type { AgentResult } from "../agent/agent-result.ts";
import type { ChatMessage, Split } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import { longestTimerMs } from "../contracts/longest-timer.ts";
import type { SandboxSpec } from "../contracts/sandbox.ts";
import type { Tool } from "../contracts/tool.ts";
import { builtinTools } from "../tools/builtin-tools.ts";
import type { ToolContext } from "../tools/tool-context.ts";
import { requireUsable, ToolRegistry } from "../tools/tool-registry.ts";
import { lackingToolsets, resolveTools } from "../tools/toolsets.ts";
import { BaseEnv, type PrepareOptions } from "./base-env.ts";
import { buildGroup } from "./build-group.ts";
import { deriveSeed } from "./derive-seed.ts";
import { type HermesAgentEnvConfig, passKOf } from "./env-config.ts";
import { type EvaluateItemsOptions, evaluateItems } from "./evaluate-items.ts";
import type { Evaluation } from "./evaluation.ts";
import type { GroupContext, GroupResult } from "./group.ts";
import { groupOrigin } from "./group-origin.ts";
import { named, requireMessages, requireText } from "./own-code.ts";
import { placeholderTokens } from "./placeholder-tokens.ts";
import { playGroup, playUntilScored, type ScoredRollout } from "./play-group.ts";
import type { ValidationPolicies } from "./policies.ts";
import { EnvRolloutContext } from "./rollout-context.ts";
import { oldestVersion, rolloutSequences, type TokenRollout } from "./rollout-sequences.ts";
import { type PlayedRollout, runRollout } from "./run-rollout.ts";
import type { RolloutReward } from "./turn-rewards.ts";

export type RolloutPlace = {
  rolloutId: string;
  groupId: string;
  seed: number;
  split: Split;
  tools: readonly Tool[];
  signal: AbortSignal;
  /** Milliseconds since the epoch; Infinity = none. */
  deadlineMs: number;
  /** Tokens that a prompt and its answer may have together; default: what the model can read. */
  contextLength?: number | undefined;
};

export abstract class HermesAgentBaseEnv<
  Item = unknown,
  Config extends HermesAgentEnvConfig = HermesAgentEnvConfig,
> extends BaseEnv<Item, Config> {
  #registry: ToolRegistry | undefined;
  #mcpTools: Tool[] = [];
  readonly #said = new Set<string>();

  /** The user message that puts the item to the model. */
  abstract formatPrompt(item: Item): string;

  /**
   * Scores a finished rollout: a number, or `{ turnRewards }`, one for each model call. `toolContext` works on the
   * rollout's own sandbox. A throw is a failure of the machinery: the rollout is played afresh, never scored.
   */
  abstract computeReward(
    item: Item,
    result: AgentResult,
    toolContext: ToolContext,
    options: { signal: AbortSignal },
  ): Promise<RolloutReward>;

  /**
   * Before the rollout's first model call: what the item needs in the sandbox. Default: nothing, and no sandbox is
   * made for it.
   */
  async prepareSandbox(
    _item: Item,
    _toolContext: ToolContext,
    _options: { signal: AbortSignal },
  ): Promise<void> {}

  /**
   * What the user says to a turn without tool calls, in conversations and games; null ends the rollout. Default: null.
   * Everything that it goes by stands in the messages: many rollouts are played at once.
   */
  async replyTo(
    _item: Item,
    _messages: readonly ChatMessage[],
    _toolContext: ToolContext,
    _options: { signal: AbortSignal },
  ): Promise<string | null> {
    return null;
  }

  /** The conversation a rollout starts from. Default: the system prompt, if any, and `formatPrompt`. */
  initialMessages(item: Item): ChatMessage[] {
    const { system_prompt: systemPrompt } = this.config;
    const content = named("formatPrompt", () => requireText(this.formatPrompt(item)));
    const user: ChatMessage = { role: "user", content };
    return systemPrompt === null ? [user] : [{ role: "system", content: systemPrompt }, user];
  }

  /** What this item asks of its sandbox, e.g. an image of its own. Default: nothing. */
  sandboxSpec(_item: Item): SandboxSpec | undefined {
    return undefined;
  }

  /** How `environment validate` plays this environment without a model; null = it can't. */
  policies(): ValidationPolicies<Item> | null {
    return null;
  }

  /** Every tool that toolsets may choose from. Override to add the environment's own. */
  availableTools(): Tool[] {
    return builtinTools(this.services.tools);
  }

  /** Proves before the first rollout that sandboxes can be made and the chosen tools work. */
  override async prepare({ signal, purpose }: PrepareOptions): Promise<void> {
    const hasTokens = this.services.servers.openSession !== undefined;
    if (purpose === "serve" && !hasTokens && !this.config.allow_placeholder_tokens) {
      throw new LachesisError(
        "PLACEHOLDER_TOKENS_REFUSED",
        "Chat completion servers (openai.server_type openai) give no token ids: there would be nothing to train on.",
        {
          hint: "Set openai.server_type to vllm, sglang, llamacpp, trl or atropos; for scores and messages alone, env.allow_placeholder_tokens.",
        },
      );
    }
    await this.services.backend.check({ signal });
    await this.#findMcpTools(signal);
    await requireUsable(this.chooseTools(this.config.seed));
    this.#sayWhatIsNeverDrawn();
  }

  /** The tools of one group; a distribution is drawn from with the seed. */
  chooseTools(seed: number): Tool[] {
    this.#registry ??= new ToolRegistry([...this.availableTools(), ...this.#mcpTools]);
    return resolveTools({
      registry: this.#registry,
      enabledToolsets: this.config.enabled_toolsets,
      disabledToolsets: this.config.disabled_toolsets,
      distribution: this.config.distribution,
      seed,
    });
  }

  /** Plays one rollout of the item to its outcome. Rejects only where `initialMessages` or `formatPrompt` throws. */
  async playRollout(item: Item, { tools, ...place }: RolloutPlace): Promise<PlayedRollout> {
    const { config } = this;
    return runRollout({
      ...place,
      services: this.services,
      tools,
      messages: named("initialMessages", () => requireMessages(this.initialMessages(item))),
      sandboxSpec: this.sandboxSpec(item),
      limits: { toolTimeoutMs: Math.min(config.terminal_timeout * 1000, longestTimerMs) },
      loop: {
        maxTurns: config.max_agent_turns,
        temperature: place.split === "eval" ? config.eval_temperature : config.agent_temperature,
        maxTokens: config.max_token_length,
        extraBody: config.extra_body,
        seeded: place.split === "eval" && config.eval_seeded,
        budget: {
          resultChars: config.default_result_size_chars,
          turnChars: config.turn_budget_chars,
          previewChars: config.preview_size_chars,
          overrides: config.tool_result_overrides ?? {},
        },
      },
      prepareSandbox: (toolContext, options) => this.prepareSandbox(item, toolContext, options),
      reply: (messages, toolContext, options) => this.replyTo(item, messages, toolContext, options),
      computeReward: (result, toolContext, options) => this.computeReward(item, result, toolContext, options),
    });
  }

  override async collectGroup(item: Item, context: GroupContext): Promise<GroupResult> {
    const { group_size: size, rollout_retries: retries } = this.config;
    const tools = this.chooseTools(deriveSeed(context.seed, "tools"));
    const weightVersion = (await this.services.servers.weightVersion?.({ signal: context.signal })) ?? null;
    const seeds = new Map<string, number>();
    const played = await playGroup({
      size,
      retries,
      signal: context.signal,
      play: ({ index, attempt, signal }) => {
        const rolloutId = `${context.groupId}.${index}${attempt === 0 ? "" : `-r${attempt}`}`;
        const seed = deriveSeed(context.seed, "rollout", index, attempt);
        seeds.set(rolloutId, seed);
        return this.playRollout(item, {
          rolloutId,
          groupId: context.groupId,
          seed,
          split: "train",
          tools,
          signal,
          deadlineMs: context.deadlineMs,
          // A sequence must stay below the trainer's limit.
          contextLength: context.maxTokenLength - 1,
        });
      },
    });
    if (!Array.isArray(played)) return played;
    const { group, counts } = this.#toGroup(played, context, weightVersion);
    return {
      kind: "collected",
      group,
      origin: groupOrigin({ rollouts: played, counts, seeds, tools, group }),
    };
  }

  /** Plays held-out items through the same loop and sums them up; see `evaluateItems`. */
  async evaluateItems(items: readonly Item[], options: EvaluateItemsOptions<Item>): Promise<Evaluation> {
    const { config, services } = this;
    const { worker_timeout: timeoutSeconds, eval_samples: samplesPerItem } = config;
    const tools = this.chooseTools(deriveSeed(config.seed, "eval-tools"));
    if (samplesPerItem > 1 && config.eval_temperature === 0) {
      this.#sayOnce(
        `${samplesPerItem} samples of each item at temperature 0 will be much alike; --env.eval_temperature sets another.`,
      );
    }
    return evaluateItems(items, {
      ...options,
      samplesPerItem,
      passK: passKOf(config),
      concurrency: config.max_eval_workers,
      maxFailures: config.max_failed_groups,
      events: services.events,
      generationParameters: { max_new_tokens: config.max_token_length, temperature: config.eval_temperature },
      play: async (item, { itemId, sample, signal }) => {
        const attempts: PlayedRollout[] = [];
        const rollout = await playUntilScored(config.rollout_retries, async (attempt) => {
          const groupId = `e${itemId}`;
          const played = await this.playRollout(item, {
            rolloutId: `${groupId}.${sample}${attempt === 0 ? "" : `-r${attempt}`}`,
            groupId,
            // Of all attempts: what failed was the machinery, so the same sample is owed.
            seed: deriveSeed(config.seed, "eval", itemId, sample),
            split: "eval",
            tools,
            signal,
            deadlineMs: timeoutSeconds > 0 ? Date.now() + timeoutSeconds * 1000 : Number.POSITIVE_INFINITY,
          });
          attempts.push(played);
          return played;
        });
        return { rollout, attempts };
      },
    });
  }

  /** `weightVersion`: the servers' at the group's start, hence the oldest that can have sampled any of it. */
  #toGroup(rollouts: readonly ScoredRollout[], context: GroupContext, weightVersion: number | null) {
    const withTokens = rollouts.flatMap((rollout) =>
      rollout.tokens === null ? [] : [{ ...rollout, tokens: rollout.tokens }],
    );
    return withTokens.length === rollouts.length
      ? this.#tokenGroup(withTokens, context, weightVersion)
      : this.#placeholderGroup(rollouts, context);
  }

  #tokenGroup(
    rollouts: readonly TokenRollout[],
    { maxSequences }: GroupContext,
    weightVersion: number | null,
  ) {
    const { config } = this;
    const { sequences, counts, leftOut } = rolloutSequences(rollouts, { ...config, maxSequences });
    if (leftOut > 0) {
      this.#sayOnce(
        "Rollouts have several segments (their history was rewritten, or they had children), and a group of all would be larger than the rollout server takes: only the last segment of each rollout is sent.",
      );
    }
    const version = oldestVersion(rollouts) ?? weightVersion;
    const groupOverrides = {
      ...(sequences.length !== config.group_size && { group_size: sequences.length }),
      ...(version !== null && { weight_version: version }),
    };
    const group = buildGroup(sequences, {
      ...(Object.keys(groupOverrides).length > 0 && { groupOverrides }),
      generationParams: { temperature: config.agent_temperature, ...rollouts[0]?.tokens.sampling },
    });
    return { group, counts };
  }

  #placeholderGroup(rollouts: readonly ScoredRollout[], { maxTokenLength }: GroupContext) {
    this.#sayOnce(
      "The inference server gives no token ids: groups carry PLACEHOLDER tokens, all masked. Scores and messages are real; there is nothing to train on.",
    );
    const group = buildGroup(
      rollouts.map(({ result, reward }) => ({
        ...placeholderTokens(result.messages, maxTokenLength),
        score: reward,
        ...(this.config.include_messages ? { messages: result.messages } : {}),
      })),
      {
        groupOverrides: { placeholder_tokens: true },
        generationParams: { temperature: this.config.agent_temperature },
      },
    );
    return { group, counts: rollouts.map(() => 1) };
  }

  /** The tools of MCP servers are known before the first prompt; those inside a sandbox are asked in one of their own. */
  async #findMcpTools(signal: AbortSignal): Promise<void> {
    const mcp = this.services.tools?.mcp ?? null;
    if (mcp === null) return;
    await using context = new EnvRolloutContext({
      rolloutId: "mcp-discovery",
      groupId: "mcp-discovery",
      seed: this.config.seed,
      deadlineMs: Number.POSITIVE_INFINITY,
      signal,
      logger: this.services.logger,
      limits: { toolTimeoutMs: Math.min(this.config.terminal_timeout * 1000, longestTimerMs) },
      backend: this.services.backend,
    });
    this.#mcpTools = await mcp.discover(context);
    this.#registry = undefined;
  }

  #sayWhatIsNeverDrawn(): void {
    const { distribution } = this.config;
    if (distribution === null || this.#registry === undefined) return;
    const lacking = lackingToolsets({ registry: this.#registry, distribution });
    if (lacking.length === 0) return;
    this.#sayOnce(
      `Distribution ${distribution}: ${lacking.join(", ")} are not configured and never drawn (docs/tools.md says what to set).`,
    );
  }

  #sayOnce(message: string): void {
    if (this.#said.has(message)) return;
    this.#said.add(message);
    this.services.events.emit("notice", { level: "warn", message });
  }
}
