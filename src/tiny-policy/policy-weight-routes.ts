/** What trainers and watchers ask of a policy server: weights and their version, pauses, counters. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { LachesisError } from "../contracts/errors.ts";
import { parameterCount } from "./engine/parameters.ts";
import type { PolicyEngine } from "./policy-engine.ts";
import { withStatus } from "./policy-refusals.ts";
import { decodeWeights } from "./weights-file.ts";

/** Above the weights themselves: the header with names, shapes and metadata. */
const headerBytes = 1024 * 1024;

export function addWeightRoutes(
  app: FastifyInstance,
  { engine, adminToken }: { engine: PolicyEngine; adminToken: string | undefined },
): void {
  const onlyAdmins = async ({ headers }: FastifyRequest) => {
    if (adminToken === undefined) return;
    const [, presented] = /^Bearer +(\S+)\s*$/i.exec(headers.authorization ?? "") ?? [];
    if (presented === undefined) throw withStatus(401, "This takes the server's admin token");
    if (!timingSafeEqual(digestOf(presented), digestOf(adminToken))) throw withStatus(401, "Invalid token");
  };
  const bodyLimit = parameterCount(engine.config) * 4 + headerBytes;
  let isPaused = false;

  for (const type of ["application/octet-stream", "application/x-safetensors"]) {
    app.addContentTypeParser(type, { parseAs: "buffer", bodyLimit }, (_request, body, done) =>
      done(null, body),
    );
  }

  // `weight_version` is the name that clients of vLLM look for.
  const weightInfo = () => ({ version: engine.version, weight_version: engine.version });
  app.get("/weight_info", weightInfo);

  app.post("/weights", { bodyLimit, onRequest: onlyAdmins }, async ({ body }) => {
    if (!Buffer.isBuffer(body)) {
      throw withStatus(415, "Expected safetensors as application/octet-stream");
    }
    const { config, weights, version } = decodeWeights(body, "The request's body");
    const differing = Object.entries(engine.config).filter(
      ([name, value]) => Object.entries(config).find(([other]) => other === name)?.[1] !== value,
    );
    if (differing.length > 0) {
      const words = differing.map(([name, value]) => `${name} ${value}`).join(", ");
      throw new LachesisError(
        "WEIGHTS_INVALID",
        `The weights are of another shape: this server has ${words}, they have ${JSON.stringify(config)}.`,
      );
    }
    await engine.updateWeights(weights, version);
    return weightInfo();
  });

  app.post("/pause", { onRequest: onlyAdmins }, async () => {
    isPaused = true;
    await engine.pause();
    return { is_paused: isPaused };
  });
  app.post("/resume", { onRequest: onlyAdmins }, () => {
    engine.resume();
    isPaused = false;
    return { is_paused: isPaused };
  });
  app.get("/is_paused", () => ({ is_paused: isPaused }));

  app.get("/metrics", (_request, reply) => reply.type("text/plain; version=0.0.4").send(metricsText(engine)));
}

/** In Prometheus' text format. */
function metricsText(engine: PolicyEngine): string {
  const { running, waiting, sampledTokens, readTokens, cachedTokens, steps, busyMs } = engine.statistics();
  const metrics: [name: string, type: string, help: string, value: number][] = [
    ["requests_running", "gauge", "Sequences in the batch at the last answer.", running],
    ["requests_waiting", "gauge", "Sequences that waited at the last answer.", waiting],
    ["sampled_tokens_total", "counter", "Tokens sampled.", sampledTokens],
    ["read_tokens_total", "counter", "Tokens of prompts that were read.", readTokens],
    ["cached_tokens_total", "counter", "Tokens of prompts that a slot held already.", cachedTokens],
    ["steps_total", "counter", "Steps of the batch.", steps],
    ["busy_seconds_total", "counter", "Time spent reading and sampling, over all threads.", busyMs / 1000],
    ["weight_version", "gauge", "Version of the weights.", engine.version],
  ];
  return metrics
    .map(([name, type, help, value]) => {
      const full = `lachesis_policy_${name}`;
      return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${full} ${value}\n`;
    })
    .join("");
}

const digestOf = (token: string) => createHash("sha256").update(token).digest();
