/**
 * What happens in a run, as typed events on one bus: the engine emits, progress views, metrics and logs
 * listen. Listeners must not throw and must not wait.
 */
import { EventEmitter } from "node:events";
import type { Split } from "../contracts/chat.ts";
import type { Outcome } from "../contracts/outcome.ts";
import type { TrainingStep } from "../contracts/training-step.ts";

export type RunEvents = {
  "rollout-start": { rolloutId: string; groupId: string; split: Split };
  "turn-end": { rolloutId: string; turn: number; toolCalls: number; completionTokens: number | undefined };
  "tool-end": { rolloutId: string; tool: string; ok: boolean; durationMs: number };
  /** One attempt at a rollout is over; a failed attempt that is played afresh has its own start and end. */
  "rollout-end": {
    rolloutId: string;
    groupId: string;
    split: Split;
    outcome: Outcome;
    turns: number;
    durationMs: number;
  };
  /** A group is complete. `sent` says where it went; a skipped one says why. */
  "group-end": {
    groupId: string;
    scores: readonly number[];
    result: "sent" | "written" | "skipped" | "dropped";
    reason?: string;
  };
  /** serve: what the rollout API said last. */
  "server-status": { step: number; queueSize: number };
  /** evaluate: how many items will be played. */
  "eval-start": { items: number };
  /** evaluate: one item is done. */
  "eval-item": { score: number | null };
  /** train: one optimizer step is done. */
  "train-step": TrainingStep;
  /** train: the policy server samples with the weights of this step. */
  "weights-pushed": { version: number; durationMs: number };
  /** train: a checkpoint is on disk. */
  "checkpoint-saved": { step: number; path: string };
  /** Something people should read, once. */
  notice: { level: "info" | "warn" | "error"; code?: string; message: string };
};

export type RunEventName = keyof RunEvents;

export class EventBus {
  readonly #emitter = new EventEmitter();

  emit<Name extends RunEventName>(name: Name, event: RunEvents[Name]): void {
    this.#emitter.emit(name, event);
  }

  /** Returns the function that stops listening. */
  on<Name extends RunEventName>(name: Name, listener: (event: RunEvents[Name]) => void): () => void {
    this.#emitter.on(name, listener);
    return () => this.#emitter.off(name, listener);
  }
}
