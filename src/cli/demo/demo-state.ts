/** What the demo knows so far, as plain data: the stages write it, the screen and the report read it. */
import type { ChatMessage } from "../../contracts/chat.ts";
import type { TrainingStep } from "../../contracts/training-step.ts";
import type { DemoSettings } from "./demo-settings.ts";

export const stageNames = ["process", "sft", "before", "train", "after"] as const;
export type StageName = (typeof stageNames)[number];

export type Stage = {
  /** "skipped": it was not asked for, or there was no time left. */
  state: "waiting" | "running" | "done" | "skipped";
  startedAt: number | undefined;
  endedAt: number | undefined;
};

/** Rollouts that ended while one version of the weights was the newest. */
export type StepRollouts = { step: number; rollouts: number; correct: number; toolSuccesses: number };

export type Proportion = { successes: number; count: number };

export type DemoEvaluation = { accuracy: Proportion; toolSuccess: Proportion };

/** One trained sequence: ids as text, what was sampled, and how likely it was. */
export type SampleToken = { text: string; logprob: number | null };

export type DemoSample = {
  /** Of the weights that sampled it, as far as is known. */
  step: number;
  question: string;
  code: string | null;
  result: string | null;
  answer: string;
  score: number;
  tokens: readonly SampleToken[];
};

export type DemoState = {
  readonly startedAt: number;
  readonly settings: DemoSettings;
  /** Set when the last stage has ended: times stop here. */
  endedAt: number | undefined;
  /** URLs, the kind of sandbox. */
  facts: string[];
  stages: Record<StageName, Stage>;
  teacher: Proportion;
  supervised: { step: number; loss: number | undefined };
  evaluation: { done: number; total: number | undefined; correct: number };
  before: DemoEvaluation | undefined;
  after: DemoEvaluation | undefined;
  trained: TrainingStep[];
  rollouts: StepRollouts[];
  samples: DemoSample[];
};

export function newDemoState(options: Pick<DemoState, "startedAt" | "settings">): DemoState {
  const stage = (): Stage => ({ state: "waiting", startedAt: undefined, endedAt: undefined });
  return {
    ...options,
    endedAt: undefined,
    facts: [],
    stages: { process: stage(), sft: stage(), before: stage(), train: stage(), after: stage() },
    teacher: { successes: 0, count: 0 },
    supervised: { step: 0, loss: undefined },
    evaluation: { done: 0, total: undefined, correct: 0 },
    before: undefined,
    after: undefined,
    trained: [],
    rollouts: [],
    samples: [],
  };
}

export function shareOf({ successes, count }: Proportion): number | undefined {
  return count === 0 ? undefined : successes / count;
}

/** How much the accuracy on held-out problems has risen; null before it is known. */
export function riseOf({ before, after }: Pick<DemoState, "before" | "after">): number | null {
  const [low, high] = [before && shareOf(before.accuracy), after && shareOf(after.accuracy)];
  return low === undefined || high === undefined ? null : high - low;
}

/** Wilson's interval for a share, 95 %. */
export function confidenceInterval({ successes, count }: Proportion): [low: number, high: number] {
  if (count === 0) return [0, 1];
  const z = 1.96;
  const share = successes / count;
  const middle = share + z ** 2 / (2 * count);
  const spread = z * Math.sqrt((share * (1 - share)) / count + z ** 2 / (4 * count ** 2));
  const scale = 1 + z ** 2 / count;
  return [Math.max(0, (middle - spread) / scale), Math.min(1, (middle + spread) / scale)];
}

/** The part of a conversation that shows what a rollout did. */
export function readConversation(
  conversation: readonly ChatMessage[],
): Pick<DemoSample, "question" | "code" | "result" | "answer"> {
  const call = conversation.flatMap((message) =>
    message.role === "assistant" ? (message.tool_calls ?? []) : [],
  )[0];
  const played = conversation.find(({ role }) => role === "tool")?.content ?? null;
  const answer = conversation.findLast(({ role }) => role === "assistant")?.content ?? "";
  return {
    question: conversation.find(({ role }) => role === "user")?.content ?? "",
    code:
      call === undefined ? null : (textField(call.function.arguments, ["code"]) ?? call.function.arguments),
    result: played === null ? null : (textField(played, ["result", "output", "error"]) ?? played),
    answer,
  };
}

/** The first of the fields that is a text with something in it; undefined when the JSON has none. */
function textField(json: string, names: readonly string[]): string | undefined {
  try {
    const value: unknown = JSON.parse(json);
    const fields = new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
    return names
      .map((name) => fields.get(name))
      .find((field) => typeof field === "string" && field.trim() !== "");
  } catch {
    return undefined;
  }
}
