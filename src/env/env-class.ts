/** What the verbs need to know of an environment: its class. An env file's default export is one. */
import type { Logger } from "pino";
import type { z } from "zod";
import type { ChatServer } from "../contracts/chat.ts";
import type { JudgeModel } from "../contracts/judge-model.ts";
import type { SandboxBackend } from "../contracts/sandbox.ts";
import type { TeacherModel } from "../contracts/teacher-model.ts";
import type { EventBus } from "../telemetry/events.ts";
import type { ToolServices } from "../tools/tool-services.ts";
import type { BaseEnv } from "./base-env.ts";
import type { RolloutSession } from "./rollout-tokens.ts";

/** The model servers as the engine sees them: a ServerManager (chat), or ManagedServers (tokens). */
export interface InferenceServers extends ChatServer {
  /**
   * A view for one rollout, which keeps its tokens. Servers that only chat have none: nothing that they answer
   * can be trained on. `contextLength`: tokens that prompt and answer may have together.
   */
  openSession?(options: { sessionId: string; contextLength?: number | undefined }): RolloutSession;
  /** The number of the present weights, the oldest of several servers'; null where one doesn't tell. Never rejects. */
  weightVersion?(options: { signal: AbortSignal }): Promise<number | null>;
  /** Tells which share (0..1] of the servers this environment may use. */
  setWeight?(weight: number): void;
  /** Request times and attempts of late, under Atropos' names (`server/server_0_request_time_avg`, ...). */
  metrics?(): Record<string, number>;
}

/** Everything an environment works with, made by the CLI (or a test) and closed by it. */
export type EnvServices = {
  /** Model name(s) for the record, e.g. metrics.json. */
  modelName: string;
  servers: InferenceServers;
  /** How many inference servers stand behind `servers`; sizes the worker pool. */
  serverCount: number;
  backend: SandboxBackend;
  logger: Logger;
  events: EventBus;
  /** Folder of the run's own files (log, dead letters, resolved config). */
  runDirectory: string;
  /** Folder for downloads that later runs may reuse, e.g. datasets from the hub. */
  cacheDirectory: string;
  /** For private data sets and models; undefined = public only. */
  hubToken: string | undefined;
  /** Parts of tools outside the sandboxes (web, browser, vision); undefined = none. */
  tools?: ToolServices | undefined;
  /** The model that judges answers (`env.judge`); undefined = none. */
  judge?: JudgeModel | undefined;
  /** The model to distil from (`env.teacher`), where the servers give token ids; undefined = none. */
  teacher?: TeacherModel | undefined;
  /** Makes another environment, with sandboxes and tools of its own, over the same model servers. */
  openEnvironment?(request: EnvironmentRequest): Promise<OpenedEnvironment>;
};

/**
 * What the rollouts of a run are for: `serve` hands their groups to a trainer, `process` writes them, `evaluate` and
 * `validate` want the scores alone.
 */
export type RunPurpose = "serve" | "process" | "evaluate" | "validate";

/** An environment that another one asks for. */
export type EnvironmentRequest = {
  /** Registered name, or the path of its file. */
  name: string;
  /** Over its class's defaults. */
  config: Readonly<Record<string, unknown>>;
  /** Keys of the run, which win over both; those that it doesn't know are left out. */
  shared: Readonly<Record<string, unknown>>;
  /** Where `config` stands, for messages. */
  place: string;
  /** For `validate`, the class's `validationDefaults` stand over its `defaults`. */
  purpose?: RunPurpose | undefined;
};

/** Disposing of it closes what it had for itself, after its own `cleanup`. */
export type OpenedEnvironment = AsyncDisposable & { env: BaseEnv };

export type EnvArguments<Config> = { config: Config; services: EnvServices };

/** What an environment class may put into its static `defaults`. */
export type EnvDefaults<Config> = { env?: Partial<Config>; openai?: Record<string, unknown> };

export interface EnvClass {
  /** Registered name, kebab-case, e.g. "gsm8k-agent". */
  readonly envName: string;
  /** One line for `environment list`. */
  readonly description: string;
  /** A strict object: the base fields extended with the environment's own. Every field is described. */
  readonly configSchema: z.ZodObject;
  /** Class defaults that differ from the schema's, under `env` and `openai`. YAML and flags win over them. */
  readonly defaults?: EnvDefaults<Record<string, unknown>>;
  /** What `validate` puts over `defaults`, e.g. rows that ship in place of a download. */
  readonly validationDefaults?: EnvDefaults<Record<string, unknown>>;
  /** `never` lets every environment be an EnvClass whatever its Config; construct with `createEnvironment`. */
  new (args: EnvArguments<never>): BaseEnv;
}
