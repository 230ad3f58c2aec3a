/** SGLang's own POST /generate with `logprob_start_len: 0`. At temperature 1 its log-probabilities are the raw ones. */
import { z } from "zod";
import { ServerFailure } from "../server-failure.ts";
import { type PromptQuestion, ScoringServer, type ToldPlace } from "./scoring-server.ts";
import { tokenizeAnswer } from "./vllm-scoring.ts";

/** [log-probability, id, text] */
const entry = z.tuple([z.unknown(), z.int().min(0)]).rest(z.unknown());
const answer = z.object({
  meta_info: z.object({
    input_token_logprobs: z.array(entry),
    input_top_logprobs: z.array(z.array(entry).nullable()).nullish(),
  }),
});

export class SglangScoring extends ScoringServer {
  async tokenize(text: string, { signal }: { signal: AbortSignal }): Promise<number[] | null> {
    try {
      const body = { prompt: text, add_special_tokens: false };
      return this.read(tokenizeAnswer, await this.http.post("/tokenize", body, { signal })).tokens;
    } catch (thrown) {
      if (thrown instanceof ServerFailure && !thrown.retryable) return null;
      throw thrown;
    }
  }

  protected override async ask({ ids, top }: PromptQuestion, options: { signal: AbortSignal }) {
    const body = {
      input_ids: ids,
      sampling_params: { max_new_tokens: 1, temperature: 1 },
      return_logprob: true,
      logprob_start_len: 0,
      top_logprobs_num: top,
      return_text_in_logprobs: false,
      stream: false,
    };
    const { meta_info: told } = this.read(answer, await this.http.post("/generate", body, options));
    const wrong = told.input_token_logprobs.findIndex(([, id], index) => id !== ids[index]);
    if (wrong !== -1) throw this.malformed(`place ${wrong} is of another id`);
    return told.input_token_logprobs.map(
      ([own], index): ToldPlace => ({
        own,
        choices: (told.input_top_logprobs?.[index] ?? []).map(([logprob, id]) => ({ id, logprob })),
      }),
    );
  }
}
