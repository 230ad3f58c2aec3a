/** Makes the judge of a run from `env.judge`, and keeps it from being the policy by accident. */
import type { Logger } from "pino";
import { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import { type JudgeConfig, judgeConfig } from "../inference/judge/judge-config.ts";
import { JudgeServer } from "../inference/judge/judge-server.ts";
import type { ServerConfig } from "../inference/server-config.ts";
import type { EventBus } from "../telemetry/events.ts";
import type { ProcessEnvironment } from "./process-environment.ts";

export type JudgeOptions = {
  /** The environment's resolved configuration. */
  env: Readonly<Record<string, unknown>>;
  /** The policy's. */
  servers: readonly ServerConfig[];
  logger: Logger;
  events: EventBus;
  environment: ProcessEnvironment;
  stopping: AbortSignal;
};

/** undefined where none is configured. Throws JUDGE_IS_POLICY. */
export function openJudge(options: JudgeOptions): JudgeServer | undefined {
  const { env, servers, logger, events, environment, stopping } = options;
  const config = readConfig(env.judge);
  if (config === null || config === undefined) return undefined;
  if (!config.may_be_policy) requireAnother(config, servers);
  return new JudgeServer({
    config: { ...config, api_key: config.api_key ?? keyFor(config, environment) },
    cacheDirectory: environment.cacheDirectory,
    logger: logger.child({ part: "judge" }),
    stopping,
    onNotice: ({ level, message }) => {
      const next = level === "warn" ? " Start it, or correct env.judge." : "";
      events.emit("notice", { level, message: `Judge ${config.model_name}: ${message}${next}` });
    },
  });
}

function readConfig(section: unknown): JudgeConfig | null | undefined {
  const parsed = judgeConfig.nullish().safeParse(section);
  if (parsed.success) return parsed.data;
  throw new LachesisError("CONFIG_INVALID", `judge: ${z.prettifyError(parsed.error)}`);
}

/** A key for OpenAI is not sent to anybody else. */
function keyFor({ base_url }: JudgeConfig, { modelKeys, openaiApiKey }: ProcessEnvironment): string | null {
  return modelKeys?.judge ?? (base_url === "" ? openaiApiKey : undefined) ?? null;
}

function requireAnother({ base_url, model_name }: JudgeConfig, servers: readonly ServerConfig[]): void {
  const place = placeOf(base_url);
  const same = servers.find(
    (server) => server.model_name === model_name && placeOf(server.base_url) === place,
  );
  if (same === undefined) return;
  throw new LachesisError(
    "JUDGE_IS_POLICY",
    `env.judge is the policy itself: ${model_name} at ${base_url || "api.openai.com"}. A model that marks its own answers learns to please itself.`,
    { hint: "Name another model or server in env.judge, or set env.judge.may_be_policy." },
  );
}

/** Whom a URL leads to, however it is written. */
function placeOf(baseUrl: string): string {
  if (baseUrl === "") return "api.openai.com";
  const { protocol, hostname, port } = new URL(baseUrl);
  const host = ["localhost", "[::1]", "0.0.0.0"].includes(hostname) ? "127.0.0.1" : hostname;
  const usual = protocol === "https:" ? "443" : "80";
  const given = port === "" ? usual : port;
  return given === "443" && host === "api.openai.com" ? host : `${host}:${given}`;
}
