/** The routes by which inference servers take ids and give ids. */
import type { IncomingHttpHeaders } from "node:http";
import type { FastifyInstance } from "fastify";
import type { AnswerFault } from "./answer-faults.ts";
import { checkPrompt } from "./bad-request.ts";
import type { Exchanges, Reply } from "./exchange.ts";
import { tokenLogEntries } from "./token-log.ts";
import type { TokenPlayer } from "./token-player.ts";
import type { TokenWire } from "./wire/token-wire.ts";
import { tokenWires } from "./wire/token-wires.ts";

export type TokenRoutesOptions = {
  player: TokenPlayer;
  exchanges: Exchanges;
  /** Which of the APIs the server has. */
  shapes: readonly string[];
  modelName: string;
  createdSeconds: number;
  nextId: () => string;
  now: () => number;
};

export function addTokenRoutes(app: FastifyInstance, options: TokenRoutesOptions): void {
  const wires = tokenWires.filter(({ name }) => options.shapes.includes(name));
  for (const path of new Set(wires.flatMap(({ paths }) => paths))) {
    const here = wires.filter(({ paths }) => paths.includes(path));
    const [first] = here;
    app.post(path, ({ body, headers }, reply) => {
      const wire = here.find(({ accepts }) => accepts(body)) ?? first;
      if (!wire) return reply.callNotFound();
      const id = options.nextId();
      return options.exchanges.run({
        id,
        body,
        reply,
        error: wire.error,
        answer: (fault) => answerTo(wire, { id, body, headers, fault }, options),
      });
    });
  }
}

type Asked = { id: string; body: unknown; headers: IncomingHttpHeaders; fault: AnswerFault | null };

function answerTo(wire: TokenWire, { id, body, headers, fault }: Asked, options: TokenRoutesOptions): Reply {
  const { player, modelName, createdSeconds, now } = options;
  const startedMs = now();
  const { tokenizer, eosId } = player.sampler;
  const request = wire.read(body, tokenizer);
  const sessionId = request.sessionId ?? sessionIn(headers);
  const { sampling } = request;
  const logged = {
    time: new Date(startedMs).toISOString(),
    requestId: id,
    shape: wire.name,
    sessionId,
  };
  const reply: Reply = { body: null, task: null, errs: [], tokens: [] };
  let weightVersion = player.weightVersion.current;
  const prompts = request.prompts.map((promptIds) => {
    checkPrompt(promptIds, player.sampler);
    if (request.promptTop !== undefined) {
      // Who scores a text has nothing to do with the tasks: nothing is played, and no rollout is counted.
      const scored = player.scorePrompt(promptIds, { ...wire, sampling, top: request.promptTop, fault });
      return { ids: promptIds, scored, sequences: [player.sampler.endAtOnce(promptIds)] };
    }
    const reading = player.format.readPrompt(tokenizer.decode(promptIds));
    const { processedLogprobs } = wire;
    const answer = player.answer({ promptIds, reading, sampling, sessionId, processedLogprobs, fault });
    reply.task ??= answer.task;
    reply.errs.push(...answer.turns.map(({ fate }) => fate?.errs ?? null));
    reply.tokens.push(...tokenLogEntries(logged, promptIds, answer, reply.tokens.length));
    weightVersion = answer.weightVersion;
    return { ids: promptIds, sequences: answer.sequences };
  });
  reply.body = request.write({
    id,
    createdSeconds,
    model: modelName,
    eosId,
    tokenizer,
    weightVersion,
    prompts,
    durationMs: now() - startedMs,
  });
  return reply;
}

/** vLLM's header, then the one of SGLang's router. */
function sessionIn(headers: IncomingHttpHeaders): string | null {
  const named = headers["x-session-id"] ?? headers["x-smg-routing-key"];
  return typeof named === "string" ? named : null;
}
