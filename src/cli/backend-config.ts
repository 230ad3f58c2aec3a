/**
 * From an environment's keys to the settings of its sandbox backend: the `terminal_*` keys that the backend's
 * own schema knows and all of its `<backend>_*` keys, prefixes removed. null means unset.
 */
import { backendConfigKeys, backendNames } from "../../backends/index.ts";
import { terminalFields } from "../env/terminal-fields.ts";

export type EnvKeys = Readonly<Record<string, unknown>>;

export type BackendSettings = {
  config: Record<string, unknown>;
  /** `terminal_*` keys that somebody set and that the backend has no use for. */
  unused: string[];
};

/** These `terminal_*` keys are the engine's own; all others are settings of the backend. */
const engineKeys = new Set(["terminal_backend", "terminal_timeout", "terminal_lifetime"]);

/** `secrets`: values from outside the configuration (e.g. `nomad_token`), for keys that it leaves unset. */
export function backendSettings(name: string, env: EnvKeys, secrets: EnvKeys = {}): BackendSettings {
  const config: Record<string, unknown> = {};
  const unused: string[] = [];
  const isKnown = backendNames.includes(name);
  const known = new Set(backendConfigKeys(name));
  for (const [key, value] of Object.entries({ ...withoutUnset(secrets), ...withoutUnset(env) })) {
    const own = key.startsWith(`${name}_`) ? key.slice(name.length + 1) : undefined;
    if (own !== undefined && known.has(own)) config[own] = value;
    if (!key.startsWith("terminal_") || engineKeys.has(key)) continue;
    const shared = key.slice("terminal_".length);
    if (known.has(shared)) config[shared] ??= value;
    else if (isKnown && isSet(key, value)) unused.push(key);
  }
  return { config, unused };
}

function withoutUnset(keys: EnvKeys): EnvKeys {
  return Object.fromEntries(
    Object.entries(keys).filter(([, value]) => value !== null && value !== undefined),
  );
}

/** Whether somebody chose the value: a default is nobody's wish. */
function isSet(key: string, value: unknown): boolean {
  const fields: Readonly<Record<string, (typeof terminalFields)[keyof typeof terminalFields]>> =
    terminalFields;
  return value !== fields[key]?.safeParse(undefined).data;
}
