/** Makes a further environment in a run, for one that mixes others: parts of its own over the run's model servers. */
import { LachesisError } from "../contracts/errors.ts";
import type { BaseEnv } from "../env/base-env.ts";
import { createEnvironment } from "../env/create-environment.ts";
import type { EnvClass, EnvironmentRequest, EnvServices, OpenedEnvironment } from "../env/env-class.ts";
import type { ConfigMap } from "./config-file.ts";
import { findEnvironment } from "./find-environment.ts";
import { mergeMaps } from "./resolve-config.ts";

/** What each environment of a run has for itself. */
export type OwnParts = Pick<EnvServices, "backend" | "tools" | "judge" | "teacher">;

export type Run = {
  services: EnvServices;
  registered: readonly EnvClass[];
  /** Makes them of a resolved configuration; the stack closes them. */
  openParts(env: ConfigMap, started: AsyncDisposableStack): Promise<OwnParts>;
};

/** Rejects with ENVIRONMENT_UNKNOWN, ENVIRONMENT_FILE_INVALID or CONFIG_INVALID, or as its parts do. */
export async function openEnvironment(
  { name, ...request }: EnvironmentRequest,
  { services, registered, openParts }: Run,
): Promise<OpenedEnvironment> {
  const envClass = await findEnvironment(name, registered);
  const resolved = resolve(envClass, request);
  await using started = new AsyncDisposableStack();
  const parts = await openParts(resolved, started);
  const env: BaseEnv = createEnvironment(envClass, { config: resolved, services: { ...services, ...parts } });
  const opened = started.move();
  return { env, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

function resolve(
  { configSchema, defaults, validationDefaults, envName }: EnvClass,
  { config, shared, place, purpose }: Omit<EnvironmentRequest, "name">,
): ConfigMap {
  const own =
    purpose === "validate" ? { ...defaults?.env, ...validationDefaults?.env } : (defaults?.env ?? {});
  const known = Object.entries(shared).filter(([key]) => Object.hasOwn(configSchema.shape, key));
  const parsed = configSchema.safeParse(mergeMaps(own, { ...config }, Object.fromEntries(known)));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path, message }) => `${[place, ...path].join(".")}: ${message}`,
  );
  throw new LachesisError("CONFIG_INVALID", problems.join("\n  "), {
    hint: `\`environment serve ${envName} --help\` lists every key with its type and default.`,
    cause: parsed.error,
  });
}
