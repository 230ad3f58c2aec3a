/** `serve` over a real rollout API, with an environment whose groups a test scripts. */
import type { BaseEnvConfig } from "../../src/env/env-config.ts";
import { serveEnvironment } from "../../src/env/serve.ts";
import type { TrainerRegistration } from "../../src/rollout-api/client-schemas.ts";
import { recordEvents, testServices } from "./env-services.ts";
import { NumbersEnv, type NumbersScript } from "./numbers-env.ts";
import { TestTrainer } from "./test-trainer.ts";

export type ServeScenario = {
  config?: Partial<BaseEnvConfig>;
  script?: NumbersScript;
  /** null = no trainer registers. */
  registration?: Partial<TrainerRegistration> | null;
};

/** A trainer with batches of 8 sequences, groups of 2: four groups a batch. */
export async function serveScenario({ config = {}, script = {}, registration = {} }: ServeScenario = {}) {
  const services = await testServices();
  const trainer =
    registration === null ? await TestTrainer.start() : await TestTrainer.registered(registration);
  const env = NumbersEnv.make(
    services,
    { rollout_server_url: trainer.url, max_num_workers: 4, steps_per_eval: 0, ...config },
    script,
  );
  const drain = new AbortController();
  const abort = new AbortController();
  const serve = () => serveEnvironment({ env, drain: drain.signal, abort: abort.signal, pollIntervalMs: 10 });
  return {
    services,
    trainer,
    env,
    drain,
    abort,
    serve,
    notices: recordEvents(services.events, "notice"),
    ends: recordEvents(services.events, "group-end"),
    async [Symbol.asyncDispose]() {
      abort.abort();
      await trainer[Symbol.asyncDispose]();
      await services[Symbol.asyncDispose]();
    },
  };
}
