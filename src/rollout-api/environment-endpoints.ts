/** What an environment calls to join a run, to leave it, and to learn how it stands. */
import type { FastifyRequest } from "fastify";
import { detailAnswer, jsonAnswer, problemsAnswer } from "./answer.ts";
import { answering, type Endpoint, type WireMode } from "./endpoint.ts";
import { pythonFloat } from "./json/number-text.ts";
import { type BodyReading, queryOf, readBody } from "./request-body.ts";
import { envRequestReader, readEnvId, readQueryEnvId } from "./request-models.ts";
import type { Problems } from "./validation.ts";

export function environmentEndpoints({ compat }: WireMode): Endpoint[] {
  const readEnvRequest = envRequestReader({ compat });
  const change = {
    audience: "env",
    effect: "change",
    takesBody: true,
    onUnknownRun: "answer-as-closed",
  } as const;
  return [
    {
      ...change,
      method: "POST",
      path: "/register-env",
      handle: ({ request, body, store }) =>
        answering(readBody(request, body, readEnvRequest), async (env) => {
          const joined = await store.registerEnv(env);
          if (joined === null) return jsonAnswer('{"status":"wait for trainer to start"}');
          const ownWord = compat ? "" : ',"takes_larger_groups":true';
          return jsonAnswer(
            `{"status":"success","env_id":${joined.envId},"wandb_name":${JSON.stringify(joined.wandbName)},` +
              `"checkpoint_dir":${JSON.stringify(joined.checkpointDir)},"starting_step":${joined.currentStep},` +
              `"checkpoint_interval":${joined.checkpointInterval},"num_steps":${joined.numSteps}${ownWord}}`,
          );
        }),
    },
    {
      ...change,
      method: "POST",
      path: "/disconnect-env",
      handle: ({ request, body, store }) =>
        answering(readBody(request, body, readEnvId), async (envId) => {
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
      ...change,
      method: "GET",
      path: "/status-env",
      handle: ({ request, body, store }) =>
        answering(readStatusEnvId(request, body), async (envId) => {
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

/** The id in a GET's JSON body, or (for clients and proxies that have no body on GET) in its query. */
function readStatusEnvId(request: FastifyRequest, body: Buffer): BodyReading<number> {
  const query = queryOf(request).get("env_id");
  if (body.length > 0 || query === null) return readBody(request, body, readEnvId);
  const problems: Problems = [];
  const envId = readQueryEnvId(query, problems);
  return envId === undefined ? { ok: false, answer: problemsAnswer(problems) } : { ok: true, model: envId };
}
