/** What a practice server sampled and sent, id for id: the truth that a trainer's data can be held against. */
import type { Fault } from "./fault-plan.ts";
import type { SampledAnswer } from "./token-player.ts";

/** One sampled sequence, as it was sent (hence with its faults). */
export type TokenLogEntry = {
  time: string;
  request_id: string;
  /** The API that was asked, e.g. "sglang". */
  shape: string;
  session_id: string | null;
  /** Number of the task, null when unknown. */
  task: number | null;
  /** Whether the rollout ends with a wrong answer. */
  errs: boolean | null;
  weight_version: string;
  fault: Fault | null;
  /** Among the request's sequences. */
  index: number;
  prompt_ids: readonly number[];
  /** EOS and stop tokens included. */
  ids: readonly number[];
  logprobs: readonly number[] | null;
  finish_reason: string;
  stop_reason: string | number | null;
  /** The ids aren't those that the text would be encoded to. */
  drifted: boolean;
  text: string;
};

/** Which fault struck is known when the answer goes out. */
export type SampledEntry = Omit<TokenLogEntry, "fault">;

export type LoggedRequest = { time: string; requestId: string; shape: string; sessionId: string | null };

/** The entries of one prompt's answer; `firstIndex` counts the sequences of the prompts before it. */
export function tokenLogEntries(
  request: LoggedRequest,
  promptIds: readonly number[],
  { sequences, turns, task, weightVersion }: SampledAnswer,
  firstIndex: number,
): SampledEntry[] {
  return sequences.map((sequence, index) => ({
    time: request.time,
    request_id: request.requestId,
    shape: request.shape,
    session_id: request.sessionId,
    task,
    errs: turns[index]?.fate?.errs ?? null,
    weight_version: weightVersion,
    index: firstIndex + index,
    prompt_ids: promptIds,
    ids: sequence.ids,
    logprobs: sequence.logprobs,
    finish_reason: sequence.finish,
    stop_reason: sequence.stopReason,
    drifted: sequence.drifted,
    text: sequence.text,
  }));
}
