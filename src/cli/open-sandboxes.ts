/** Makes the sandbox backend of a run, behind a pool where one is asked for, and says which keys do nothing. */
import { createBackend } from "../../backends/index.ts";
import { SandboxPool } from "../../backends/sandbox-pool.ts";
import type { SandboxBackend } from "../contracts/sandbox.ts";
import { poolSettings } from "../env/terminal-fields.ts";
import type { EventBus } from "../telemetry/events.ts";
import { backendSettings } from "./backend-config.ts";
import type { ProcessEnvironment } from "./process-environment.ts";

export type OpenSandboxesOptions = {
  /** The environment's resolved configuration. */
  env: Readonly<Record<string, unknown>>;
  environment: Pick<ProcessEnvironment, "sandboxSecrets">;
  events: EventBus;
};

/** Starts nothing yet. Throws TERMINAL_BACKEND_UNKNOWN or CONFIG_INVALID. */
export function openSandboxes({ env, environment, events }: OpenSandboxesOptions): SandboxBackend {
  const name = String(env.terminal_backend ?? "local");
  const { config, unused } = backendSettings(name, env, environment.sandboxSecrets);
  const onNotice = events.emit.bind(events, "notice");
  if (unused.length > 0) {
    const keys = unused.map((key) => `env.${key}`).join(", ");
    const message = `The sandbox backend "${name}" has no use for ${keys}: nothing follows from it.`;
    onNotice({ level: "warn", message });
  }
  const backend = createBackend(name, config, { onNotice });
  const pool = poolSettings.parse(env);
  if (pool.pool_size === 0 && pool.pool_max_total === null) return backend;
  return new SandboxPool({
    backend,
    size: pool.pool_size,
    ...(pool.pool_max_total !== null && { maxTotal: pool.pool_max_total }),
    acquireTimeoutMs: pool.pool_acquire_timeout * 1000,
    idleTimeoutMs: pool.pool_idle_timeout * 1000,
    onNotice,
  });
}
