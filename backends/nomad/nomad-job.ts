/**
 * The job of one sandbox: one batch job with one allocation, whose main process only waits. Nothing restarts or
 * reschedules it: a sandbox that died is dead, and a fresh rollout gets a fresh one.
 */
import type { SandboxSpec } from "../../src/contracts/sandbox.ts";
import type { NomadConfig } from "./nomad-config.ts";

/** Name of the task group and of the task in it. */
export const ownTask = "sandbox";
const jobPrefix = "lachesis";
const mhzPerCpu = 1_000;
/** Nomad wants 10 MB at least, and more than the logs may take. */
const reservedDiskMb = 10;
const second = 1_000_000_000;
const waitForever = "while :; do sleep 3600; done";

/** `lachesis-<owner's mark>-<sandbox>`: whose job it is stands in its name, which every listing has. */
export function jobId(owner: string, sandboxId: string): string {
  return `${jobPrefix}-${owner}-${sandboxId.replace(/[^A-Za-z0-9_.-]+/g, "_").slice(0, 60)}`;
}

export const jobIdPrefix = `${jobPrefix}-`;

/** The mark of a job of ours; undefined for the job of somebody else. */
export function ownerOf(id: string): string | undefined {
  return new RegExp(`^${jobPrefix}-([a-z0-9.]+)-`).exec(id)?.[1];
}

export function sandboxJob(id: string, owner: string, config: NomadConfig, spec: SandboxSpec = {}) {
  const hasNetwork = spec.network ?? config.network;
  return {
    ID: id,
    Name: id,
    Type: "batch",
    Namespace: config.namespace,
    ...(config.region === undefined ? {} : { Region: config.region }),
    Datacenters: config.datacenters,
    Meta: { lachesis_owner: owner },
    TaskGroups: [
      {
        Name: ownTask,
        Count: 1,
        RestartPolicy: { Attempts: 0, Mode: "fail", Interval: 300 * second, Delay: second },
        ReschedulePolicy: { Attempts: 0, Unlimited: false },
        EphemeralDisk: { SizeMB: config.workspace_mb + reservedDiskMb },
        ...(hasNetwork || config.driver === "raw_exec" ? {} : { Networks: [{ Mode: "none" }] }),
        Tasks: [
          {
            Name: ownTask,
            Driver: config.driver,
            Config: driverConfig(config, spec),
            Resources: {
              CPU: spec.cpus === undefined ? config.cpu : Math.ceil(spec.cpus * mhzPerCpu),
              MemoryMB: spec.memoryMb ?? config.memory_mb,
            },
            LogConfig: { MaxFiles: 1, MaxFileSizeMB: 1 },
            KillSignal: "SIGKILL",
          },
        ],
      },
    ],
  };
}

function driverConfig({ driver, image, max_processes }: NomadConfig, spec: SandboxSpec) {
  if (driver !== "docker") return { command: "/bin/sh", args: ["-c", waitForever] };
  return {
    image: spec.image ?? image,
    // An image's entrypoint would get our command as its arguments.
    entrypoint: ["/bin/sh"],
    args: ["-c", waitForever],
    init: true,
    cap_drop: ["all"],
    security_opt: ["no-new-privileges"],
    pids_limit: max_processes,
  };
}
