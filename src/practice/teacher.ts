/**
 * Who plays the model in the practice server: a teacher knows tasks and their solutions, and acts one turn at
 * a time as a good model would. It keeps no state between calls: everything it needs stands in the
 * conversation and in the seed of the rollout.
 */
import type { ChatMessage, JsonObject, ToolSchema } from "../contracts/chat.ts";

export type TeacherCall = { name: string; arguments: JsonObject };

/** A turn without calls is the answer. */
export type TeacherTurn = { content: string | null; calls: readonly TeacherCall[] };

export type TurnRequest = {
  /** The whole conversation, the last message being the one to react to. */
  messages: readonly ChatMessage[];
  /** What may be called; empty when the request offers nothing. */
  tools: readonly ToolSchema[];
  /** The same in every turn of a rollout, different between rollouts of one task. */
  seed: number;
  /** This rollout shall end with a plausible answer that is surely wrong. */
  errs: boolean;
};

export interface Lesson {
  /** The task's number among the teacher's tasks, from 0: mistakes are spread evenly over it. */
  readonly index: number;
  nextTurn(request: TurnRequest): TeacherTurn;
}

export interface Teacher {
  /** The task that a conversation is about; null = none that this teacher knows. */
  recognise(messages: readonly ChatMessage[]): Lesson | null;
}
