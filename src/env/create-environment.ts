/** The one place where a class from the registry meets its config. */
import { LachesisError } from "../contracts/errors.ts";
import type { BaseEnv } from "./base-env.ts";
import type { EnvClass, EnvServices } from "./env-class.ts";

/**
 * Constructs an environment from raw config values (defaults are filled in).
 * Throws CONFIG_INVALID when the values don't fit the class's schema.
 */
export function createEnvironment(
  envClass: EnvClass,
  { config, services }: { config: unknown; services: EnvServices },
): BaseEnv {
  const parsed = envClass.configSchema.safeParse(config);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = ["env", ...(issue?.path ?? [])].join(".");
    throw new LachesisError("CONFIG_INVALID", `${where}: ${issue?.message ?? "invalid configuration"}`, {
      cause: parsed.error,
    });
  }
  // Sound: the class's own schema made the value that its own constructor takes.
  return new envClass({ config: parsed.data as never, services });
}
