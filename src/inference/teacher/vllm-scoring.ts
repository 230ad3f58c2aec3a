/** Stock `vllm serve`: POST /v1/completions with the ids as prompt and `prompt_logprobs`; raw log-probabilities. */
import { z } from "zod";
import { ServerFailure } from "../server-failure.ts";
import { type PromptQuestion, ScoringServer, type ToldPlace } from "./scoring-server.ts";

const place = z.record(z.string().regex(/^\d+$/), z.object({ logprob: z.unknown() }));
const answer = z.object({
  choices: z.tuple([z.object({ prompt_logprobs: z.array(place.nullable()) })], z.unknown()),
});
export const tokenizeAnswer = z.object({ tokens: z.array(z.int().min(0)) });

export class VllmScoring extends ScoringServer {
  async tokenize(text: string, { signal }: { signal: AbortSignal }): Promise<number[] | null> {
    const body = { model: this.modelName, prompt: text, add_special_tokens: false };
    try {
      return this.read(tokenizeAnswer, await this.http.post("/tokenize", body, { signal })).tokens;
    } catch (thrown) {
      if (thrown instanceof ServerFailure && !thrown.retryable) return null;
      throw thrown;
    }
  }

  protected override async ask({ ids, top }: PromptQuestion, options: { signal: AbortSignal }) {
    const body = {
      model: this.modelName,
      prompt: ids,
      prompt_logprobs: top,
      // It samples at least one token, which nobody reads.
      max_tokens: 1,
      temperature: 1,
      n: 1,
      add_special_tokens: false,
      echo: false,
      stream: false,
    };
    const told = this.read(answer, await this.http.post("/v1/completions", body, options));
    return told.choices[0].prompt_logprobs.map((choices, index): ToldPlace | null => {
      if (choices === null) return null;
      return {
        own: choices[String(ids[index])]?.logprob,
        choices: Object.entries(choices).map(([id, { logprob }]) => ({ id: Number(id), logprob })),
      };
    });
  }
}
