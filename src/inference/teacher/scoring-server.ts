/** One server that scores prompts, whatever its protocol: one request a sequence, its answer checked here. */
import type { z } from "zod";
import type { LachesisError } from "../../contracts/errors.ts";
import type { TeacherPlace } from "../../contracts/teacher-model.ts";
import type { PoolableServer } from "../inference-server.ts";
import { JsonHttp } from "../json-http.ts";
import type { ServerConfig } from "../server-config.ts";
import { excerpt, ServerFailure } from "../server-failure.ts";

/** A choice at a place as the server tells it; not yet trusted. */
export type ToldChoice = { id: number; logprob: unknown };

/** A place as the server tells it: its own id's log-probability, and others, in any order. */
export type ToldPlace = { own: unknown; choices: readonly ToldChoice[] };

export type PromptQuestion = { ids: readonly number[]; top: number };

/** vLLM's word for minus infinity, and for a number that it lacks. */
const floor = -9999;
/** Above 0 only by rounding. */
const rounding = 1e-3;

export abstract class ScoringServer implements PoolableServer {
  readonly baseUrl: string;
  protected readonly http: JsonHttp;
  protected readonly modelName: string;

  constructor({ config, now = Date.now }: { config: ServerConfig; now?: () => number }) {
    this.http = new JsonHttp({ config, now });
    this.baseUrl = config.base_url;
    this.modelName = config.model_name;
  }

  /** One attempt. Rejects with a ServerFailure, or with the signal's reason. */
  async score(question: PromptQuestion, options: { signal: AbortSignal }): Promise<(TeacherPlace | null)[]> {
    const told = await this.ask(question, options);
    const { ids, top } = question;
    if (told.length !== ids.length) {
      throw this.malformed(`${told.length} places for ${ids.length} ids`);
    }
    return told.map((place, index) => (index === 0 ? null : this.#checked(place, index, top)));
  }

  /** The ids that the server's own tokenizer gives a text; null where it doesn't tell. */
  abstract tokenize(text: string, options: { signal: AbortSignal }): Promise<number[] | null>;

  probe({ signal }: { signal: AbortSignal }): Promise<LachesisError | null> {
    return this.http.probe("/health", { signal });
  }

  /** Breaks off requests in flight. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.http.close();
  }

  /** One entry an id; what the first holds is not looked at. */
  protected abstract ask(
    question: PromptQuestion,
    options: { signal: AbortSignal },
  ): Promise<readonly (ToldPlace | null)[]>;

  protected read<Schema extends z.ZodType>(schema: Schema, answer: unknown): z.output<Schema> {
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw this.malformed(`${issue?.path.join(".")}: ${issue?.message}: ${excerpt(answer)}`);
  }

  protected malformed(what: string): ServerFailure {
    return new ServerFailure("malformed", `${this.baseUrl} answered no scores of a prompt (${what})`, {
      hint: "The server has to give the log-probabilities of the prompt's own tokens: vLLM's prompt_logprobs, SGLang's input_top_logprobs.",
    });
  }

  #checked(place: ToldPlace | null, index: number, top: number): TeacherPlace {
    if (place === null) throw this.malformed(`place ${index} has none`);
    const choices = place.choices
      .map(({ id, logprob }) => ({ id, logprob: this.#logprob(logprob, index) }))
      .toSorted((left, right) => right.logprob - left.logprob)
      .slice(0, top);
    if (new Set(choices.map(({ id }) => id)).size < top) {
      throw this.malformed(`place ${index} has ${choices.length} choices, not ${top}`);
    }
    return {
      own: this.#logprob(place.own, index),
      ids: choices.map(({ id }) => id),
      logprobs: choices.map(({ logprob }) => logprob),
    };
  }

  #logprob(value: unknown, index: number): number {
    if (typeof value === "number" && value > floor && value <= rounding) return Math.min(value, 0);
    throw this.malformed(`place ${index} has the log-probability ${JSON.stringify(value)}`);
  }
}
