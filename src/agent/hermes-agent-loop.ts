/**
 * Plays one rollout: model call, tool calls, model call, ... until the model stops calling tools or a limit
 * ends it. Stops are typed; a failure of the inference server or the sandbox rejects instead, so that it can
 * never be mistaken for something the model did.
 *
 * Order of the checks in a turn: a turn that the token limit cut ends the rollout and none of its calls runs
 * (they may be cut, too); a turn without calls finishes it, unless it holds one that can't be read, of which the
 * model is told, or the environment replies to it; then the calls run, also in the last turn allowed, for what they
 * leave in the sandbox is what the reward function sees.
 *
 * The caller's messages are never changed, and neither is a message once it has gone to the server.
 */
import type {
  ChatCompletion,
  ChatMessage,
  ChatServer,
  FinishReason,
  JsonObject,
  Split,
  Usage,
} from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { StopReason } from "../contracts/outcome.ts";
import type { RolloutContext } from "../contracts/rollout-context.ts";
import type { Tool } from "../contracts/tool.ts";
import type { EventBus } from "../telemetry/events.ts";
import type { AgentResult } from "./agent-result.ts";
import { assistantTurn } from "./assistant-turn.ts";
import { defaultResultBudget, type ResultBudget } from "./result-budget.ts";
import type { TimeSplit } from "./time-split.ts";
import { ToolRunner } from "./tool-runner.ts";

export type HermesAgentLoopOptions = {
  server: ChatServer;
  tools: readonly Tool[];
  /** Model calls per rollout. */
  maxTurns: number;
  temperature: number;
  /** Tokens per model call. Default: the server's. */
  maxTokens?: number | undefined;
  /** Provider-specific fields of every request. */
  extraBody?: JsonObject | null | undefined;
  /** Default "train". */
  split?: Split | undefined;
  /**
   * Answers a turn that calls no tool with the next user message; null, as without it = the rollout is finished.
   * Also asked after the last turn allowed: only then is it known whether the rollout was.
   */
  reply?: ((messages: readonly ChatMessage[], context: RolloutContext) => Promise<string | null>) | undefined;
  /** Defaults: `defaultResultBudget`. */
  budget?: Partial<ResultBudget> | undefined;
  events?: EventBus | undefined;
  /** Send a seed made of the rollout's and the turn's, so that servers that heed it answer alike again. */
  seeded?: boolean | undefined;
  /** Gets the time of the tool calls. */
  times?: TimeSplit | undefined;
};

export class HermesAgentLoop {
  readonly #options: HermesAgentLoopOptions;
  readonly #tools: ReadonlyMap<string, Tool>;
  readonly #budget: ResultBudget;

  constructor(options: HermesAgentLoopOptions) {
    this.#options = options;
    this.#tools = new Map(options.tools.map((tool) => [tool.name, tool]));
    this.#budget = { ...defaultResultBudget, ...options.budget };
  }

  /** One rollout. Rejects with a LachesisError of the machinery, or with the reason of `context.signal`. */
  async run(messages: readonly ChatMessage[], context: RolloutContext): Promise<AgentResult> {
    const { maxTurns, events, times } = this.#options;
    const conversation = [...messages];
    const reasoningPerTurn: (string | null)[] = [];
    const finishReasons: FinishReason[] = [];
    const usage: Usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
    const runner = new ToolRunner({ tools: this.#tools, budget: this.#budget, context, events });

    const playTurn = async (turn: number): Promise<StopReason | undefined> => {
      const completion = await this.#complete(conversation, context, turn);
      if (completion === "context-full") return "context-full";
      const choice = firstChoice(completion);
      const { message, calls, broken, reasoning } = assistantTurn(choice, turn);
      conversation.push(message);
      reasoningPerTurn.push(reasoning);
      finishReasons.push(choice.finish_reason);
      addUsage(usage, completion.usage);

      const stop = stopAfter(choice.finish_reason, calls.length + broken.length);
      if (stop === undefined) {
        const play = () => runner.run(calls, turn);
        const results = await (times === undefined ? play() : times.during("tool", play));
        conversation.push(...results, ...runner.refuse(broken, turn, { afterResults: results.length > 0 }));
      } else runner.counts.attempted += calls.length + broken.length;
      events?.emit("turn-end", {
        rolloutId: context.rolloutId,
        turn,
        toolCalls: calls.length + broken.length,
        completionTokens: completion.usage?.completion_tokens,
      });
      return stop === "finished" ? await this.#afterAnswer(conversation, context) : stop;
    };

    let stop: StopReason | undefined;
    for (let turn = 1; turn <= maxTurns && stop === undefined; turn++) stop = await playTurn(turn);

    return {
      messages: conversation,
      stop: stop ?? "max-turns",
      turnsUsed: finishReasons.length,
      finishedNaturally: stop === "finished",
      reasoningPerTurn,
      toolErrors: runner.errors,
      toolCalls: runner.counts,
      usage,
      finishReasons,
    };
  }

  /** A turn without calls ends the rollout, unless somebody has something to say to it. */
  async #afterAnswer(conversation: ChatMessage[], context: RolloutContext): Promise<StopReason | undefined> {
    const reply = await this.#options.reply?.([...conversation], context);
    if (typeof reply !== "string") return "finished";
    conversation.push({ role: "user", content: reply });
    return undefined;
  }

  async #complete(
    conversation: readonly ChatMessage[],
    { signal, seed }: RolloutContext,
    turn: number,
  ): Promise<ChatCompletion | "context-full"> {
    const { server, temperature, maxTokens, extraBody, split, seeded } = this.#options;
    const hasExtraBody = extraBody != null && Object.keys(extraBody).length > 0;
    signal.throwIfAborted();
    try {
      return await server.chatCompletion(
        {
          messages: [...conversation],
          n: 1,
          temperature,
          ...(this.#tools.size > 0 && { tools: this.#options.tools.map(({ schema }) => schema) }),
          ...(maxTokens !== undefined && { max_tokens: maxTokens }),
          ...(seeded === true && { seed: (seed + turn) % 2 ** 31 }),
          ...(hasExtraBody && { extra_body: extraBody }),
        },
        { signal, ...(split !== undefined && { split }) },
      );
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof LachesisError && error.code === "INFERENCE_CONTEXT_FULL") return "context-full";
      throw error;
    }
  }
}

function firstChoice(completion: ChatCompletion) {
  const [choice] = completion.choices;
  if (choice !== undefined) return choice;
  throw new LachesisError(
    "INFERENCE_MALFORMED",
    `Expected one choice in completion "${completion.id}", got none.`,
    {
      retryable: true,
    },
  );
}

/** undefined = the rollout goes on with this turn's tool calls; "finished" = unless there is a reply. */
function stopAfter(finishReason: FinishReason, calls: number): StopReason | undefined {
  if (finishReason === "length") return "max-tokens";
  return calls === 0 ? "finished" : undefined;
}

function addUsage(sum: Usage, usage: Usage | undefined): void {
  sum.prompt_tokens += usage?.prompt_tokens ?? 0;
  sum.completion_tokens += usage?.completion_tokens ?? 0;
  sum.total_tokens += usage?.total_tokens ?? 0;
}
