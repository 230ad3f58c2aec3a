/**
 * Samples a text as a model would: ids of a real tokenizer, ended by EOS, a stop or the limit, each id with its
 * log-probability. As on real servers the ids keep what ended them, while the text lacks it.
 */
import { LachesisError } from "../contracts/errors.ts";
import type { Tokenizer } from "../tokens/tokenizer.ts";
import { LogprobModel, type ScoredToken, type ScoreRequest } from "./logprob-model.ts";
import { seededRandom } from "./seeded-random.ts";
import { driftIds } from "./token-drift.ts";

/** What narrows the choice of each token; 1, 0, 0 and 1 change nothing. */
export type SamplingFilters = { topP: number; topK: number; minP: number; repetitionPenalty: number };

export type SamplingRequest = {
  n: number;
  temperature: number;
  /** Null = as many as the context holds. */
  maxTokens: number | null;
  stop: readonly string[];
  stopTokenIds: readonly number[];
  seed: number | null;
  /** How many rivals of each token the answer shows. */
  topLogprobs: number;
  /** What the text shows; ids are kept as they are. */
  skipSpecialTokens: boolean;
  includeStop: boolean;
  /** Read by the wires of servers that have a real model behind them as well. */
  filters?: SamplingFilters;
};

export type FinishWord = "stop" | "length" | "abort";

export type SampledSequence = {
  ids: number[];
  /** As the server tells them, which a fault may have made false; null = left out. */
  logprobs: number[] | null;
  /** What the model really gave to each id. */
  scored: ScoredToken[];
  text: string;
  finish: FinishWord;
  /** The stop string or stop token that was met; null for EOS and for a cut. */
  stopReason: string | number | null;
  /** The ids aren't those that the text would be encoded to. */
  drifted: boolean;
  /** Of the weights, where each sequence tells its own. */
  version?: number;
};

export type SampleOptions = {
  promptIds: readonly number[];
  /** The whole answer, without the token that ends it. */
  text: string;
  sampling: SamplingRequest;
  seed: number;
  /** Whether log-probabilities are told after the temperature was applied. */
  processedLogprobs: boolean;
  weightVersion: string;
};

type Cut = Pick<SampledSequence, "ids" | "finish" | "stopReason">;
type Shown = Pick<SamplingRequest, "includeStop" | "skipSpecialTokens">;

/** What a server's text shows of the ids. */
export function shownText(
  tokenizer: Tokenizer,
  { ids, finish, stopReason }: Cut,
  { includeStop, skipSpecialTokens }: Shown,
): string {
  const endsInToken = finish === "stop" && typeof stopReason !== "string";
  const shown = endsInToken && !(includeStop && stopReason !== null) ? ids.slice(0, -1) : ids;
  const text = tokenizer.decode(shown, { skipSpecialTokens });
  if (typeof stopReason !== "string") return text;
  const place = text.indexOf(stopReason);
  return place < 0 ? text : text.slice(0, place + (includeStop ? stopReason.length : 0));
}

export class TokenSampler {
  readonly tokenizer: Tokenizer;
  readonly eosId: number;
  /** The longest prompt and answer together, tokens. */
  readonly contextLength: number;
  readonly #driftRate: number;
  readonly #model: LogprobModel;

  /** Throws TOKENIZER_INVALID when the tokenizer doesn't know `endOfTurn`. */
  constructor(options: {
    tokenizer: Tokenizer;
    endOfTurn: string;
    seed: number;
    driftRate: number;
    contextLength: number;
  }) {
    const { tokenizer, endOfTurn, seed, driftRate, contextLength } = options;
    const eosId = tokenizer.addedTokens.get(endOfTurn);
    if (eosId === undefined) {
      throw new LachesisError("TOKENIZER_INVALID", `Tokenizer ${tokenizer.name} has no token ${endOfTurn}.`, {
        hint: "Give the practice server the tokenizer of a model that speaks its conversation format.",
      });
    }
    this.tokenizer = tokenizer;
    this.eosId = eosId;
    this.contextLength = contextLength;
    this.#driftRate = driftRate;
    this.#model = new LogprobModel({ seed, vocabularySize: tokenizer.vocabularySize });
  }

  sample({
    promptIds,
    text,
    sampling,
    seed,
    processedLogprobs,
    weightVersion,
  }: SampleOptions): SampledSequence {
    const random = seededRandom(seed);
    const canonical = this.tokenizer.encode(text);
    const drifted = random() < this.#driftRate ? driftIds(this.tokenizer, canonical, random) : null;
    const stopped = this.#stop([...(drifted ?? canonical), this.eosId], sampling);
    const room = Math.max(1, this.contextLength - promptIds.length);
    const cut = cutToLength(stopped, Math.min(sampling.maxTokens ?? room, room));
    const temperature = processedLogprobs ? sampling.temperature : null;
    const rivals = sampling.topLogprobs;
    const scored = this.#model.score({ promptIds, ids: cut.ids, weightVersion, temperature, rivals });
    return {
      ...cut,
      scored,
      logprobs: scored.map(({ logprob }) => logprob),
      text: this.textOf(cut, sampling),
      drifted: drifted !== null,
    };
  }

  /** As `sample` scores what it samples: the same ids get the same numbers. */
  scorePrompt(request: Omit<ScoreRequest, "promptIds">): ScoredToken[] {
    return this.#model.score({ ...request, promptIds: [] });
  }

  /** An answer of nothing but EOS, for requests that are not about an answer. */
  endAtOnce(promptIds: readonly number[]): SampledSequence {
    const ids = [this.eosId];
    const scored = this.#model.score({ promptIds, ids, weightVersion: "", temperature: null, rivals: 0 });
    const logprobs = scored.map(({ logprob }) => logprob);
    return { ids, finish: "stop", stopReason: null, text: "", scored, logprobs, drifted: false };
  }

  textOf(cut: Cut, shown: Shown): string {
    return shownText(this.tokenizer, cut, shown);
  }

  /** Ends at the first stop token or at the token that completes the first stop string. */
  #stop(ids: number[], { stop, stopTokenIds }: SamplingRequest): Cut {
    let end: Cut = { ids, finish: "stop", stopReason: null };
    const place = ids.findIndex((id) => id !== this.eosId && stopTokenIds.includes(id));
    if (place >= 0) end = { ids: ids.slice(0, place + 1), finish: "stop", stopReason: ids[place] ?? null };
    for (const text of stop) {
      const length = text === "" ? null : this.#lengthUntil(text, end.ids);
      if (length !== null && length < end.ids.length) {
        end = { ids: ids.slice(0, length), finish: "stop", stopReason: text };
      }
    }
    return end;
  }

  /** How many of the ids it takes until their text has the stop string. */
  #lengthUntil(stop: string, ids: readonly number[]): number | null {
    const has = (length: number) => this.tokenizer.decode(ids.slice(0, length)).includes(stop);
    if (!has(ids.length)) return null;
    let [without, enough] = [0, ids.length];
    while (enough - without > 1) {
      const middle = Math.floor((without + enough) / 2);
      if (has(middle)) enough = middle;
      else without = middle;
    }
    return enough;
  }
}

/** Cuts as a limit does, unless the answer ended before it. */
function cutToLength(whole: Cut, length: number): Cut {
  if (whole.ids.length <= length) return whole;
  return { ids: whole.ids.slice(0, length), finish: "length", stopReason: null };
}
