/**
 * The wiring of a run: makes what an environment works with and closes it in the reverse order. Nothing else
 * constructs inference servers or sandbox backends for a run.
 */
import type { Logger } from "pino";
import { createBackend } from "../../backends/index.ts";
import type { EnvServices } from "../env/env-class.ts";
import type { ServerConfig } from "../inference/server-config.ts";
import { ServerManager } from "../inference/server-manager.ts";
import type { EventBus } from "../telemetry/events.ts";
import type { ProcessEnvironment } from "./process-environment.ts";

export type ServicesOptions = {
  /** The environment's resolved configuration; its `terminal_*` keys choose the sandboxes. */
  env: Readonly<Record<string, unknown>>;
  servers: readonly ServerConfig[];
  runDirectory: string;
  logger: Logger;
  events: EventBus;
  environment: ProcessEnvironment;
  /** Aborts when the run starts nothing new: nobody then waits for servers that are away. */
  stopping: AbortSignal;
};

export type OpenServices = EnvServices & AsyncDisposable;

/** Throws a LachesisError where the configuration asks for what there isn't, e.g. an unknown backend. */
export function openServices(options: ServicesOptions): OpenServices {
  const { env, servers, runDirectory, logger, events, environment, stopping } = options;
  const backend = createBackend(String(env.terminal_backend ?? "local"), backendConfig(env));
  const manager = new ServerManager({
    servers,
    logger: logger.child({ part: "inference" }),
    stopping,
    onNotice: (notice) => events.emit("notice", notice),
  });
  return {
    modelName: [...new Set(servers.map((server) => server.model_name))].join(", "),
    servers: manager,
    serverCount: servers.length,
    backend,
    logger,
    events,
    runDirectory,
    cacheDirectory: environment.cacheDirectory,
    hubToken: environment.hubToken,
    async [Symbol.asyncDispose]() {
      await manager[Symbol.asyncDispose]();
      await backend[Symbol.asyncDispose]();
    },
  };
}

/** These `terminal_*` keys are the engine's own; all others are settings of the backend. */
const engineKeys = new Set(["terminal_backend", "terminal_timeout", "terminal_lifetime"]);

function backendConfig(env: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const own = Object.entries(env).filter(([key]) => key.startsWith("terminal_") && !engineKeys.has(key));
  return Object.fromEntries(own.map(([key, value]) => [key.slice("terminal_".length), value]));
}
