/**
 * The last look at a turn before its tokens can reach a trainer. What fails here is a fault of the machinery, not
 * of the model: the rollout ends as "infra-failed: token-audit" and is never sent.
 */
import { LachesisError } from "../contracts/errors.ts";
import type { Generation } from "../contracts/token-server.ts";

/** Rounding on the server may leave a certain token's log-probability a little above 0. */
const roundingAboveZero = 1e-3;
/** Servers write this, or less, where they have no log-probability. */
const noLogprob = -9_999;

/** Throws TOKEN_AUDIT_FAILED, with `turn` (counted from 1) in its message, when the generation can't be true. */
export function auditGeneration(
  { ids, logprobs, versions }: Generation,
  { turn, vocabularySize }: { turn: number; vocabularySize: number },
): void {
  if (ids.length === 0) fail(turn, "the server sampled no token");
  if (logprobs.length !== ids.length) {
    fail(turn, `expected a log-probability for each of ${ids.length} sampled ids, got ${logprobs.length}`);
  }
  if (versions !== undefined && versions.length !== ids.length) {
    fail(turn, `expected a weight version for each of ${ids.length} sampled ids, got ${versions.length}`);
  }
  const strangeId = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize);
  if (strangeId !== -1) {
    fail(
      turn,
      `sampled id ${ids[strangeId]} at ${strangeId} isn't in the vocabulary of ${vocabularySize} tokens`,
    );
  }
  const strange = logprobs.findIndex((value) => !(value > noLogprob && value <= roundingAboveZero));
  if (strange !== -1) {
    fail(
      turn,
      `log-probability ${logprobs[strange]} at ${strange} is none: expected a finite number up to 0`,
    );
  }
  const strangeVersion = versions?.findIndex((version) => !Number.isInteger(version)) ?? -1;
  if (strangeVersion !== -1) {
    fail(turn, `weight version ${versions?.[strangeVersion]} at ${strangeVersion} isn't a whole number`);
  }
}

/** Throws TOKEN_AUDIT_FAILED when the ids that were sent are not the segment's ids and what came since. */
export function auditPrompt(sent: readonly number[], recorded: readonly number[], turn: number): void {
  let at = 0;
  while (at < recorded.length && sent[at] === recorded[at]) at += 1;
  if (at === recorded.length && sent.length === at) return;
  fail(
    turn,
    `the prompt's ids (${sent.length}) aren't the segment's (${recorded.length}): they part at ${at}`,
  );
}

function fail(turn: number, problem: string): never {
  throw new LachesisError("TOKEN_AUDIT_FAILED", `Turn ${turn}: ${problem}.`, { retryable: true });
}
