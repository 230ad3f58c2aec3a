/**
 * The judge over an OpenAI-compatible server: limits, retries and health as with the policy's servers. An answer that
 * is no verdict is asked for again; what stays is an error, never a score.
 */
import { join } from "node:path";
import type { Logger } from "pino";
import { z } from "zod";
import type { ChatRequest, JsonObject } from "../../contracts/chat.ts";
import { LachesisError } from "../../contracts/errors.ts";
import type { JudgeModel, JudgeQuestion } from "../../contracts/judge-model.ts";
import type { OutageNotice } from "../outage-notices.ts";
import { serverConfig } from "../server-config.ts";
import { excerpt, ServerFailure } from "../server-failure.ts";
import { ServerManager, type ServerManagerOptions } from "../server-manager.ts";
import type { JudgeConfig } from "./judge-config.ts";
import { readVerdict } from "./read-verdict.ts";
import { VerdictCache } from "./verdict-cache.ts";

export type JudgeServerOptions = {
  config: JudgeConfig;
  /** Verdicts are kept in its folder `judge`. */
  cacheDirectory: string;
  logger: Logger;
  stopping?: AbortSignal;
  onNotice?: (notice: OutageNotice) => void;
  retry?: ServerManagerOptions["retry"];
};

const jsonObject = z.record(z.string(), z.json());
/** Of a second attempt: the first one's answer would come again. */
const retryTemperature = 0.3;
const votingTemperature = 0.7;

export class JudgeServer implements JudgeModel, AsyncDisposable {
  readonly #config: JudgeConfig;
  readonly #server: ServerManager;
  readonly #cache: VerdictCache | null;
  #structuredOutput: JudgeConfig["structured_output"];

  constructor({ config, cacheDirectory, logger, stopping, onNotice, retry }: JudgeServerOptions) {
    const { base_url, model_name, api_key, timeout, num_max_requests_at_once } = config;
    this.#config = config;
    this.#structuredOutput = config.structured_output;
    this.#server = new ServerManager({
      servers: [
        serverConfig.parse({
          base_url,
          model_name,
          api_key: api_key ?? "",
          timeout,
          num_max_requests_at_once,
        }),
      ],
      logger,
      ...(stopping && { stopping }),
      ...(onNotice && { onNotice }),
      ...(retry && { retry }),
    });
    let told = false;
    this.#cache = config.cache
      ? new VerdictCache({
          directory: join(cacheDirectory, "judge"),
          onProblem: (error) => {
            if (!told) onNotice?.({ level: "warn", message: `Verdicts can't be cached: ${String(error)}` });
            told = true;
          },
        })
      : null;
  }

  async ask<Schema extends z.ZodType>(
    question: JudgeQuestion<Schema>,
    { signal }: { signal: AbortSignal },
  ): Promise<z.output<Schema>> {
    const request = this.#request(question, 0);
    const { base_url, model_name } = this.#config;
    const asked = { base_url, model_name, request, schema: schemaOf(question), vote: question.vote };
    const kept = question.verdict.safeParse(await this.#cache?.get(asked));
    if (kept.success) return kept.data;

    const { value, verdict } = await this.#askAgainAndAgain(question, signal);
    await this.#cache?.set(asked, value);
    return verdict;
  }

  /** Breaks off what is in flight and closes the connections. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.close();
  }

  async #askAgainAndAgain<Schema extends z.ZodType>(
    question: JudgeQuestion<Schema>,
    signal: AbortSignal,
  ): Promise<{ value: unknown; verdict: z.output<Schema> }> {
    const { attempts, base_url, model_name } = this.#config;
    let problem = "";
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      const answer = await this.#answer(question, attempt, signal);
      const read = readVerdict(answer);
      if (read.ok) {
        const parsed = question.verdict.safeParse(read.value);
        if (parsed.success) return { value: read.value, verdict: parsed.data };
        problem = parsed.error.issues
          .map(({ path, message }) => `${path.join(".") || "it"}: ${message}`)
          .join("; ");
      } else ({ problem } = read);
      problem = `${problem}: ${excerpt(answer)}`;
    }
    throw new LachesisError(
      "JUDGE_ANSWER_INVALID",
      `The judge ${model_name}${base_url && ` at ${base_url}`} gave no verdict in ${attempts} attempts; of the last answer: ${problem}`,
      {
        hint: "Take a judge that follows JSON schemas, or give it more room (judge.max_tokens).",
        retryable: true,
      },
    );
  }

  async #answer<Schema extends z.ZodType>(
    question: JudgeQuestion<Schema>,
    attempt: number,
    signal: AbortSignal,
  ): Promise<string> {
    const send = async (format: JudgeConfig["structured_output"]) => {
      const request = this.#request(question, attempt);
      const extra_body = { ...request.extra_body, ...responseFormat(format, question) };
      const { choices } = await this.#server.chatCompletion({ ...request, extra_body }, { signal });
      return choices[0]?.message.content ?? "";
    };
    const format = this.#structuredOutput;
    try {
      return await send(format);
    } catch (thrown) {
      if (format === "none" || !refusesFormat(thrown)) throw this.#asJudges(thrown);
    }
    const answer = await send("none").catch((thrown: unknown) => {
      throw this.#asJudges(thrown);
    });
    // The refusal may have had another cause: only this answer proves that it was the format.
    this.#structuredOutput = "none";
    return answer;
  }

  /** That nobody answers is told of the judge: the policy's servers have a code of their own. */
  #asJudges(thrown: unknown): unknown {
    if (!(thrown instanceof LachesisError) || thrown.code !== "INFERENCE_UNREACHABLE") return thrown;
    const { base_url, model_name } = this.#config;
    return new LachesisError(
      "JUDGE_UNREACHABLE",
      `Expected a verdict of the judge ${model_name}${base_url && ` at ${base_url}`}, but nobody answers there: ${thrown.message}`,
      {
        hint: "Start the judge's server, or correct env.judge.base_url. Its rollouts are played again, and scored by nobody until then.",
        retryable: true,
        cause: thrown,
      },
    );
  }

  #request({ messages, vote, votes }: JudgeQuestion<z.ZodType>, attempt: number): ChatRequest {
    const { temperature, max_tokens, extra_body, attempts } = this.#config;
    const usual = temperature ?? (votes > 1 ? votingTemperature : 0);
    return {
      messages,
      max_tokens,
      temperature: attempt > 0 ? Math.max(usual, retryTemperature) : usual,
      ...((votes > 1 || attempt > 0) && { seed: vote * attempts + attempt }),
      extra_body: extra_body ?? {},
    };
  }
}

const refusesFormat = (thrown: unknown): boolean =>
  thrown instanceof ServerFailure && [400, 415, 422, 501].includes(thrown.status ?? 0);

function schemaOf({ verdict }: JudgeQuestion<z.ZodType>): JsonObject {
  const { $schema: _, ...schema } = jsonObject.parse(z.toJSONSchema(verdict));
  return schema;
}

function responseFormat(
  kind: JudgeConfig["structured_output"],
  question: JudgeQuestion<z.ZodType>,
): JsonObject {
  switch (kind) {
    case "none":
      return {};
    case "json_object":
      return { response_format: { type: "json_object" } };
    case "json_schema": {
      const json_schema = { name: question.verdictName, schema: schemaOf(question), strict: true };
      return { response_format: { type: "json_schema", json_schema } };
    }
    default:
      return kind satisfies never;
  }
}
