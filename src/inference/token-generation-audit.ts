/**
 * What a token server answered, held against what must be true of it before a trainer may see it. A sampled id
 * has a log-probability of its own, or the whole answer is refused: a hole padded here would be trained on.
 */
import { LachesisError } from "../contracts/errors.ts";

/** One sampled sequence as a server told it, not yet trusted. */
export type SampledSequence = {
  ids: readonly number[] | null | undefined;
  /** Whatever stood there: the audit wants numbers. */
  logprobs: readonly unknown[] | null | undefined;
  /** Ids that the server wrote beside its log-probabilities, where it does. */
  logprobIds?: readonly (number | null | undefined)[] | undefined;
  finishReason: string;
  stopReason: string | number | null;
  /** The weights' version as the server wrote it. */
  version?: string | number | null | undefined;
};

/** The prompt as the server says it was: its ids, or at least how many. */
export type PromptEcho = { ids?: readonly number[] | null | undefined; count?: number | null | undefined };

export type AuditContext = {
  /** Names the server in messages. */
  baseUrl: string;
  inputIds: readonly number[];
  maxTokens: number;
  /** What to do about missing log-probabilities at this kind of server. */
  hint: string;
};

/** vLLM writes this where it has no log-probability; llama.cpp writes the lowest float for zero. */
const missingLogprob = -9999;
/** A sum in 32 bits may end a hair above 0. */
const roundingTolerance = 1e-3;

/** The sequence's ids and log-probabilities. Throws TOKEN_AUDIT_FAILED when they can't be trusted. */
export function auditSequence(
  { ids, logprobs, logprobIds }: SampledSequence,
  context: AuditContext,
): { ids: number[]; logprobs: number[] } {
  if (!ids) throw untrusted(context, "no token ids");
  if (!logprobs) throw untrusted(context, "no log-probabilities");
  if (ids.length === 0) throw untrusted(context, "a sequence without any id");
  if (ids.length !== logprobs.length) {
    throw untrusted(context, `${ids.length} ids with ${logprobs.length} log-probabilities`);
  }
  if (ids.length > context.maxTokens) {
    throw untrusted(context, `${ids.length} ids where max_tokens=${context.maxTokens} were asked for`);
  }
  const checked = logprobs.map((logprob, position) => {
    if (!isLogprob(logprob)) {
      throw untrusted(context, `${String(logprob)} as the log-probability of id ${position + 1}`);
    }
    return Math.min(0, logprob);
  });
  for (const [position, id] of ids.entries()) {
    const told = logprobIds?.[position];
    if (typeof told !== "number" || told === id) continue;
    throw untrusted(context, `the log-probability of id ${told} for id ${id} (number ${position + 1})`);
  }
  return { ids: [...ids], logprobs: checked };
}

/** Throws TOKEN_AUDIT_FAILED when the server says that it was given another prompt than was sent. */
export function auditPrompt({ ids, count }: PromptEcho, context: AuditContext): void {
  const { inputIds } = context;
  const length = ids?.length ?? count ?? inputIds.length;
  if (length !== inputIds.length) {
    throw untrusted(context, `a prompt of ${length} ids where ${inputIds.length} were sent`);
  }
  const position = ids ? ids.findIndex((id, index) => id !== inputIds[index]) : -1;
  if (position === -1) return;
  throw untrusted(
    context,
    `a prompt with id ${ids?.[position]} at ${position} where ${inputIds[position]} was sent`,
  );
}

/** The error for an answer that can't be trained on. A fresh rollout may fare better, hence retryable. */
export function untrusted(
  { baseUrl, hint }: Pick<AuditContext, "baseUrl" | "hint">,
  what: string,
): LachesisError {
  return new LachesisError("TOKEN_AUDIT_FAILED", `${baseUrl} answered ${what}.`, { hint, retryable: true });
}

function isLogprob(value: unknown): value is number {
  return (
    typeof value === "number" &&
    Number.isFinite(value) &&
    value > missingLogprob &&
    value <= roundingTolerance
  );
}
