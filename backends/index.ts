/** The backends that exist, by the name that `terminal_backend` gives. A new one adds a line here. */
import { z } from "zod";
import { LachesisError } from "../src/contracts/errors.ts";
import type { SandboxBackend } from "../src/contracts/sandbox.ts";
import type { BackendContext } from "./backend-context.ts";
import { DaytonaBackend, daytonaConfig } from "./daytona.ts";
import { DockerBackend, dockerConfig } from "./docker.ts";
import { LocalBackend, localConfig } from "./local.ts";
import { ModalBackend, modalConfig } from "./modal.ts";
import { NomadBackend, nomadConfig } from "./nomad.ts";
import { SingularityBackend, singularityConfig } from "./singularity.ts";
import { SshBackend, sshConfig } from "./ssh.ts";

/** A backend's settings before its own schema has checked them. */
export type BackendConfig = Readonly<Record<string, unknown>>;

type BackendEntry = {
  configKeys: readonly string[];
  create: (name: string, config: BackendConfig, context: BackendContext) => SandboxBackend;
};

const backends: Readonly<Record<string, BackendEntry>> = {
  daytona: entry(daytonaConfig, (config, context) => new DaytonaBackend(config, context)),
  docker: entry(dockerConfig, (config, context) => new DockerBackend(config, context)),
  local: entry(localConfig, (config) => new LocalBackend(config)),
  modal: entry(modalConfig, (config, context) => new ModalBackend(config, context)),
  nomad: entry(nomadConfig, (config, context) => new NomadBackend(config, context)),
  singularity: entry(singularityConfig, (config, context) => new SingularityBackend(config, context)),
  ssh: entry(sshConfig, (config, context) => new SshBackend(config, context)),
};

export const backendNames: readonly string[] = Object.keys(backends);

/** The keys of a backend's own schema; none where there is no such backend. */
export function backendConfigKeys(name: string): readonly string[] {
  return find(name)?.configKeys ?? [];
}

/** Throws TERMINAL_BACKEND_UNKNOWN or CONFIG_INVALID; starts nothing. */
export function createBackend(
  name: string,
  config: BackendConfig,
  context: BackendContext = {},
): SandboxBackend {
  const backend = find(name);
  if (backend !== undefined) return backend.create(name, config, context);
  throw new LachesisError("TERMINAL_BACKEND_UNKNOWN", `There is no sandbox backend named "${name}".`, {
    hint: `Use one of: ${backendNames.join(", ")}.`,
  });
}

function find(name: string): BackendEntry | undefined {
  return Object.hasOwn(backends, name) ? backends[name] : undefined;
}

function entry<Schema extends z.ZodObject>(
  schema: Schema,
  create: (config: z.output<Schema>, context: BackendContext) => SandboxBackend,
): BackendEntry {
  return {
    configKeys: Object.keys(schema.shape),
    create: (name, config, context) => create(parse(name, schema, config), context),
  };
}

function parse<Schema extends z.ZodObject>(
  name: string,
  schema: Schema,
  config: BackendConfig,
): z.output<Schema> {
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  throw new LachesisError(
    "CONFIG_INVALID",
    `The settings of the sandbox backend "${name}" are invalid:\n${z.prettifyError(parsed.error)}`,
  );
}
