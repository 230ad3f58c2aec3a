/**
 * What a reward is: a function of a rollout, its item and (where it needs one) the sandbox that the rollout left.
 *
 * A reward that throws is a failure of the machinery: the rollout is played afresh, never scored. What the model did
 * wrong is a low score. Rewards are named and configured in YAML (`createReward`), and compose (`combined`).
 */
import type { z } from "zod";
import type { ToolCallCounts } from "../src/agent/agent-result.ts";
import type { ChatMessage, Usage } from "../src/contracts/chat.ts";
import { LachesisError } from "../src/contracts/errors.ts";
import type { JudgeModel } from "../src/contracts/judge-model.ts";
import type { StopReason } from "../src/contracts/outcome.ts";
import type { ToolContext } from "../src/tools/tool-context.ts";
import { stripThinking } from "./final-answer.ts";

/** A rollout as rewards see it. An `AgentResult` is one, and so is what `rescore` reads back from a file. */
export type RewardRollout = {
  messages: readonly ChatMessage[];
  stop: StopReason;
  /** Model calls. */
  turnsUsed: number;
  toolCalls?: ToolCallCounts;
  usage?: Usage;
};

/** A row: columns of a dataset, or the fields of an environment's item. */
export type RewardItem = Readonly<Record<string, unknown>>;

export type RewardPart = {
  /** What the function itself gave. */
  raw: number;
  /** What of it entered the score. */
  weighted: number;
};

export type RewardResult = {
  score: number;
  /** By the name of each function that took part. */
  parts: Readonly<Record<string, RewardPart>>;
  /** What else was measured on the way, for logs; enters no score. */
  metrics: Readonly<Record<string, number>>;
};

/** What a function of its own gives; a bare number is a score without metrics. */
export type RawReward = number | { score: number; metrics?: Readonly<Record<string, number>> };

export type RewardCall = {
  rollout: RewardRollout;
  item: RewardItem;
  /** null where rollouts are scored from a file, long after their sandboxes. */
  toolContext: ToolContext | null;
  signal: AbortSignal;
};

/** A reward ready to score. */
export type Reward = (call: RewardCall) => Promise<RewardResult>;

/** What rewards may use besides the rollout; made by whoever owns the run. */
export type RewardServices = {
  /** The trainer's step, for rewards that change with it. */
  trainingStep(): number;
  /** For rewards that ask a model; none where no judge is configured. */
  judge?: JudgeModel | null | undefined;
};

/** A registered kind of reward. */
export interface RewardDefinition {
  readonly name: string;
  readonly description: string;
  readonly parameters: z.ZodObject;
  /** Throws REWARD_INVALID where the parameters don't fit. `createNested` makes the rewards that a composition names. */
  create(parameters: unknown, context: RewardMaking): Reward;
}

export type RewardMaking = {
  services: RewardServices;
  /** The name its part gets. */
  label: string;
  weight: number;
  /** Where in the configuration it stands, for messages. */
  path: string;
  createNested(spec: unknown, path: string): Reward;
};

/** A reward from a function of its own; `create` may keep what is costly to make. */
export function defineReward<Parameters extends z.ZodObject>(definition: {
  name: string;
  description: string;
  parameters: Parameters;
  create(
    parameters: z.output<Parameters>,
    context: RewardMaking,
  ): (call: RewardCall) => RawReward | Promise<RawReward>;
}): RewardDefinition {
  return {
    ...definition,
    create(parameters, context) {
      const score = definition.create(parseParameters(definition.parameters, parameters, context), context);
      return async (call) => {
        const given = await score(call);
        const { score: raw, metrics = {} } = typeof given === "number" ? { score: given } : given;
        if (!Number.isFinite(raw)) {
          throw new LachesisError(
            "REWARD_NOT_FINITE",
            `reward ${context.path}: expected a finite number, got ${raw}`,
          );
        }
        const weighted = raw * context.weight;
        return { score: weighted, parts: { [context.label]: { raw, weighted } }, metrics };
      };
    },
  };
}

/** The parameters of a reward as its schema reads them; throws REWARD_INVALID with the place of each problem. */
export function parseParameters<Parameters extends z.ZodObject>(
  schema: Parameters,
  parameters: unknown,
  { path }: Pick<RewardMaking, "path">,
): z.output<Parameters> {
  const parsed = schema.safeParse(parameters ?? {});
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path: keys, message }) => `${[path, ...keys].join(".")}: ${message}`,
  );
  throw new LachesisError("REWARD_INVALID", `The reward can't be made. ${problems.join("; ")}`, {
    hint: `Parameters: ${Object.keys(schema.shape).join(", ") || "none"}.`,
  });
}

/** What the model said last, thinking included; "" where it said nothing. */
export function lastText({ messages }: RewardRollout): string {
  return messages.findLast(({ role }) => role === "assistant")?.content ?? "";
}

/** What the model said last, behind its thinking. */
export function answerText(rollout: RewardRollout): string {
  return stripThinking(lastText(rollout)).trim();
}

/** A column of the item as text. Throws REWARD_ITEM_INVALID where the item has none. */
export function textField(item: RewardItem, field: string): string {
  const value = item[field];
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw new LachesisError(
    "REWARD_ITEM_INVALID",
    `A reward reads the item's "${field}" as text, but it is ${value === undefined ? "missing" : typeof value}.`,
    { hint: `The item has: ${Object.keys(item).join(", ") || "nothing"}.` },
  );
}

/** The sandbox that the rollout left. Throws REWARD_NEEDS_SANDBOX where rollouts are scored from a file. */
export function requireSandbox({ toolContext }: RewardCall, name: string): ToolContext {
  if (toolContext !== null) return toolContext;
  throw new LachesisError(
    "REWARD_NEEDS_SANDBOX",
    `The reward ${name} looks into the rollout's sandbox, and a rollout read from a file has none.`,
    {
      hint: "Score it while it is played (serve, process, evaluate), or rescore with rewards that read text alone.",
    },
  );
}
