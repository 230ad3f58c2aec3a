/**
 * What the token servers have in common: one HTTP call, whose answer is taken apart by the subclass (one per
 * wire format) and audited here. Nothing leaves this file whose ids and log-probabilities are not whole.
 */
import { z } from "zod";
import type { LachesisError } from "../contracts/errors.ts";
import type { GenerateRequest, Generation, LogprobKind, Sampling } from "../contracts/token-server.ts";
import type { TokenInferenceServer } from "./inference-server.ts";
import { JsonHttp } from "./json-http.ts";
import type { ServerConfig } from "./server-config.ts";
import { excerpt, isBrokenOff, ServerFailure } from "./server-failure.ts";
import {
  type AuditContext,
  auditPrompt,
  auditSequence,
  type PromptEcho,
  type SampledSequence,
} from "./token-generation-audit.ts";

export type TokenServerOptions = { config: ServerConfig; now?: () => number };

/** A length that an information page tells; null where it doesn't, or tells something else. */
export const tokenCount = z.int().min(1).nullish().catch(null);

/** A server's answer, taken apart but not yet trusted. */
export type SampledAnswer = { sequences: SampledSequence[]; prompt: PromptEcho };

/** How the stock server is run, unless the configuration says otherwise. */
export type StockServer = {
  logprobKind: LogprobKind;
  healthPath: string;
  /** Header by which the server, or a router before it, keeps a session where its prefix is cached. */
  sessionHeader: string;
  /** What to do when it gives no log-probabilities. */
  hint: string;
};

export abstract class HttpTokenServer implements TokenInferenceServer {
  readonly baseUrl: string;
  readonly logprobKind: LogprobKind;
  protected readonly http: JsonHttp;
  protected readonly modelName: string;
  readonly #stock: StockServer;

  /** Throws CONFIG_INVALID without a base_url. */
  constructor({ config, now = Date.now }: TokenServerOptions, stock: StockServer) {
    this.http = new JsonHttp({ config, now });
    this.baseUrl = config.base_url;
    this.modelName = config.model_name;
    this.logprobKind = config.logprob_kind === "auto" ? stock.logprobKind : config.logprob_kind;
    this.#stock = stock;
  }

  async generate(request: GenerateRequest, { signal }: { signal: AbortSignal }): Promise<Generation[]> {
    signal.throwIfAborted();
    const { prompt, sequences } = await this.sample(request, {
      signal,
      // Whatever the session is called, a header takes ASCII only.
      headers: { [this.#stock.sessionHeader]: encodeURIComponent(request.sessionId) },
    });
    const brokenOff = sequences.find(({ finishReason }) => isBrokenOff(finishReason));
    if (brokenOff !== undefined) {
      // Half a sequence is not the model's answer, and must not be scored as one.
      const message = `${this.baseUrl} broke a generation off (finish reason "${brokenOff.finishReason}")`;
      throw new ServerFailure("server-error", message);
    }
    const context = this.auditContext(request);
    auditPrompt(prompt, context);
    return sequences.map((sequence) => this.#toGeneration(sequence, context));
  }

  probe({ signal }: { signal: AbortSignal }): Promise<LachesisError | null> {
    return this.http.probe(this.#stock.healthPath, { signal });
  }

  samplesTogether(_sampling: Sampling): boolean {
    return true;
  }

  async weightVersion({ signal }: { signal: AbortSignal }): Promise<string | null> {
    signal.throwIfAborted();
    return null;
  }

  async contextLength({ signal }: { signal: AbortSignal }): Promise<number | null> {
    signal.throwIfAborted();
    return null;
  }

  /** Breaks off requests in flight. */
  close(): Promise<void> {
    return this.http.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One request and its answer, taken apart by `read`. */
  protected abstract sample(
    request: GenerateRequest,
    options: { signal: AbortSignal; headers: Record<string, string> },
  ): Promise<SampledAnswer>;

  /** The answer as the schema has it, or a ServerFailure that says where it differs. */
  protected read<Schema extends z.ZodType>(schema: Schema, answer: unknown): z.output<Schema> {
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    const problems = parsed.error.issues.slice(0, 3);
    const where = problems.map(({ path, message }) => `${path.join(".") || "body"}: ${message}`).join("; ");
    throw new ServerFailure(
      "malformed",
      `${this.baseUrl} answered no generation (${where}): ${excerpt(answer)}`,
    );
  }

  /** A number or text of one field of an information page; null where the server has no such page. */
  protected async readVersion(path: string, name: string, signal: AbortSignal): Promise<string | null> {
    const page = await this.readPage(path, versionPage(name), signal);
    return page === null ? null : String(page[name]);
  }

  /** An information page; null where the server has none, or one of another shape. */
  protected async readPage<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    signal: AbortSignal,
  ): Promise<z.output<Schema> | null> {
    try {
      const page = schema.safeParse(await this.http.get(path, { signal }));
      return page.success ? page.data : null;
    } catch (thrown) {
      if (thrown instanceof ServerFailure && !thrown.retryable) return null;
      throw thrown;
    }
  }

  /** As OpenAI's list of models tells it, to which vLLM and SGLang add it; null where it is not told. */
  protected async listedContextLength(signal: AbortSignal): Promise<number | null> {
    const page = await this.readPage("/v1/models", modelList, signal);
    const models = page?.data.filter(({ max_model_len: length }) => typeof length === "number") ?? [];
    const model = models.find(({ id }) => id === this.modelName) ?? models[0];
    return model?.max_model_len ?? null;
  }

  protected auditContext({ inputIds, sampling }: GenerateRequest): AuditContext {
    const { hint } = this.#stock;
    return { baseUrl: this.baseUrl, inputIds, maxTokens: sampling.max_tokens, hint };
  }

  #toGeneration(sequence: SampledSequence, context: AuditContext): Generation {
    const { ids, logprobs } = auditSequence(sequence, context);
    const { finishReason, stopReason } = sequence;
    const version = versionNumber(sequence.version);
    return {
      ids,
      logprobs,
      logprobKind: this.logprobKind,
      finishReason,
      stopReason,
      ...(version !== null && { versions: ids.map(() => version) }),
    };
  }
}

const modelList = z.object({
  data: z.array(z.object({ id: z.string(), max_model_len: tokenCount })),
});

const versionPage = (name: string) => z.object({ [name]: z.union([z.string(), z.number()]) });

/** Trainers count their updates; a version that is no whole number ("default") says nothing about age. */
function versionNumber(version: string | number | null | undefined): number | null {
  const text = String(version ?? "");
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** The last id, if it is one that the request told the server to stop at. */
export function stopTokenAtEnd(
  ids: readonly number[] | null | undefined,
  { stop_token_ids }: Sampling,
): number | null {
  const last = ids?.at(-1);
  return last !== undefined && stop_token_ids.includes(last) ? last : null;
}

/** Zod looks at each element of an array; these lists are long and plain. */
export const idList = z.custom<number[]>(
  (value) => Array.isArray(value) && value.every((id) => Number.isSafeInteger(id) && id >= 0),
  "expected a list of token ids",
);
