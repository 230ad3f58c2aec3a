/** Requests that are refused with 400, and what an engine checks before it samples. */

/** A request that can't be answered, and the client's fault. */
export class BadRequest extends Error {
  override readonly name = "BadRequest";
}

/** As an engine checks it before it samples. Throws BadRequest. */
export function checkPrompt(
  promptIds: readonly number[],
  { tokenizer, contextLength }: { tokenizer: { vocabularySize: number }; contextLength: number },
): void {
  const { vocabularySize } = tokenizer;
  const problem = promptProblem(promptIds, { vocabularySize, contextLength });
  if (problem !== null) throw new BadRequest(problem.message);
}

export type PromptProblem = { kind: "unknown-id" | "too-long"; message: string };

/** Why nothing can be sampled after a prompt, in vLLM's words; null = something can. */
export function promptProblem(
  promptIds: readonly number[],
  { vocabularySize, contextLength }: { vocabularySize: number; contextLength: number },
): PromptProblem | null {
  const unknown = promptIds.find((id) => id >= vocabularySize);
  if (unknown !== undefined) {
    return { kind: "unknown-id", message: `Token id ${unknown} is out of vocabulary` };
  }
  if (promptIds.length < contextLength) return null;
  const message =
    `This model's maximum context length is ${contextLength} tokens. However, your request has ` +
    `${promptIds.length} input tokens. Please reduce the length of the input messages.`;
  return { kind: "too-long", message };
}
