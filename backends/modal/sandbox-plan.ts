/** What one sandbox shall be: the configuration, over it the item's profile, over that what the item itself asks. */
import type { SandboxCreateParams } from "modal";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { SandboxSpec } from "../../src/contracts/sandbox.ts";
import type { ModalConfig, ModalProfile } from "./modal-config.ts";

export type SandboxPlan = {
  image: string;
  registrySecretName: string | undefined;
  secretNames: readonly string[];
  parameters: SandboxCreateParams;
  workspace: string;
  /** Whether the workspace is a directory that the image must have. */
  isImageWorkspace: boolean;
};

const freshWorkspace = "/workspace";

/** Throws SANDBOX_SPEC_UNSUPPORTED for a profile that is not configured. */
export function planSandbox(config: ModalConfig, spec: SandboxSpec = {}): SandboxPlan {
  const profile: ModalProfile = spec.profile === undefined ? {} : findProfile(config, spec.profile);
  const cpu = spec.cpus ?? profile.cpu ?? config.cpu;
  const gpu = profile.gpu ?? config.gpu;
  const memoryMiB = spec.memoryMb ?? profile.memory_mb ?? config.memory_mb;
  const idleTimeoutSeconds = profile.idle_timeout ?? config.idle_timeout;
  return {
    image: spec.image ?? profile.image ?? config.image,
    registrySecretName: profile.registry_secret_name ?? config.registry_secret_name,
    secretNames: profile.secrets ?? config.secrets,
    parameters: {
      ...(cpu === undefined ? {} : { cpu }),
      ...(gpu === undefined ? {} : { gpu }),
      memoryMiB,
      memoryLimitMiB: memoryMiB,
      env: profile.env_vars ?? config.env_vars,
      blockNetwork: !(spec.network ?? profile.network ?? config.network),
      regions: profile.regions ?? config.regions,
      timeoutMs: (profile.timeout ?? config.timeout) * 1_000,
      ...(idleTimeoutSeconds === undefined ? {} : { idleTimeoutMs: idleTimeoutSeconds * 1_000 }),
    },
    workspace: spec.workspace ?? freshWorkspace,
    isImageWorkspace: spec.workspace !== undefined,
  };
}

function findProfile(config: ModalConfig, name: string): ModalProfile {
  const profile = Object.hasOwn(config.profiles, name) ? config.profiles[name] : undefined;
  if (profile !== undefined) return profile;
  const known = Object.keys(config.profiles).join(", ");
  throw new LachesisError(
    "SANDBOX_SPEC_UNSUPPORTED",
    `An item asks for a sandbox of the profile "${name}", which modal_profiles does not have.`,
    { hint: `It has: ${known || "none"}. Add the profile, or correct the item.` },
  );
}
