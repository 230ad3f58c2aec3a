/** The configuration of the backend `nomad`. */
import { z } from "zod";

export const nomadConfig = z.strictObject({
  address: z
    .url({ protocol: /^https?$/ })
    .default("http://127.0.0.1:4646")
    .describe("URL of a Nomad server or agent."),
  token: z.string().optional().describe("ACL token."),
  namespace: z.string().default("default").describe("Namespace of the jobs."),
  region: z.string().optional().describe("Region; default: the region of the agent at `address`."),
  datacenters: z.array(z.string()).min(1).default(["*"]).describe("Datacenters that may run sandboxes."),
  driver: z
    .enum(["docker", "exec", "raw_exec"])
    .default("docker")
    .describe(
      "Task driver. docker: an image in a hardened container. exec: the node's programs in a chroot. raw_exec: no walls at all, for trusted code only.",
    ),
  image: z.string().default("python:3.12-slim").describe("Docker image of sandboxes (driver docker)."),
  cpu: z.int().min(1).default(500).describe("CPU of one sandbox, MHz."),
  memory_mb: z.int().min(16).default(1024).describe("Memory of one sandbox, MiB."),
  workspace_mb: z.int().min(1).default(256).describe("Disk that Nomad plans for one sandbox, MiB."),
  max_processes: z.int().min(1).default(128).describe("Processes in one sandbox (driver docker)."),
  network: z.boolean().default(false).describe("Whether sandboxes have a network."),
  job: z
    .string()
    .optional()
    .describe("An existing job to adopt: its allocations become sandboxes, its count is scaled."),
  group: z.string().optional().describe("Task group of the adopted job; default: its first."),
  task: z.string().optional().describe("Task of that group; default: its first."),
  max_count: z.int().min(1).default(50).describe("Most allocations that the adopted job is scaled to."),
  idle_seconds: z
    .number()
    .positive()
    .default(60)
    .describe("Seconds without a new sandbox after which the adopted job is scaled down."),
  start_timeout_seconds: z
    .number()
    .positive()
    .default(300)
    .describe(
      "Seconds until an allocation must run: an image may have to be pulled, capacity to become free.",
    ),
});

export type NomadConfig = z.output<typeof nomadConfig>;
