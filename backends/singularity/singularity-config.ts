/** The singularity backend's configuration. */
import { z } from "zod";

export const singularityConfig = z.strictObject({
  image: z
    .string()
    .min(1)
    .default("docker://python:3.12-slim")
    .describe(
      "Image of rollouts whose item names none: a .sif file, a directory, or a source to convert once (docker://…, library://…, oras://…; a bare name means docker://). Needs sh, tar, and Perl or python3.",
    ),
  cache_dir: z
    .string()
    .min(1)
    .optional()
    .describe("Directory of converted images, which processes share. null = ~/.cache/lachesis/singularity."),
  directory: z
    .string()
    .min(1)
    .optional()
    .describe("Directory in which each sandbox' workspace gets its own. null = the system's temporary one."),
  path: z.string().min(1).optional().describe("The program. null = apptainer, else singularity, on PATH."),
  build_timeout: z.number().positive().default(1800).describe("Seconds that converting an image may take."),
  start_timeout: z.number().positive().default(120).describe("Seconds that a container may take to start."),
  memory_mb: z.int().min(16).default(1024).describe("Private memory of one process, MiB."),
  workspace_mb: z
    .int()
    .min(1)
    .default(256)
    .describe("Largest size of one file, MiB; the workspace has no quota."),
  network: z.boolean().default(false).describe("Whether sandboxes share the host's network."),
});

export type SingularityConfig = z.output<typeof singularityConfig>;
