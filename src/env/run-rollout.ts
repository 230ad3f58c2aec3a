/**
 * Plays one rollout from its first message to its outcome: the agent loop, then the reward on the same
 * sandbox, then the release of everything it used. It never rejects: whatever goes wrong with the machinery
 * is an "infra-failed" outcome that names its stage, and is never a score.
 */
import type { AgentResult } from "../agent/agent-result.ts";
import { HermesAgentLoop, type HermesAgentLoopOptions } from "../agent/hermes-agent-loop.ts";
import { type RolloutTimes, TimeSplit } from "../agent/time-split.ts";
import type { ChatMessage, ChatServer, Split, Usage } from "../contracts/chat.ts";
import { LachesisError, toLachesisError } from "../contracts/errors.ts";
import type { FailedStage, Outcome } from "../contracts/outcome.ts";
import type { RolloutLimits } from "../contracts/rollout-context.ts";
import type { SandboxSpec } from "../contracts/sandbox.ts";
import type { Tool } from "../contracts/tool.ts";
import { untilAborted } from "../contracts/until-aborted.ts";
import { ToolContext } from "../tools/tool-context.ts";
import { cancelledBy } from "./cancellation.ts";
import { Family } from "./child-rollouts.ts";
import type { EnvServices } from "./env-class.ts";
import { OwnCode, requireText } from "./own-code.ts";
import { EnvRolloutContext } from "./rollout-context.ts";
import type { RolloutSession, RolloutTokens } from "./rollout-tokens.ts";
import { type CheckedReward, checkReward, type RolloutReward } from "./turn-rewards.ts";

export type LoopSettings = Omit<
  HermesAgentLoopOptions,
  "server" | "tools" | "split" | "events" | "times" | "reply"
>;

export type RolloutRun = {
  rolloutId: string;
  groupId: string;
  seed: number;
  split: Split;
  /** Cancels the rollout from outside. */
  signal: AbortSignal;
  /** Milliseconds since the epoch; Infinity = none. */
  deadlineMs: number;
  services: Pick<EnvServices, "servers" | "backend" | "logger" | "events">;
  tools: readonly Tool[];
  loop: LoopSettings;
  limits: RolloutLimits;
  /** Tokens that the rollout's prompt and answer may have together, where the servers count them. */
  contextLength?: number | undefined;
  messages: readonly ChatMessage[];
  /** What the item asks of its sandbox. */
  sandboxSpec?: SandboxSpec | undefined;
  /** Before the first model call, e.g. to put the item's files into the sandbox. */
  prepareSandbox?(toolContext: ToolContext, options: { signal: AbortSignal }): Promise<void>;
  /** Answers a turn without tool calls; null ends the rollout. */
  reply?(
    messages: readonly ChatMessage[],
    toolContext: ToolContext,
    options: { signal: AbortSignal },
  ): Promise<string | null>;
  computeReward(
    result: AgentResult,
    toolContext: ToolContext,
    options: { signal: AbortSignal },
  ): Promise<RolloutReward>;
};

export type PlayedRollout = {
  rolloutId: string;
  outcome: Outcome;
  /** null when the rollout ended before the agent loop did. */
  result: AgentResult | null;
  /** null when the servers give no token ids. */
  tokens: RolloutTokens | null;
  durationMs: number;
  /** Where the time went; undefined where an environment plays rollouts in a way of its own. */
  times?: RolloutTimes;
  /** Of every model call, those of child rollouts and of a rollout that failed included. */
  spent?: SpentTokens;
};

export type SpentTokens = {
  promptTokens: number;
  completionTokens: number;
  /** Answers whose server told no usage: their tokens are missing above. */
  untold: number;
};

export async function runRollout(run: RolloutRun): Promise<PlayedRollout> {
  const { rolloutId, groupId, split } = run;
  const { events, logger } = run.services;
  const startedAt = performance.now();
  events.emit("rollout-start", { rolloutId, groupId, split });

  const session = run.services.servers.openSession?.({
    sessionId: rolloutId,
    contextLength: run.contextLength,
  });
  const times = new TimeSplit();
  const inference = new InferenceTracing(times);
  const family = new Family(
    run,
    (server) => inference.trace(server),
    () => inference.ownTurns,
  );
  const { outcome, result } = await playAndRelease(run, { session, inference, family, times });

  const durationMs = performance.now() - startedAt;
  const turns = result?.turnsUsed ?? 0;
  events.emit("rollout-end", { rolloutId, groupId, split, outcome, turns, durationMs });
  logOutcome(logger, { rolloutId, groupId, outcome, turns, durationMs });
  const tokens = session ? tokensOf(session, family.sessions) : null;
  return { rolloutId, outcome, result, tokens, durationMs, times: times.times(), spent: inference.spent };
}

/**
 * The rollout's own segments come last: who takes the last one of a rollout takes one of its own, and a child that
 * sampled nothing leaves nothing. What a child sampled belongs to the turn that gave its task away.
 */
function tokensOf(session: RolloutSession, children: Family["sessions"]): RolloutTokens {
  const ofChildren = children
    .flatMap(({ session: child, parentCall }) =>
      child.segments().map((segment) => ({
        ...segment,
        answers: segment.answers.map((answer) => ({ ...answer, call: parentCall })),
      })),
    )
    .filter(({ sampled }) => sampled.includes(true));
  return { segments: [...ofChildren, ...session.segments()], sampling: session.samplingRecord() };
}

type RolloutParts = {
  session: RolloutSession | undefined;
  inference: InferenceTracing;
  family: Family;
  times: TimeSplit;
};

async function playAndRelease(
  run: RolloutRun,
  { session, inference, family, times }: RolloutParts,
): Promise<{ outcome: Outcome; result: AgentResult | null }> {
  const { servers, backend, logger, events } = run.services;
  await using context = new EnvRolloutContext({
    ...run,
    backend,
    logger,
    times,
    children: (parent) => family.childrenOf(parent),
  });
  const { signal } = context;
  const toolContext = new ToolContext({ context, tools: run.tools });
  const own = new OwnCode(context);
  const loop = new HermesAgentLoop({
    ...run.loop,
    tools: run.tools,
    server: inference.traceOwn(session ?? servers),
    split: run.split,
    events,
    times,
    reply: (messages) =>
      own.call("replyTo", async () => {
        const reply = (await run.reply?.(messages, toolContext, { signal })) ?? null;
        return reply === null ? null : requireText(reply);
      }),
  });

  const failed = (stage: FailedStage, error: LachesisError, result: AgentResult | null = null) => ({
    outcome: { kind: "infra-failed", stage, error, retryable: error.retryable } as const,
    result,
  });
  const cancelled = (result: AgentResult | null) => ({
    outcome: { kind: "cancelled", by: cancelledBy(context.signal) } as const,
    result,
  });

  let result: AgentResult;
  try {
    context.signal.throwIfAborted();
    await own.call("prepareSandbox", async () => run.prepareSandbox?.(toolContext, { signal }));
    result = await loop.run(run.messages, context);
  } catch (thrown) {
    if (context.signal.aborted) return cancelled(null);
    const error = toLachesisError(thrown, "INTERNAL", `rollout ${run.rolloutId}`);
    const ofInference = inference.threw(thrown) || error.code.startsWith("INFERENCE_");
    if (error.code === "TOKEN_AUDIT_FAILED") return failed("token-audit", error);
    if (own.threw(error)) return failed("environment", error);
    return failed(ofInference ? "inference" : "sandbox", error);
  }
  if (result.turnsUsed === 0) return failed("inference", promptTooLong(run.rolloutId), result);

  let reward: CheckedReward;
  try {
    const scoring = () => run.computeReward(result, toolContext, { signal });
    const given = await times.during("reward", () => untilAborted(scoring(), signal));
    reward = checkReward(given, { turns: result.turnsUsed, rolloutId: run.rolloutId });
  } catch (thrown) {
    if (context.signal.aborted) return cancelled(result);
    return failed("reward", rewardError(thrown, run.rolloutId), result);
  }
  return { outcome: { kind: "scored", ...reward, stop: result.stop }, result };
}

/** Remembers which errors came from the model servers, to tell them from a sandbox's, and what the calls cost. */
class InferenceTracing {
  readonly spent: SpentTokens = { promptTokens: 0, completionTokens: 0, untold: 0 };
  /** Model calls that the rollout itself, and no child of it, got answered. */
  ownTurns = 0;
  readonly #thrown = new Set<unknown>();
  readonly #times: TimeSplit;

  constructor(times: TimeSplit) {
    this.#times = times;
  }

  /** The rollout's own server: its answers are counted as turns, too. */
  traceOwn(server: ChatServer): ChatServer {
    const traced = this.trace(server);
    return {
      chatCompletion: async (...call) => {
        const completion = await traced.chatCompletion(...call);
        this.ownTurns += 1;
        return completion;
      },
    };
  }

  /** The same server, whose errors, times and tokens are noted. */
  trace(server: ChatServer): ChatServer {
    return {
      chatCompletion: async (...call) => {
        try {
          const completion = await this.#times.during("model", () => server.chatCompletion(...call));
          this.#count(completion.usage);
          return completion;
        } catch (error) {
          this.#thrown.add(error);
          throw error;
        }
      },
    };
  }

  #count(usage: Usage | undefined): void {
    this.spent.promptTokens += usage?.prompt_tokens ?? 0;
    this.spent.completionTokens += usage?.completion_tokens ?? 0;
    this.spent.untold += usage === undefined ? 1 : 0;
  }

  /** True when the error, or what caused it, was thrown by the server. */
  threw(error: unknown): boolean {
    if (this.#thrown.has(error)) return true;
    return error instanceof Error && error.cause !== undefined && this.threw(error.cause);
  }
}

function promptTooLong(rolloutId: string): LachesisError {
  const message = `The first prompt of rollout ${rolloutId} does not fit into the model's context.`;
  return new LachesisError("INFERENCE_CONTEXT_FULL", message);
}

/**
 * The next rollout may well be scored where this one made the reward throw, so it is worth another try: also
 * where the reward looked for a file that the model had not written.
 */
function rewardError(thrown: unknown, rolloutId: string): LachesisError {
  if (thrown instanceof LachesisError && thrown.retryable) return thrown;
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  const isMissingFile = thrown instanceof LachesisError && thrown.code === "SANDBOX_FILE_NOT_FOUND";
  return new LachesisError("REWARD_FAILED", `computeReward of rollout ${rolloutId} threw: ${reason}`, {
    ...(isMissingFile && {
      hint: "Where a missing file is the model's mistake, catch SANDBOX_FILE_NOT_FOUND and return its score.",
    }),
    cause: thrown,
    retryable: true,
  });
}

function logOutcome(
  logger: EnvServices["logger"],
  {
    outcome,
    ...fields
  }: { rolloutId: string; groupId: string; outcome: Outcome; turns: number; durationMs: number },
): void {
  if (outcome.kind === "infra-failed") {
    const { kind, stage, error, retryable } = outcome;
    logger.warn({ ...fields, kind, stage, retryable, code: error.code, err: error }, "rollout-end");
  } else logger.debug({ ...fields, ...outcome }, "rollout-end");
}
