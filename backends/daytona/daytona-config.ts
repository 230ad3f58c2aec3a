/** The configuration of the backend `daytona`. */
import { z } from "zod";

export const daytonaConfig = z.strictObject({
  api_key: z.string().optional().describe("API key of Daytona."),
  api_url: z.url().default("https://app.daytona.io/api").describe("URL of Daytona's API."),
  target: z.string().optional().describe("Region (target) of the sandboxes; default: the organization's."),
  image: z
    .string()
    .default("python:3.12-slim")
    .describe("Image of rollouts whose item names none; Daytona builds a snapshot of it once."),
  snapshot: z
    .string()
    .optional()
    .describe("Snapshot instead of the image; it has its own CPUs, memory and disk."),
  cpu: z.int().min(1).default(1).describe("CPUs of one sandbox (not of a snapshot)."),
  memory_mb: z
    .int()
    .min(16)
    .default(1024)
    .describe("Memory of one sandbox, MiB, rounded up to whole GiB (not of a snapshot)."),
  disk_gib: z.int().min(1).default(3).describe("Disk of one sandbox, GiB (not of a snapshot)."),
  auto_stop_minutes: z
    .int()
    .min(1)
    .default(15)
    .describe("Minutes without a sign of life from us until Daytona deletes a sandbox."),
  network: z.boolean().default(false).describe("Whether sandboxes can reach the network."),
  start_timeout_seconds: z
    .number()
    .positive()
    .default(300)
    .describe("Seconds a sandbox may take to start: an image may have to be built first."),
});

export type DaytonaConfig = z.output<typeof daytonaConfig>;
