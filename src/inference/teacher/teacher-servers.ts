/** The teacher over its server: limits, retries and health as with the policy's servers. */
import type { Logger } from "pino";
import { LachesisError } from "../../contracts/errors.ts";
import type { TeacherModel, TeacherPlace } from "../../contracts/teacher-model.ts";
import type { OutageNotice } from "../outage-notices.ts";
import { type ServerConfig, serverConfig } from "../server-config.ts";
import { ServerFailure } from "../server-failure.ts";
import { ServerPool, type ServerPoolOptions } from "../server-pool.ts";
import type { ScoringServer } from "./scoring-server.ts";
import { SglangScoring } from "./sglang-scoring.ts";
import type { TeacherConfig } from "./teacher-config.ts";
import { VllmScoring } from "./vllm-scoring.ts";

export type TeacherServersOptions = {
  config: TeacherConfig;
  /** `probeText` in the student's ids. */
  probeIds: readonly number[];
  logger: Logger;
  stopping?: AbortSignal;
  onNotice?: (notice: OutageNotice) => void;
  retry?: ServerPoolOptions["retry"];
};

const scoringServers = { vllm: VllmScoring, sglang: SglangScoring } as const;

/** Letters, digits, code, accents, another script, white space: tokenizers of different models part here. */
export const probeText =
  "Tokenizers differ: naïve café, 1234567890, 3.14159; for (let i = 0; i < n; i++) { x += a[i]; }\n\n\t日本語のテキスト — и русский. 🙂";

export class TeacherServers extends ServerPool<ScoringServer> implements TeacherModel {
  readonly modelName: string;
  readonly #probeIds: readonly number[];

  constructor({ config, probeIds, ...options }: TeacherServersOptions) {
    const { base_url, model_name, server_type, api_key, timeout, num_max_requests_at_once } = config;
    const server = serverConfig.parse({
      ...{ base_url, model_name, server_type, timeout, num_max_requests_at_once },
      api_key: api_key ?? "",
    });
    super({ ...options, servers: [server] }, (one: ServerConfig, { clock }) => {
      return new scoringServers[server_type]({ config: one, now: clock.now });
    });
    this.modelName = model_name;
    this.#probeIds = probeIds;
  }

  async score(
    ids: readonly number[],
    { top, signal }: { top: number; signal: AbortSignal },
  ): Promise<(TeacherPlace | null)[]> {
    const [places = []] = await this.sample<(TeacherPlace | null)[]>(
      {
        count: 1,
        countOf: () => 1,
        send: (server, _part, options) => server.score({ ids, top }, options),
      },
      { signal },
    );
    return places;
  }

  async prove({ top, signal }: { top: number; signal: AbortSignal }): Promise<void> {
    await this.#checkTokenizer(signal);
    try {
      await this.score(this.#probeIds, { top, signal });
    } catch (thrown) {
      if (!(thrown instanceof ServerFailure) || thrown.kind !== "rejected") throw thrown;
      throw new LachesisError(
        "TEACHER_UNFIT",
        `The teacher ${this.modelName} gives no ${top} choices a place: ${thrown.message}`,
        {
          hint: "Lower env.distill_topk, or start the teacher with more (vLLM: --max-logprobs, 20 if unset).",
          cause: thrown,
        },
      );
    }
  }

  /** Asks the server itself, where it tells: what a file says of it may be wrong. */
  async #checkTokenizer(signal: AbortSignal): Promise<void> {
    const expected = this.#probeIds;
    const [told] = await this.sample<number[] | null>(
      {
        count: 1,
        countOf: () => 1,
        send: (server, _part, options) => server.tokenize(probeText, options),
      },
      { signal },
    );
    if (told === null || told === undefined) return;
    const at = expected.findIndex((id, index) => told[index] !== id);
    if (at === -1 && told.length === expected.length) return;
    throw new LachesisError(
      "TEACHER_TOKENIZER_DIFFERS",
      `The teacher ${this.modelName} writes a text with other ids than the student, from place ${at === -1 ? expected.length : at} on.`,
      { hint: "Take a teacher of the student's own family, with the very same tokenizer." },
    );
  }
}
