/**
 * The wiring of a run: makes what an environment works with and closes it in the reverse order. Nothing else
 * constructs inference servers or sandbox backends for a run.
 */
import type { Logger } from "pino";
import type { ChatServer } from "../contracts/chat.ts";
import type { EnvClass, EnvServices, InferenceServers } from "../env/env-class.ts";
import type { ServerConfig } from "../inference/server-config.ts";
import { ServerManager } from "../inference/server-manager.ts";
import type { EventBus } from "../telemetry/events.ts";
import { type OwnParts, openEnvironment } from "./open-environment.ts";
import { openJudge } from "./open-judge.ts";
import { openSandboxes } from "./open-sandboxes.ts";
import { openTeacher } from "./open-teacher.ts";
import { openTokenServers, speakTokens } from "./open-token-servers.ts";
import type { ProcessEnvironment } from "./process-environment.ts";
import { openToolServices } from "./tool-services.ts";

export type ServicesOptions = {
  /** The environment's resolved configuration; its `terminal_*` keys choose the sandboxes. */
  env: Readonly<Record<string, unknown>>;
  servers: readonly ServerConfig[];
  /** Those that `openEnvironment` knows by name; default: none, only files. */
  environments?: readonly EnvClass[] | undefined;
  /** Answers in place of servers. */
  model?: ChatServer;
  runDirectory: string;
  logger: Logger;
  events: EventBus;
  environment: ProcessEnvironment;
  /** Aborts when the run starts nothing new: nobody then waits for servers that are away. */
  stopping: AbortSignal;
};

export type OpenServices = EnvServices & AsyncDisposable;

/** Rejects with a LachesisError where the configuration asks for what there isn't, e.g. an unknown backend. */
export async function openServices(options: ServicesOptions): Promise<OpenServices> {
  const { servers, runDirectory, logger, events, environment } = options;
  await using started = new AsyncDisposableStack();
  const parts = await openParts(options, started);
  const model = options.model ?? (await openServers(options, started));
  const opened = started.move();
  const services: EnvServices = {
    modelName: [...new Set(servers.map((server) => server.model_name))].join(", "),
    servers: model,
    serverCount: Math.max(1, servers.length),
    ...parts,
    logger,
    events,
    runDirectory,
    cacheDirectory: environment.cacheDirectory,
    hubToken: environment.hubToken,
    openEnvironment: (request) =>
      openEnvironment(request, {
        services,
        registered: options.environments ?? [],
        openParts: (env, stack) => openParts({ ...options, env }, stack),
      }),
  };
  return { ...services, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** What an environment has for itself, by its own keys. */
async function openParts(options: ServicesOptions, started: AsyncDisposableStack): Promise<OwnParts> {
  const backend = started.use(openSandboxes(options));
  const tools = started.use(await openToolServices(options.env, options.environment.toolSettings));
  const judge = openJudge(options);
  if (judge !== undefined) started.use(judge);
  const teacher = await openTeacher(options);
  if (teacher !== undefined) started.use(teacher);
  return { backend, tools, judge, teacher };
}

async function openServers(
  options: ServicesOptions,
  started: AsyncDisposableStack,
): Promise<InferenceServers> {
  if (!speakTokens(options.servers)) return started.use(openChatServers(options));
  return started.use(await openTokenServers(options)).servers;
}

function openChatServers({ servers, logger, events, stopping }: ServicesOptions): ServerManager {
  return new ServerManager({
    servers,
    logger: logger.child({ part: "inference" }),
    stopping,
    onNotice: (notice) => events.emit("notice", notice),
  });
}
