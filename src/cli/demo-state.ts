/** What the demo shows, as plain data: the stages write it, the screen reads it. */
import type { ChatMessage } from "../contracts/chat.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import type { ProgressSnapshot } from "../telemetry/run-progress.ts";
import { oneLine } from "./text-width.ts";

export type DemoStageName = "serve" | "process" | "evaluate";

export type DemoStage = {
  state: "waiting" | "running" | "done";
  /** Reads the stage's numbers; undefined before it starts. */
  snapshot: (() => ProgressSnapshot) | undefined;
  /** Files with its data, once it is done. */
  paths: readonly string[];
};

/** One rollout as the trainer got it. */
export type DemoSample = {
  problem: string;
  steps: { tool: string; call: string; result: string }[];
  answer: string;
  score: number;
};

export type DemoBatch = { sequences: number; meanScore: number };

export type DemoState = {
  startedAt: number;
  seconds: number;
  seed: number;
  errorRate: number;
  /** URLs and the kind of sandbox. */
  facts: string[];
  stages: Record<DemoStageName, DemoStage>;
  batches: DemoBatch[];
  sample: DemoSample | undefined;
};

export function newDemoState(
  options: Pick<DemoState, "startedAt" | "seconds" | "seed" | "errorRate">,
): DemoState {
  const stage = (): DemoStage => ({ state: "waiting", snapshot: undefined, paths: [] });
  return {
    ...options,
    facts: [],
    stages: { serve: stage(), process: stage(), evaluate: stage() },
    batches: [],
    sample: undefined,
  };
}

/** Mean of all scores that the trainer got, each sequence counting once; undefined before the first. */
export function meanOfBatches(batches: readonly DemoBatch[]): number | undefined {
  const sequences = batches.reduce((sum, batch) => sum + batch.sequences, 0);
  if (sequences === 0) return undefined;
  return batches.reduce((sum, batch) => sum + batch.meanScore * batch.sequences, 0) / sequences;
}

/** The first rollout of a batch that used a tool; undefined when the groups carry no messages. */
export function sampleOfBatch(batch: readonly ScoredGroup[]): DemoSample | undefined {
  for (const { messages, scores } of batch) {
    for (const [index, conversation] of (messages ?? []).entries()) {
      const sample = readSample(conversation, scores[index] ?? 0);
      if (sample.steps.length > 0) return sample;
    }
  }
  return undefined;
}

function readSample(conversation: readonly ChatMessage[], score: number): DemoSample {
  const results = new Map<string, string>();
  for (const message of conversation) {
    if (message.role === "tool") results.set(message.tool_call_id, message.content);
  }
  const steps = conversation.flatMap((message) => {
    const calls = message.role === "assistant" ? (message.tool_calls ?? []) : [];
    return calls.map(({ id, function: called }) => ({
      tool: called.name,
      call: readCode(called.arguments),
      result: readResult(results.get(id) ?? ""),
    }));
  });
  const user = conversation.find(({ role }) => role === "user")?.content ?? "";
  const answer = conversation.findLast(({ role }) => role === "assistant")?.content ?? "";
  // The first paragraph is the problem; what follows tells the model how to answer.
  return {
    problem: oneLine(user.split("\n\n", 1)[0] ?? ""),
    steps,
    answer: oneLine(answer.split("\n").at(-1) ?? ""),
    score,
  };
}

/** The `code` argument where there is one, else the arguments as they are. */
function readCode(text: string): string {
  const code = textField(text, ["code"]);
  return code === undefined ? oneLine(text) : code.split("\n").map(oneLine).join("; ");
}

/** What a tool's JSON result says, else the result as it is. */
function readResult(text: string): string {
  return oneLine(textField(text, ["result", "output", "error"]) ?? text);
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
