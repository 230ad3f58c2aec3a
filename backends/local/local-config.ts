/** The local backend's configuration. */
import { z } from "zod";

export const localConfig = z.strictObject({
  isolation: z
    .enum(["bubblewrap", "none"])
    .default("bubblewrap")
    .describe(
      "bubblewrap: each rollout in its own sandbox. none: plain processes with the rights of this user, for trusted code only.",
    ),
  memory_mb: z.int().min(16).default(1024).describe("Private memory of one process, MiB."),
  max_processes: z
    .int()
    .min(1)
    .default(128)
    .describe("Processes and threads in one sandbox (bubblewrap only)."),
  workspace_mb: z
    .int()
    .min(1)
    .default(256)
    .describe(
      "Size of the workspace, and of /tmp, MiB (bubblewrap only); also the largest size of one file.",
    ),
  network: z
    .boolean()
    .default(false)
    .describe("Whether sandboxes share the host's network (bubblewrap only)."),
  bwrap_path: z
    .string()
    .default("bwrap")
    .describe("The bubblewrap program: a name on the system path, or a path."),
  python_path: z
    .string()
    .optional()
    .describe(
      "The Python 3 that sandboxes see as python3. Default: /usr/bin/python3, else the python3 on PATH.",
    ),
  run_as_uid: z
    .int()
    .min(1)
    .default(20_001)
    .describe(
      "User and group id of sandboxed processes when Lachesis itself runs as root and this id exists (bubblewrap only).",
    ),
});

export type LocalConfig = z.output<typeof localConfig>;
