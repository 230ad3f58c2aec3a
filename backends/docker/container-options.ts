/**
 * What a sandbox's container is made of. Hardened by default: no network, no capabilities, no way to gain any, image
 * files read-only, memory, processes and CPU limited, nothing of the host mounted. The supervisor is process 1, so it
 * reaps orphans as an init would, no command can kill it, and its end ends the container; its stdin is open only as
 * long as the process that made the container listens.
 */
import type { ContainerCreateOptions } from "dockerode";
import type { SandboxSpec } from "../../src/contracts/sandbox.ts";
import { streamSupervisorCommand } from "../supervisor/stream-supervisor.ts";
import type { DockerConfig } from "./docker-config.ts";

export const ownerLabel = "lachesis.owner";
export const sandboxLabel = "lachesis.sandbox";
const defaultWorkspace = "/workspace";
const defaultUser = "1000:1000";
const megabyte = 1_048_576;
const sharedMemoryBytes = 64 * megabyte;
/** Of a file system in memory: one for every block, so that empty files fill it no further than full ones. */
const inodesPerMegabyte = 256;

export type ContainerRequest = {
  config: DockerConfig;
  spec: SandboxSpec | undefined;
  owner: string;
  id: string;
};

export function workspaceOf(spec: SandboxSpec | undefined): string {
  return spec?.workspace ?? defaultWorkspace;
}

export function imageOf(config: DockerConfig, spec: SandboxSpec | undefined): string {
  return spec?.image ?? config.image;
}

export function containerOptions({ config, spec, owner, id }: ContainerRequest): ContainerCreateOptions {
  const isImageWorkspace = spec?.workspace !== undefined;
  const user = config.user ?? (isImageWorkspace ? undefined : defaultUser);
  const memoryBytes = (spec?.memoryMb ?? config.memory_mb) * megabyte;
  const cpus = spec?.cpus ?? config.cpus;
  return {
    Image: imageOf(config, spec),
    Entrypoint: streamSupervisorCommand(),
    Cmd: [],
    ...(user !== undefined && { User: user }),
    WorkingDir: "/",
    Labels: { [ownerLabel]: owner, [sandboxLabel]: id },
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    OpenStdin: true,
    StdinOnce: true,
    Tty: false,
    StopSignal: "SIGKILL",
    Healthcheck: { Test: ["NONE"] },
    HostConfig: {
      NetworkMode: (spec?.network ?? config.network) ? "default" : "none",
      CapDrop: ["ALL"],
      ...(config.capabilities.length > 0 && { CapAdd: [...config.capabilities] }),
      SecurityOpt: ["no-new-privileges:true"],
      IpcMode: "private",
      ShmSize: sharedMemoryBytes,
      ReadonlyRootfs: config.read_only && !isImageWorkspace,
      ...(!isImageWorkspace && { Tmpfs: temporaryFileSystems(config, user) }),
      Memory: memoryBytes,
      MemorySwap: memoryBytes,
      PidsLimit: config.max_processes,
      ...(cpus > 0 && { NanoCpus: Math.round(cpus * 1e9) }),
      // Docker would write all that the supervisor says to a file.
      LogConfig: { Type: "none", Config: {} },
      ...(config.runtime !== undefined && { Runtime: config.runtime }),
    },
  };
}

function temporaryFileSystems(
  { workspace_mb }: DockerConfig,
  user: string | undefined,
): Record<string, string> {
  const size = `size=${workspace_mb}m,nr_inodes=${workspace_mb * inodesPerMegabyte}`;
  const flags = `rw,exec,nosuid,nodev,${size}`;
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(user ?? "") ?? [];
  const owner = uid === undefined ? "mode=1777" : `mode=755,uid=${uid},gid=${gid ?? uid}`;
  return { [defaultWorkspace]: `${flags},${owner}`, "/tmp": `${flags},mode=1777` };
}

/** What every command finds in its environment, over what the image sets. */
export function baseEnvironment(workspace: string): Record<string, string> {
  return { HOME: workspace, LANG: "C.UTF-8", TERM: "dumb", TMPDIR: "/tmp" };
}
