/** The endpoints: each turns a request into one call of the store and its answer into JSON. */
import { randomUUID } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { type Answer, detailAnswer, jsonAnswer, problemsAnswer, textAnswer } from "./answer.ts";
import type { EncodedGroup } from "./group-fields.ts";
import { readGroup, readGroups } from "./group-reader.ts";
import { GroupScanner } from "./group-scanner.ts";
import type { GroupStore, Placement, SubmitAnswer } from "./group-store.ts";
import { pythonFloat } from "./json/number-text.ts";
import { type BodyReading, bytesOf, readBody } from "./request-body.ts";
import { readEnvId, readEnvRequest, readQueryEnvId, readRegistration } from "./request-models.ts";
import type { Problems } from "./validation.ts";

export type Route = {
  method: "GET" | "POST";
  path: string;
  handle: (request: FastifyRequest) => Promise<Answer>;
};

const NO_EXAMPLE =
  '{"tokens":[],"masks":[],"scores":[],"advantages":[],"ref_logprobs":[],"generation_params":[],"inference_logprobs":[],"messages":[],"images":[]}';
const NOT_REGISTERED =
  '{"status":"error","message":"Trainer not registered. Call /register first.","batch":[]}';

/** All endpoints over one store. */
export function createRoutes({ store }: { store: GroupStore }): readonly Route[] {
  return [...trainerRoutes(store), ...environmentRoutes(store), ...submissionRoutes(store)];
}

function trainerRoutes(store: GroupStore): Route[] {
  return [
    { method: "GET", path: "/", handle: async () => jsonAnswer('{"message":"AtroposLib API"}') },
    {
      method: "POST",
      path: "/register",
      handle: (request) =>
        answering(readBody(request, readRegistration), async (registration) => {
          await store.register(registration);
          return jsonAnswer(`{"uuid":${randomInteger()}}`);
        }),
    },
    {
      method: "GET",
      path: "/batch",
      handle: async () => {
        const answer = await store.takeBatch({ leaseSeconds: null });
        if (answer.kind === "not-registered") return jsonAnswer(NOT_REGISTERED);
        if (answer.kind === "none-ready") return jsonAnswer('{"batch":null}');
        await store.settleBatch(answer.leaseId, "taken");
        return jsonAnswer(encodeBatch(answer.bodies));
      },
    },
    {
      method: "GET",
      path: "/info",
      handle: async () => {
        const { batchSize, maxTokenLength } = await store.info();
        return jsonAnswer(`{"batch_size":${batchSize},"max_token_len":${maxTokenLength}}`);
      },
    },
    {
      method: "GET",
      path: "/status",
      handle: async () => {
        const { currentStep, queuedGroups } = await store.status();
        return jsonAnswer(`{"current_step":${currentStep},"queue_size":${queuedGroups}}`);
      },
    },
    {
      method: "GET",
      path: "/reset_data",
      handle: async () => {
        await store.reset();
        return textAnswer("Reset successful");
      },
    },
  ];
}

function environmentRoutes(store: GroupStore): Route[] {
  return [
    {
      method: "GET",
      path: "/wandb_info",
      handle: async () => {
        const { group, project } = await store.wandbInfo();
        return jsonAnswer(JSON.stringify({ group, project }));
      },
    },
    {
      method: "POST",
      path: "/register-env",
      handle: (request) =>
        answering(readBody(request, readEnvRequest), async (env) => {
          const joined = await store.registerEnv(env);
          if (joined === null) return jsonAnswer('{"status":"wait for trainer to start"}');
          return jsonAnswer(
            `{"status":"success","env_id":${joined.envId},"wandb_name":${JSON.stringify(joined.wandbName)},` +
              `"checkpoint_dir":${JSON.stringify(joined.checkpointDir)},"starting_step":${joined.currentStep},` +
              `"checkpoint_interval":${joined.checkpointInterval},"num_steps":${joined.numSteps}}`,
          );
        }),
    },
    {
      method: "POST",
      path: "/disconnect-env",
      handle: (request) =>
        answering(readBody(request, readEnvId), async (envId) => {
          switch (await store.disconnectEnv(envId)) {
            case "disconnected":
              return jsonAnswer('{"status":"success"}');
            case "unknown-env":
              return jsonAnswer('{"status":"failure","error":"list index out of range"}');
            case "never-opened":
              return jsonAnswer(`{"status":"failure","error":"'State' object has no attribute 'envs'"}`);
          }
        }),
    },
    {
      method: "GET",
      path: "/status-env",
      handle: (request) =>
        answering(readStatusEnvId(request), async (envId) => {
          const status = await store.envStatus(envId);
          if (status === null) return detailAnswer(404, `No environment with env_id ${envId} is registered`);
          return jsonAnswer(
            `{"current_step":${status.currentStep},"queue_size":${status.queueSize},` +
              `"unallocated_fraction":${pythonFloat(status.unallocatedFraction)},` +
              `"self_queue_size":${status.selfQueueSize},"max_group_size":${status.maxGroupSize},` +
              `"env_weight":${pythonFloat(status.envWeight)}}`,
          );
        }),
    },
  ];
}

function submissionRoutes(store: GroupStore): Route[] {
  const scanner = new GroupScanner();
  return [
    {
      method: "POST",
      path: "/scored_data",
      handle: (request) =>
        answering(
          readBody(request, readGroup, (bytes) => scanner.scanGroup(bytes)),
          async (group) => {
            const answer = await store.submit([group]);
            if (answer.kind !== "accepted") return refusalAnswer(answer);
            const [placement] = answer.placements;
            if (placement?.kind !== "buffered") return jsonAnswer('{"status":"received"}');
            return jsonAnswer(`{"status":"buffered","buffer_size":${placement.sequencesLeft}}`);
          },
        ),
    },
    {
      method: "POST",
      path: "/scored_data_list",
      handle: (request) =>
        answering(
          readBody<EncodedGroup[]>(request, readGroups, (bytes) => scanner.scanGroups(bytes)),
          async (groups) => {
            const answer = await store.submit(groups);
            if (answer.kind !== "accepted") return refusalAnswer(answer);
            return jsonAnswer(encodePlacements(answer.placements));
          },
        ),
    },
    {
      method: "GET",
      path: "/latest_example",
      handle: async () => jsonAnswer((await store.latestExample()) ?? NO_EXAMPLE),
    },
  ];
}

async function answering<Model>(
  reading: BodyReading<Model>,
  handle: (model: Model) => Promise<Answer>,
): Promise<Answer> {
  return reading.ok ? handle(reading.model) : reading.answer;
}

/** The id in a GET's JSON body, or (for clients and proxies that have no body on GET) in its query. */
function readStatusEnvId(request: FastifyRequest): BodyReading<number> {
  const query = new URL(request.url, "http://localhost").searchParams.get("env_id");
  if (bytesOf(request).length > 0 || query === null) return readBody(request, readEnvId);
  const problems: Problems = [];
  const envId = readQueryEnvId(query, problems);
  return envId === undefined ? { ok: false, answer: problemsAnswer(problems) } : { ok: true, model: envId };
}

function refusalAnswer(answer: Exclude<SubmitAnswer, { kind: "accepted" }>): Answer {
  if (answer.kind === "unpackable") return detailAnswer(422, answer.reason);
  return detailAnswer(429, "The queue is full", { "retry-after": String(answer.retryAfterSeconds) });
}

function encodePlacements(placements: readonly Placement[]): string {
  const buffered = placements.filter((placement) => placement.kind === "buffered");
  const last = buffered.at(-1);
  const tail =
    last === undefined ? "" : `,"buffered":${buffered.length},"last_buffer_size":${last.sequencesLeft}`;
  return `{"status":"received","groups_processed":${placements.length}${tail}}`;
}

const BATCH_START = Buffer.from('{"batch":[');
const BATCH_END = Buffer.from("]}");
const COMMA = Buffer.from(",");

/** Bodies are final JSON text: a batch is only strung together. */
function encodeBatch(bodies: readonly Buffer[]): Buffer {
  const parts = bodies.flatMap((body, index) => (index === 0 ? [body] : [COMMA, body]));
  return Buffer.concat([BATCH_START, ...parts, BATCH_END]);
}

/** 128 random bits, as the digits of a JSON number. */
function randomInteger(): string {
  return BigInt(`0x${randomUUID().replaceAll("-", "")}`).toString();
}
