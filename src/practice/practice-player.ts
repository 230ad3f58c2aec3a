/** Turns a conversation into the turns that the teacher's model would take next. */
import type { AssistantMessage, ChatMessage, ToolSchema } from "../contracts/chat.ts";
import { plainAttempt } from "./plain-attempt.ts";
import type { FateDraw, RolloutFate } from "./rollout-fate.ts";
import { RolloutMemory } from "./rollout-memory.ts";
import type { Teacher, TeacherTurn } from "./teacher.ts";

export type PlayRequest = {
  messages: readonly ChatMessage[];
  /** What may be called. */
  tools: readonly ToolSchema[];
  count: number;
  /** The rollout's session; null where the client names none. */
  sessionId?: string | null;
  /** The request's own seed: the same seed is answered alike. */
  seed?: number | null;
  /** Sampling at temperature 0. */
  greedy?: boolean;
};

export type PlayedTurn = TeacherTurn & {
  /** Of the rollout; null for an unknown task. */
  fate: RolloutFate | null;
  /** Counts the rollout's turns, from 0. */
  turnNumber: number;
};

export type Played = {
  turns: PlayedTurn[];
  /** Number of the task, null when unknown. */
  task: number | null;
};

export class PracticePlayer {
  readonly #teacher: Teacher;
  readonly #memory: RolloutMemory;

  constructor({ teacher, fates }: { teacher: Teacher; fates: FateDraw }) {
    this.#teacher = teacher;
    this.#memory = new RolloutMemory({ draw: fates });
  }

  play({ messages, tools, count, sessionId = null, seed = null, greedy = false }: PlayRequest): Played {
    const lesson = this.#teacher.recognise(messages);
    const turnNumber = messages.filter(({ role }) => role === "assistant").length;
    if (!lesson) {
      const turn = { ...plainAttempt(messages), fate: null, turnNumber };
      return { task: null, turns: Array.from({ length: count }, () => turn) };
    }
    const task = lesson.index;
    const fates = this.#memory.fatesOf({ task, messages, sessionId, count, seed, greedy });
    const turns = fates.map((fate) => ({
      ...lesson.nextTurn({ messages, tools, seed: fate.seed, errs: fate.errs }),
      fate,
      turnNumber,
    }));
    return { task, turns };
  }

  /** Takes what was really answered, so that the rollout is known again when its next turn comes. */
  answered(request: PlayRequest, { task }: Played, turn: PlayedTurn, answer: AssistantMessage): void {
    if (task === null || turn.fate === null) return;
    const { messages, sessionId = null, seed = null } = request;
    this.#memory.remember({ task, messages, sessionId, seed }, answer, turn.fate);
  }
}
