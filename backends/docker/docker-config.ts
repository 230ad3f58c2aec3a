/** The docker backend's configuration. */
import { z } from "zod";

export const dockerConfig = z.strictObject({
  image: z
    .string()
    .min(1)
    .default("python:3.12-slim")
    .describe(
      "Image of rollouts whose item names none. It needs `sh`, `tar`, and Perl or python3. Pulled when it is missing.",
    ),
  host: z
    .string()
    .optional()
    .describe(
      "The Docker daemon: unix:///path, tcp://host:port or https://host:port. Default: DOCKER_HOST, else the usual socket.",
    ),
  cert_path: z
    .string()
    .optional()
    .describe(
      "Directory with ca.pem, cert.pem and key.pem for a daemon behind TLS. Default: DOCKER_CERT_PATH.",
    ),
  user: z
    .string()
    .min(1)
    .optional()
    .describe(
      "User (or uid:gid) of the commands. Default: 1000:1000; where an item works in a directory of its image, the image's own.",
    ),
  capabilities: z
    .array(z.string().regex(/^[A-Z_]+$/, "expected a capability's name without CAP_, e.g. CHOWN"))
    .default([])
    .describe(
      "Linux capabilities that commands may have where they run as root, e.g. CHOWN, SETUID. Package managers need some.",
    ),
  cpus: z.number().min(0).default(1).describe("CPUs that one sandbox may keep busy. 0 = no limit."),
  memory_mb: z
    .int()
    .min(16)
    .default(1024)
    .describe("Memory of one sandbox, MiB; what lies in its workspace and /tmp counts."),
  max_processes: z.int().min(8).default(128).describe("Processes and threads in one sandbox."),
  workspace_mb: z.int().min(1).default(256).describe("Size of the workspace, and of /tmp, MiB."),
  network: z.boolean().default(false).describe("Whether sandboxes can reach the network."),
  read_only: z
    .boolean()
    .default(true)
    .describe(
      "Whether the image's files are read-only, all but the workspace and /tmp (and a directory that an item works in).",
    ),
  runtime: z
    .string()
    .optional()
    .describe("One of the daemon's container runtimes, e.g. runsc (gVisor). Default: the daemon's."),
  pull: z
    .enum(["missing", "never"])
    .default("missing")
    .describe("Whether an image that the daemon doesn't have is pulled."),
});

export type DockerConfig = z.output<typeof dockerConfig>;
