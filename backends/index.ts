/** The backends that exist, by the name that `terminal_backend` gives. A new one adds a line here. */
import { z } from "zod";
import { LachesisError } from "../src/contracts/errors.ts";
import type { SandboxBackend } from "../src/contracts/sandbox.ts";
import { LocalBackend, localConfig } from "./local.ts";

/** A backend's settings before its own schema has checked them. */
export type BackendConfig = Readonly<Record<string, unknown>>;

const backends: Readonly<Record<string, (config: BackendConfig) => SandboxBackend>> = {
  local: (config) => new LocalBackend(parse("local", localConfig, config)),
};

export const backendNames: readonly string[] = Object.keys(backends);

/** Throws TERMINAL_BACKEND_UNKNOWN or CONFIG_INVALID; starts nothing. */
export function createBackend(name: string, config: BackendConfig): SandboxBackend {
  const create = Object.hasOwn(backends, name) ? backends[name] : undefined;
  if (create !== undefined) return create(config);
  throw new LachesisError("TERMINAL_BACKEND_UNKNOWN", `There is no sandbox backend named "${name}".`, {
    hint: `Use one of: ${backendNames.join(", ")}.`,
  });
}

function parse<T>(name: string, schema: z.ZodType<T>, config: BackendConfig): T {
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  throw new LachesisError(
    "CONFIG_INVALID",
    `The settings of the sandbox backend "${name}" are invalid:\n${z.prettifyError(parsed.error)}`,
  );
}
