/**
 * One request and its answer, whatever API it came by: faults that strike before or instead of an answer, the
 * wait, the logs, and the sending.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { FastifyReply } from "fastify";
import { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import type { JsonlFile } from "../data/jsonl-file.ts";
import type { AnswerFault } from "./answer-faults.ts";
import { BadRequest } from "./bad-request.ts";
import { type Fault, type FaultPlan, isAnswerFault } from "./fault-plan.ts";
import type { SampledEntry, TokenLogEntry } from "./token-log.ts";

export type Answer = { status: number; body: unknown; contentType?: string; retryAfterSeconds?: number };

/** What the API makes of a request. */
export type Reply = {
  body: unknown;
  /** Number of the task, null when unknown; for the log. */
  task: number | null;
  /** Of each answer's rollout; null for an unknown task. */
  errs: (boolean | null)[];
  /** Every sequence that the body tells of. */
  tokens: SampledEntry[];
};

export type Exchange = {
  /** Of the answer, and of its lines in the logs. */
  id: string;
  body: unknown;
  reply: FastifyReply;
  /** Throws a ZodError or BadRequest for what is answered with 400. */
  answer(fault: AnswerFault | null): Reply;
  error(status: number, message: string): unknown;
};

export type ExchangesOptions = {
  faults: FaultPlan;
  log: JsonlFile | undefined;
  onTokens: ((entry: TokenLogEntry) => void | Promise<void>) | undefined;
  /** Ends waits when the server closes. */
  closing: AbortSignal;
  now: () => number;
};

export class Exchanges {
  readonly #options: ExchangesOptions;
  #deaths = 0;

  constructor(options: ExchangesOptions) {
    this.#options = options;
  }

  async run(exchange: Exchange): Promise<FastifyReply> {
    const { faults, log, onTokens, closing, now } = this.#options;
    const { id, body, reply } = exchange;
    const startedMs = now();
    const fault = faults.next();
    const [answer, told] = this.#answer(exchange, fault);
    if (fault !== "rate-limited") await delay(faults.latencyMs(), undefined, { signal: closing });
    for (const entry of told?.tokens ?? []) await onTokens?.({ ...entry, fault });
    await log?.append({
      time: new Date(startedMs).toISOString(),
      id,
      task: told?.task ?? null,
      errs: told?.errs ?? null,
      fault,
      duration_ms: now() - startedMs,
      request: body,
      status: answer.status,
      response: answer.body,
    });
    return fault === "died" ? this.#die(reply, answer) : send(reply, answer);
  }

  #answer(exchange: Exchange, fault: Fault | null): [Answer, Reply | null] {
    const refused = this.#fromFault(exchange, fault);
    if (refused) return [refused, null];
    try {
      const reply = exchange.answer(isAnswerFault(fault) ? fault : null);
      return [{ status: 200, body: reply.body }, reply];
    } catch (thrown) {
      const problem = describeProblem(thrown);
      if (problem === null) throw thrown;
      return [{ status: 400, body: exchange.error(400, problem) }, null];
    }
  }

  #fromFault({ error }: Exchange, fault: Fault | null): Answer | null {
    const { faults } = this.#options;
    switch (fault) {
      case "rate-limited":
        return {
          status: 429,
          retryAfterSeconds: faults.retryAfterSeconds(),
          body: error(429, "Too many requests (--rate-limit)"),
        };
      case "failed":
        return { status: 500, body: error(500, "A failure on purpose (--fail-rate)") };
      case "malformed":
        return { status: 200, ...faults.malformedBody() };
      default:
        return null;
    }
  }

  /** Breaks the connection, every other time in the middle of the answer. */
  #die(reply: FastifyReply, { body }: Answer): FastifyReply {
    this.#deaths += 1;
    reply.hijack();
    const { raw } = reply;
    if (this.#deaths % 2 === 1) {
      raw.destroy();
      return reply;
    }
    const text = Buffer.from(JSON.stringify(body));
    raw.writeHead(200, { "content-type": "application/json", "content-length": text.length });
    raw.write(text.subarray(0, Math.floor(text.length / 2)), () => raw.destroy());
    return reply;
  }
}

/** In one line; null for what is no fault of the client's. */
function describeProblem(thrown: unknown): string | null {
  // Coded errors come from the chat template, which refuses conversations that it wasn't made for.
  if (thrown instanceof BadRequest || thrown instanceof LachesisError) return thrown.message;
  if (!(thrown instanceof z.ZodError)) return null;
  return thrown.issues.map(({ path, message }) => `${path.join(".") || "body"}: ${message}`).join("; ");
}

function send(reply: FastifyReply, { status, body, contentType, retryAfterSeconds }: Answer): FastifyReply {
  if (retryAfterSeconds !== undefined) reply.header("retry-after", retryAfterSeconds);
  if (contentType !== undefined) reply.type(contentType);
  return reply.code(status).send(body);
}
