/** The Modal backend's configuration: what every sandbox gets, and named profiles for items that need another. */
import { z } from "zod";

/** One day: what Modal lets a sandbox live at most. */
const longestLifetimeSeconds = 86_400;

const resources = {
  image: z
    .string()
    .describe(
      "A registry's image (python:3.12-slim), or the id of one built on Modal (im-...). Needs Perl or python3.",
    ),
  registry_secret_name: z
    .string()
    .describe(
      "Modal Secret with the credentials (REGISTRY_USERNAME, REGISTRY_PASSWORD) of a private registry.",
    ),
  cpu: z.number().positive().describe("Physical cores that a sandbox reserves."),
  memory_mb: z.int().min(128).describe("Memory of a sandbox, MiB: reserved, and its hard limit."),
  gpu: z.string().describe("GPU of a sandbox, e.g. T4, A100-80GB or H100:2."),
  secrets: z
    .array(z.string())
    .describe(
      "Names of Modal Secrets that sandboxes get as environment variables: the model's code sees them.",
    ),
  env_vars: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string())
    .describe("Environment variables of sandboxes."),
  network: z.boolean().describe("Whether sandboxes reach the network."),
  regions: z.array(z.string()).describe("Regions a sandbox may run in, e.g. us-east; empty = any."),
  timeout: z
    .int()
    .min(10)
    .max(longestLifetimeSeconds)
    .describe("Seconds a sandbox lives at most, whatever becomes of us."),
  idle_timeout: z
    .int()
    .min(1)
    .max(longestLifetimeSeconds)
    .describe("Seconds without a running command or connection after which Modal ends a sandbox."),
};

export const modalProfile = z.strictObject(resources).partial();

export const modalConfig = z.strictObject({
  ...resources,
  image: resources.image.default("python:3.12-slim"),
  registry_secret_name: resources.registry_secret_name.optional(),
  cpu: resources.cpu.optional(),
  memory_mb: resources.memory_mb.default(1024),
  gpu: resources.gpu.optional(),
  secrets: resources.secrets.default([]),
  env_vars: resources.env_vars.default({}),
  network: resources.network.default(false),
  regions: resources.regions.default([]),
  timeout: resources.timeout.default(3600),
  idle_timeout: resources.idle_timeout.optional(),
  profiles: z
    .record(z.string(), modalProfile)
    .default({})
    .describe("Kinds of sandboxes that an item chooses by name; what a profile leaves out is as configured."),
  app_name: z.string().min(1).default("lachesis").describe("Modal App of the sandboxes; made when missing."),
  environment: z
    .string()
    .optional()
    .describe("Modal environment. Default: that of the active Modal profile."),
  token_id: z.string().optional().describe("Modal token. Default: MODAL_TOKEN_ID, else ~/.modal.toml."),
  token_secret: z
    .string()
    .optional()
    .describe("Its secret. Default: MODAL_TOKEN_SECRET, else ~/.modal.toml."),
});

export type ModalConfig = z.output<typeof modalConfig>;
export type ModalProfile = z.output<typeof modalProfile>;
