/**
 * SGLang's own POST /generate with `input_ids`. Its log-probabilities are of logits divided by the temperature
 * (no top-k or top-p), unless it runs with SGLANG_RETURN_ORIGINAL_LOGPROB=1. `meta_info.weight_version` is the
 * version at the time of the answer: weights that changed within a sequence can't be told from it.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { GenerateRequest, Sampling } from "../contracts/token-server.ts";
import {
  HttpTokenServer,
  idList,
  type SampledAnswer,
  type TokenServerOptions,
  tokenCount,
} from "./http-token-server.ts";
import { failureOfStatus } from "./server-failure.ts";
import type { SampledSequence } from "./token-generation-audit.ts";

/** How long a word to the server about an abandoned request may take. */
const abandonTimeoutMs = 1_000;

const finish = z.union([
  z.string(),
  z.object({
    type: z.string(),
    matched: z.unknown().optional(),
    message: z.string().nullish(),
    status_code: z.int().nullish(),
  }),
]);

const generation = z.object({
  output_ids: idList.nullish(),
  meta_info: z.object({
    finish_reason: finish,
    prompt_tokens: z.int().nullish(),
    weight_version: z.union([z.string(), z.number()]).nullish(),
    /** [log-probability, id, text] */
    output_token_logprobs: z.array(z.tuple([z.unknown(), z.int().nullish()]).rest(z.unknown())).nullish(),
  }),
});

/** `context_length` is what it was started with, null for the model's own; all requests share the other. */
const serverInfo = z.object({ context_length: tokenCount, max_total_num_tokens: tokenCount });

type ServerGeneration = z.output<typeof generation>;
type CallOptions = { signal: AbortSignal; headers: Record<string, string> };

export class SglangServer extends HttpTokenServer {
  readonly #abandoning = new Set<Promise<void>>();

  constructor(options: TokenServerOptions) {
    super(options, {
      logprobKind: "processed",
      healthPath: "/health",
      // Read by SGLang's router; the server itself takes any header.
      sessionHeader: "x-smg-routing-key",
      hint: "Make sure that base_url is SGLang's own port, and that nothing before it drops return_logprob.",
    });
  }

  /** With one seed for all, all samples of a request would be alike. */
  override samplesTogether({ seed }: Sampling): boolean {
    return seed === null;
  }

  override weightVersion({ signal }: { signal: AbortSignal }): Promise<string | null> {
    return this.readVersion("/model_info", "weight_version", signal);
  }

  override async contextLength({ signal }: { signal: AbortSignal }): Promise<number | null> {
    const [listed, info] = await Promise.all([
      this.listedContextLength(signal),
      this.readPage("/server_info", serverInfo, signal),
    ]);
    const told = [listed, info?.context_length, info?.max_total_num_tokens];
    const known = told.filter((length) => typeof length === "number");
    return known.length === 0 ? null : Math.min(...known);
  }

  /** Waits a moment for words about abandoned requests, then breaks off what is in flight. */
  override async close(): Promise<void> {
    await Promise.all(this.#abandoning);
    await super.close();
  }

  protected override async sample(request: GenerateRequest, options: CallOptions): Promise<SampledAnswer> {
    const rid = randomUUID().replaceAll("-", "");
    const body = {
      rid,
      input_ids: request.inputIds,
      sampling_params: samplingParams(request.sampling),
      return_logprob: true,
      logprob_start_len: -1,
      top_logprobs_num: 0,
      return_text_in_logprobs: false,
      stream: false,
    };
    let answer: unknown;
    try {
      answer = await this.http.post("/generate", body, options);
    } catch (thrown) {
      // The closed connection is noticed after seconds only. With n > 1 the server makes up ids of its own.
      if (options.signal.aborted && request.sampling.n === 1) this.#abandon(rid);
      throw thrown;
    }
    const generations = this.read(z.array(generation).min(1), Array.isArray(answer) ? answer : [answer]);
    return {
      prompt: { count: generations[0]?.meta_info.prompt_tokens },
      sequences: generations.map((one) => this.#toSequence(one, request.sampling)),
    };
  }

  #abandon(rid: string): void {
    const told = this.http
      .post("/abort_request", { rid }, { signal: AbortSignal.timeout(abandonTimeoutMs) })
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => this.#abandoning.delete(told));
    this.#abandoning.add(told);
  }

  #toSequence({ output_ids, meta_info }: ServerGeneration, sampling: Sampling): SampledSequence {
    const { finish_reason: reason, output_token_logprobs: entries, weight_version: version } = meta_info;
    const finishReason = typeof reason === "string" ? reason : reason.type;
    if (typeof reason === "object" && reason.type === "abort" && typeof reason.status_code === "number") {
      const { status_code: status, message } = reason;
      throw failureOfStatus({ baseUrl: this.baseUrl, status, message: `${status} ${message ?? "abort"}` });
    }
    const logprobIds = entries?.map(([, id]) => id);
    const ids = output_ids ?? logprobIds?.filter((id) => typeof id === "number");
    return {
      ids,
      logprobs: entries?.map(([logprob]) => logprob),
      logprobIds,
      finishReason,
      stopReason: typeof reason === "object" ? stopReasonOf(reason.matched, sampling) : null,
      version,
    };
  }
}

/** SGLang names the EOS it stopped at too; here that is null, as with the others. */
function stopReasonOf(matched: unknown, { stop_token_ids }: Sampling): string | number | null {
  if (typeof matched === "string") return matched;
  return typeof matched === "number" && stop_token_ids.includes(matched) ? matched : null;
}

function samplingParams({ extra, max_tokens, top_k, seed, ...sampling }: Sampling) {
  return {
    presence_penalty: 0,
    frequency_penalty: 0,
    min_new_tokens: 0,
    ignore_eos: false,
    ...extra,
    ...sampling,
    max_new_tokens: max_tokens,
    top_k: top_k === 0 ? -1 : top_k,
    skip_special_tokens: false,
    spaces_between_special_tokens: false,
    no_stop_trim: false,
    // Older servers know no such field.
    ...(seed !== null && { sampling_seed: seed }),
  };
}
