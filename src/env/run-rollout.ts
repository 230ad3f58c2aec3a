/**
 * Plays one rollout from its first message to its outcome: the agent loop, then the reward on the same
 * sandbox, then the release of everything it used. It never rejects: whatever goes wrong with the machinery
 * is an "infra-failed" outcome that names its stage, and is never a score.
 */
import type { AgentResult } from "../agent/agent-result.ts";
import { HermesAgentLoop, type HermesAgentLoopOptions } from "../agent/hermes-agent-loop.ts";
import type { ChatMessage, ChatServer, Split } from "../contracts/chat.ts";
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
import { EnvRolloutContext } from "./rollout-context.ts";
import type { RolloutSession, RolloutTokens } from "./rollout-tokens.ts";

export type LoopSettings = Omit<HermesAgentLoopOptions, "server" | "tools" | "split" | "events">;

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
  computeReward(
    result: AgentResult,
    toolContext: ToolContext,
    options: { signal: AbortSignal },
  ): Promise<number>;
};

export type PlayedRollout = {
  rolloutId: string;
  outcome: Outcome;
  /** null when the rollout ended before the agent loop did. */
  result: AgentResult | null;
  /** null when the servers give no token ids. */
  tokens: RolloutTokens | null;
  durationMs: number;
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
  const inference = new FailureTracing();
  const family = new Family(run, (server) => inference.trace(server));
  const { outcome, result } = await playAndRelease(run, { session, inference, family });

  const durationMs = performance.now() - startedAt;
  const turns = result?.turnsUsed ?? 0;
  events.emit("rollout-end", { rolloutId, groupId, split, outcome, turns, durationMs });
  logOutcome(logger, { rolloutId, groupId, outcome, turns, durationMs });
  const tokens = session ? tokensOf(session, family.sessions) : null;
  return { rolloutId, outcome, result, tokens, durationMs };
}

/**
 * The rollout's own segments come last: who takes the last one of a rollout takes one of its own, and a child that
 * sampled nothing leaves nothing.
 */
function tokensOf(session: RolloutSession, children: readonly RolloutSession[]): RolloutTokens {
  const ofChildren = children
    .flatMap((child) => child.segments())
    .filter(({ sampled }) => sampled.includes(true));
  return { segments: [...ofChildren, ...session.segments()], sampling: session.samplingRecord() };
}

type RolloutParts = {
  session: RolloutSession | undefined;
  inference: FailureTracing;
  family: Family;
};

async function playAndRelease(
  run: RolloutRun,
  { session, inference, family }: RolloutParts,
): Promise<{ outcome: Outcome; result: AgentResult | null }> {
  const { servers, backend, logger, events } = run.services;
  await using context = new EnvRolloutContext({
    ...run,
    backend,
    logger,
    children: (parent) => family.childrenOf(parent),
  });
  const loop = new HermesAgentLoop({
    ...run.loop,
    tools: run.tools,
    server: inference.trace(session ?? servers),
    split: run.split,
    events,
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
    result = await loop.run(run.messages, context);
  } catch (thrown) {
    if (context.signal.aborted) return cancelled(null);
    const error = toLachesisError(thrown, "INTERNAL", `rollout ${run.rolloutId}`);
    const ofInference = inference.threw(thrown) || error.code.startsWith("INFERENCE_");
    if (error.code === "TOKEN_AUDIT_FAILED") return failed("token-audit", error);
    return failed(ofInference ? "inference" : "sandbox", error);
  }
  if (result.turnsUsed === 0) return failed("inference", promptTooLong(run.rolloutId), result);

  let reward: number;
  try {
    const toolContext = new ToolContext({ context, tools: run.tools });
    const scoring = run.computeReward(result, toolContext, { signal: context.signal });
    reward = await untilAborted(scoring, context.signal);
  } catch (thrown) {
    if (context.signal.aborted) return cancelled(result);
    return failed("reward", rewardError(thrown, run.rolloutId), result);
  }
  if (!Number.isFinite(reward)) {
    const message = `computeReward of rollout ${run.rolloutId}: expected a finite number, got ${reward}`;
    return failed("reward", new LachesisError("REWARD_NOT_FINITE", message, { retryable: true }), result);
  }
  return { outcome: { kind: "scored", reward, stop: result.stop }, result };
}

/** Remembers which errors came from the model servers, to tell them from a sandbox's. */
class FailureTracing {
  readonly #thrown = new Set<unknown>();

  /** The same server, whose errors are remembered. */
  trace(server: ChatServer): ChatServer {
    return {
      chatCompletion: async (...call) => {
        try {
          return await server.chatCompletion(...call);
        } catch (error) {
          this.#thrown.add(error);
          throw error;
        }
      },
    };
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
