/** Requests that are refused with 400, and what an engine checks before it samples. */
import type { TokenSampler } from "./token-sampler.ts";

/** A request that can't be answered, and the client's fault. */
export class BadRequest extends Error {
  override readonly name = "BadRequest";
}

/** As an engine checks it before it samples. Throws BadRequest. */
export function checkPrompt(promptIds: readonly number[], { tokenizer, contextLength }: TokenSampler): void {
  const unknown = promptIds.find((id) => id >= tokenizer.vocabularySize);
  if (unknown !== undefined) throw new BadRequest(`Token id ${unknown} is out of vocabulary`);
  if (promptIds.length < contextLength) return;
  throw new BadRequest(
    `This model's maximum context length is ${contextLength} tokens. However, your request has ` +
      `${promptIds.length} input tokens. Please reduce the length of the input messages.`,
  );
}
