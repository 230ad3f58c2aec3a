/** Sampling under the names of vLLM's SamplingParams, which several servers take. */
import type { Sampling } from "../contracts/token-server.ts";

/**
 * Every field, and with each sampled id its own log-probability and no others (`logprobs: 0`). What `extra`
 * adds never replaces what the request itself says. `topKOff` is the server's word for no top-k.
 */
export function vllmSampling({ extra, top_k, ...sampling }: Sampling, { topKOff }: { topKOff: 0 | -1 }) {
  return {
    presence_penalty: 0,
    frequency_penalty: 0,
    ...extra,
    ...sampling,
    top_k: top_k === 0 ? topKOff : top_k,
    logprobs: 0,
  };
}
